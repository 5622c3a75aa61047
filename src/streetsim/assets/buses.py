"""Rigid buses, and bendy buses in two sections."""

from __future__ import annotations

from enum import IntEnum
from functools import cache

import numpy as np
from numpy.typing import NDArray

from streetsim.assets.asset import Asset, VehicleBody, shape_of
from streetsim.assets.palette import BUS_LIVERIES, draw_seed
from streetsim.assets.solids import Points, box, loft, profile_along_x, tube, wheel
from streetsim.assets.template import Assembly
from streetsim.materials import Material, VehicleColumn, parameter_row
from streetsim.semantics import Semantic

VARIANTS = 4
WIDTH_M = 2.55
WHEEL_RADIUS_M = 0.5
BELLOWS_M = 0.9
"""Gap between the two sections of a bendy bus; the bellows belong to the rear one."""


def rigid_bus(rng: np.random.Generator) -> Asset:
    body = rigid_body(int(rng.integers(VARIANTS)))
    return Asset(body.shape, _livery(body, rng), "vehicle.bus.rigid")


def bendy_bus(rng: np.random.Generator) -> tuple[Asset, Asset]:
    """Front and rear section; nuScenes annotates each with a box of its own."""
    sections = bendy_bodies(int(rng.integers(VARIANTS)))
    state = rng.bit_generator.state
    front = Asset(sections[0].shape, _livery(sections[0], rng), "vehicle.bus.bendy")
    rng.bit_generator.state = state
    rear = Asset(sections[1].shape, _livery(sections[1], rng), "vehicle.bus.bendy")
    return front, rear


def _livery(body: VehicleBody, rng: np.random.Generator) -> NDArray[np.float64]:
    colour, stripe = BUS_LIVERIES[int(rng.integers(len(BUS_LIVERIES)))]
    values = {**body.columns, VehicleColumn.DECORATED: float(rng.random() < 0.7)}
    return parameter_row(colour, stripe, draw_seed(rng), values=values)


@cache
def rigid_body(variant: int) -> VehicleBody:
    rng = np.random.default_rng([201, variant])
    length, height = rng.uniform(10.5, 12.2), rng.uniform(3.05, 3.35)
    axles = (length / 2 - 2.6, -length / 2 + 3.0)
    return _section(length, height, axles, Semantic.BUS_RIGID, has_front=True, bellows_m=0.0)


@cache
def bendy_bodies(variant: int) -> tuple[VehicleBody, VehicleBody]:
    rng = np.random.default_rng([202, variant])
    height = rng.uniform(3.05, 3.25)
    front_length, rear_length = rng.uniform(9.0, 9.8), rng.uniform(6.6, 7.4)
    front = _section(
        front_length,
        height,
        (front_length / 2 - 2.6, -front_length / 2 + 1.4),
        Semantic.BUS_BENDY,
        has_front=True,
        bellows_m=0.0,
    )
    rear = _section(
        rear_length,
        height,
        (-rear_length / 2 + 2.6, -rear_length / 2 + 2.6),
        Semantic.BUS_BENDY,
        has_front=False,
        bellows_m=BELLOWS_M,
    )
    return front, rear


def _section(
    length: float, height: float, axles: tuple[float, float], semantic: Semantic, has_front: bool, bellows_m: float
) -> VehicleBody:
    half = WIDTH_M / 2

    def outline(factor: float, low: float, high: float) -> Points:
        right = np.array([(factor, low), (factor, high - 0.3), (0.93 * factor, high - 0.05), (0.8 * factor, high)])
        return np.concatenate([right * [-half, 1], right[::-1] * [half, 1]])

    assembly = Assembly(semantic)
    rings = [
        profile_along_x(-length / 2, outline(0.95, 0.4, height - 0.12)),
        profile_along_x(-length / 2 + 0.15, outline(1.0, 0.32, height)),
        profile_along_x(length / 2 - 0.35, outline(1.0, 0.32, height)),
        profile_along_x(length / 2, outline(0.95, 0.38, height - 0.12)),
    ]
    assembly.add(loft(rings), Material.BUS)
    assembly.add(box((-length * 0.2, 0, height + 0.12), (2.6, 1.6, 0.25)), Material.PLAIN1)
    for x in dict.fromkeys(axles):
        for y in (half - 0.17, -half + 0.17):
            assembly.add(wheel((x, y, WHEEL_RADIUS_M), WHEEL_RADIUS_M, 0.3, 16), Material.TIRE)
    if has_front:
        for side in (1, -1):
            assembly.add(box((length / 2 - 0.05, side * (half + 0.1), 2.3), (0.1, 0.16, 0.4)), Material.TIRE)
    if bellows_m:
        centre = height / 2 + 0.25
        start, end = (length / 2 - 0.05, 0, centre), (length / 2 + bellows_m * 0.9, 0, centre)
        assembly.add(tube(start, end, 1.15, 1.05, sides=10), Material.TIRE)
    columns: dict[IntEnum, float] = {
        VehicleColumn.LENGTH: length,
        VehicleColumn.WIDTH: WIDTH_M,
        VehicleColumn.HEIGHT: height,
        VehicleColumn.WHEEL_RADIUS: WHEEL_RADIUS_M,
        VehicleColumn.FRONT_AXLE_X: axles[0],
        VehicleColumn.REAR_AXLE_X: axles[1],
    }
    return VehicleBody(shape_of([assembly.template()]), columns)
