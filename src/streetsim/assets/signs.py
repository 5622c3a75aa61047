"""Traffic signs and traffic lights."""

from __future__ import annotations

from enum import IntEnum
from functools import cache

import numpy as np
from numpy.typing import NDArray

from streetsim.assets.asset import Asset, shape_of
from streetsim.assets.palette import draw_seed
from streetsim.assets.solids import Points, box, loft, profile_along_x, tube
from streetsim.assets.template import Assembly, Template
from streetsim.materials import LightColumn, LightState, Material, SignColumn, SignKind, parameter_row
from streetsim.semantics import Semantic

HEAD_CENTRE_Z_M = 0.6
"""Height of the middle lamp above the foot of a traffic light's head."""


def sign(rng: np.random.Generator, kind: SignKind) -> Asset:
    """A sign on a post, its face towards x."""
    height, radius = 2.3, 0.38
    if kind is SignKind.STREET_NAME:
        height, radius = 2.6, 0.6
    assembly = Assembly(Semantic.SIGN)
    assembly.add(tube((0, 0, 0), (0, 0, height + 0.38), 0.035, sides=6), Material.POLE, Semantic.POLE)
    outline = _outline(kind, radius) + np.array([0, height])
    assembly.add(loft([profile_along_x(x, outline) for x in (0.04, 0.065)]), Material.SIGN)
    row = parameter_row(
        (0.45, 0.46, 0.47),
        (0, 0, 0),
        draw_seed(rng),
        values={SignColumn.KIND: kind, SignColumn.CENTRE_Z: height, SignColumn.RADIUS: radius},
    )
    return Asset(shape_of([assembly.template()]), row)


def _outline(kind: SignKind, radius: float) -> Points:
    """Outline of a sign's plate in y and z around its centre."""
    if kind is SignKind.WARNING:
        return np.array([(-0.4, -0.33), (0.4, -0.33), (0, 0.42)])
    if kind is SignKind.DIRECTION:
        return np.array([(-0.3, -0.38), (0.3, -0.38), (0.3, 0.38), (-0.3, 0.38)])
    if kind is SignKind.STREET_NAME:
        return np.array([(-0.6, -0.13), (0.6, -0.13), (0.6, 0.13), (-0.6, 0.13)])
    corners = 8 if kind is SignKind.STOP else 16
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False) + np.pi / corners
    return radius * np.stack([np.cos(angle), np.sin(angle)], -1)


def traffic_light_post(arm_m: float) -> Asset:
    """A post; with `arm_m` above zero it is tall and carries an arm of that length along y, over the street."""
    assembly = Assembly(Semantic.POLE)
    assembly.add(tube((0, 0, 0), (0, 0, 5.6 if arm_m else 3.4), 0.09, 0.07), Material.POLE)
    if arm_m:
        assembly.add(tube((0, 0, 5.5), (0, arm_m, 5.7), 0.06, sides=6), Material.POLE)
    return Asset(shape_of([assembly.template()]), parameter_row((0.1, 0.11, 0.11), (0, 0, 0)))


def head_places(arm_m: float) -> list[tuple[float, float, float]]:
    """Where the feet of the heads sit on a post with this arm: (x, y, z) in the post's frame."""
    low = (0.10, 0.0, 2.9 - HEAD_CENTRE_Z_M)
    return [low, (0.10, 0.93 * arm_m, 5.35 - HEAD_CENTRE_Z_M)] if arm_m else [low]


@cache
def traffic_light_head() -> Template:
    """Three lamps that face x."""
    assembly = Assembly(Semantic.TRAFFIC_LIGHT)
    assembly.add(box((0.11, 0, HEAD_CENTRE_Z_M), (0.2, 0.34, 1.0)), Material.LIGHTHEAD)
    assembly.add(box((0.0, 0, HEAD_CENTRE_Z_M), (0.02, 0.55, 1.2)), Material.TIRE)
    return assembly.template()


def traffic_light_parameters(state: LightState) -> NDArray[np.float64]:
    """Parameter row of a head that shows `state`."""
    values: dict[IntEnum, float] = {
        LightColumn.STATE: state,
        LightColumn.CENTRE_Z: HEAD_CENTRE_Z_M,
        LightColumn.FACE_X: 0.205,
    }
    return parameter_row((0.03, 0.03, 0.03), (0, 0, 0), values=values)
