"""Street corners: traffic lights, stop signs and street names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streetsim.assets.signs import head_places, sign, traffic_light_post
from streetsim.materials import SignKind
from streetsim.poses import pose_matrix
from streetsim.town.blocks import SIDEWALK_Z_M
from streetsim.town.plots import Nearness
from streetsim.town.stage import Stage
from streetsim.town.streets import Axis, Grid

CORNER_M = 1.6
"""Posts stand this far behind both kerb lines."""
WITHIN_M = 75.0
Junction = tuple[int, int]
"""Number of the vertical and of the horizontal street."""


@dataclass(frozen=True)
class Approach:
    """One of the four ways into a junction: along which axis, and whether towards higher (1) or lower (-1) values."""

    axis: Axis
    direction: int

    @property
    def code(self) -> int:
        """0 to 3; the signal's bit mask has this bit."""
        return 2 * int(self.axis) + (1 if self.direction > 0 else 0)


@dataclass(frozen=True)
class LightHead:
    """A traffic light's head: for which approach, and where: (4, 4) world_from_head."""

    junction: Junction
    approach: Approach
    pose: NDArray[np.float64]


# Corner (sign of s, sign of t) where the signal for an approach stands: on its right, before the junction.
CORNERS: Mapping[tuple[int, int], Approach] = {
    (1, -1): Approach(Axis.VERTICAL, 1),
    (-1, 1): Approach(Axis.VERTICAL, -1),
    (-1, -1): Approach(Axis.HORIZONTAL, 1),
    (1, 1): Approach(Axis.HORIZONTAL, -1),
}


def add_junctions(stage: Stage, grid: Grid, near: Nearness, rng: np.random.Generator) -> tuple[LightHead, ...]:
    """Posts and signs at every corner near the route; the heads are returned, since their lamps change over time."""
    heads: list[LightHead] = []
    for i, vertical in enumerate(grid.vertical):
        for j, horizontal in enumerate(grid.horizontal):
            if near(vertical.centre_m, horizontal.centre_m) > WITHIN_M:
                continue
            has_lights = vertical.lanes + horizontal.lanes > 2 or rng.random() < 0.6
            for (sign_s, sign_t), approach in CORNERS.items():
                s = vertical.centre_m + sign_s * (vertical.half_width_m + CORNER_M)
                t = horizontal.centre_m + sign_t * (horizontal.half_width_m + CORNER_M)
                # What stands at the corner faces the drivers of its approach.
                towards = np.pi / 2 if approach.axis is Axis.VERTICAL else 0.0
                yaw = towards + (np.pi if approach.direction > 0 else 0.0)
                if has_lights:
                    poses = _add_light(stage, s, t, yaw, rng)
                    heads += [LightHead((i, j), approach, pose) for pose in poses]
                else:
                    stage.place(sign(rng, SignKind.STOP), s, t, yaw, SIDEWALK_Z_M, is_slender=True)
                if rng.random() < 0.5:
                    name_yaw = float(rng.choice([0, np.pi / 2]))
                    name = sign(rng, SignKind.STREET_NAME)
                    stage.place(name, s + 0.6 * sign_s, t + 0.5 * sign_t, name_yaw, SIDEWALK_Z_M, is_slender=True)
    return tuple(heads)


def _add_light(stage: Stage, s: float, t: float, yaw_rad: float, rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """A post, perhaps with an arm over the street; poses of its heads."""
    arm_m = float(rng.choice([0, 3.5, 4.5]))
    if not stage.place(traffic_light_post(arm_m), s, t, yaw_rad, SIDEWALK_Z_M, is_slender=True):
        return []
    post = stage.terrain.pose(s, t, yaw_rad, SIDEWALK_Z_M)
    return [post @ pose_matrix(place, 0.0) for place in head_places(arm_m)]
