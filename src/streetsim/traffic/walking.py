"""People on the pavements: each walking lane has one direction and one pace, so that nobody runs into anybody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streetsim.assets.asset import Asset
from streetsim.assets.people import pedestrian
from streetsim.things import Trajectory
from streetsim.town.blocks import KERB_M, SIDEWALK_Z_M, Block
from streetsim.town.kerbside import KERB_ZONE_M
from streetsim.town.stage import Stage
from streetsim.town.town import Town
from streetsim.traffic.overlaps import hits_standing, track

Array = NDArray[np.float64]
LANE_M = 0.8
SPACING_M = 1.7
"""Least distance between two people who walk behind each other."""
MARGIN_M = 0.4
CHILD_SHARE = 0.14
GAIT_RAD_PER_M = 4.2
WITHIN_M = 34.0
CHECK_EVERY = 2
"""Samples between two looks at what stands in somebody's way."""


@dataclass(frozen=True)
class Walker:
    """Somebody on foot; `gait_rad` (samples,) as in `things.Actor`."""

    asset: Asset
    trajectory: Trajectory
    gait_rad: Array


@dataclass(frozen=True)
class WalkingLane:
    """A closed line (points, 2) on the plan around a block, walked at `speed_mps` (negative: clockwise)."""

    ring: Array
    arc_m: Array
    speed_mps: float

    @property
    def length_m(self) -> float:
        return float(self.arc_m[-1])

    def at(self, arc_m: Array) -> Array:
        """(..., 2) places on the plan at arc lengths, which wrap around."""
        arc = np.mod(arc_m, self.length_m)
        return np.stack([np.interp(arc, self.arc_m, column) for column in self.ring.T], -1)


def walking_lanes(block: Block, rng: np.random.Generator) -> list[WalkingLane]:
    """Lanes side by side on a block's pavement, clear of the furniture along the kerb."""
    first = block.sidewalk_depth_m + MARGIN_M if block.verge_m else KERB_M + KERB_ZONE_M + MARGIN_M
    last = block.interior_depth_m - 0.45
    lanes = []
    for depth in np.arange(first, last + 1e-6, LANE_M):
        ring = block.ring(float(depth))
        ring = np.concatenate([ring, ring[:1]])
        arc = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(ring, axis=0), axis=1)))
        lanes.append(WalkingLane(ring, arc, rng.uniform(0.9, 1.7) * float(rng.choice([-1, 1]))))
    return lanes


def draw_walkers(
    town: Town,
    wanted: int,
    near: Callable[[float, float], float],
    times_s: Array,
    standing: Array,
    rng: np.random.Generator,
) -> list[Walker]:
    """At most `wanted` people who walk around the blocks near the route, clear of all that stands there.

    Args:
        times_s: (samples,) when their places are wanted.
        standing: (rectangles, 5) ground that is taken, see `town.footprints`.
    """
    lanes = [lane for block in town.blocks for lane in walking_lanes(block, rng)]
    starts: list[list[float]] = [[] for _ in lanes]
    walkers: list[Walker] = []
    for _ in range(40 * wanted):
        if len(walkers) >= wanted:
            break
        number = int(rng.integers(len(lanes)))
        lane, taken = lanes[number], starts[number]
        start = rng.uniform(0, lane.length_m)
        if near(*lane.at(np.array(start))) > WITHIN_M:
            continue
        if any(
            abs((start - other + lane.length_m / 2) % lane.length_m - lane.length_m / 2) < SPACING_M for other in taken
        ):
            continue
        asset = pedestrian(rng, "child" if rng.random() < CHILD_SHARE else "adult")
        walker = _walker(town, lane, start, asset, times_s)
        path = track(walker.trajectory, asset.shape.centre_m, asset.shape.size_m, times_s[::CHECK_EVERY])
        if not hits_standing(path[None], standing)[0]:
            taken.append(start)
            walkers.append(walker)
    return walkers


def _apart_m(lane: WalkingLane, first_m: float, second_m: float) -> float:
    """The shorter way between two places on a lane."""
    forwards = (first_m - second_m) % lane.length_m
    return min(forwards, lane.length_m - forwards)


def _walker(town: Town, lane: WalkingLane, start_m: float, asset: Asset, times_s: Array) -> Walker:
    arc = start_m + lane.speed_mps * times_s
    reach = 0.25 * np.sign(lane.speed_mps)
    x, y = town.terrain.world(*np.moveaxis(lane.at(arc), -1, 0))
    x_ahead, y_ahead = town.terrain.world(*np.moveaxis(lane.at(arc + reach), -1, 0))
    x_behind, y_behind = town.terrain.world(*np.moveaxis(lane.at(arc - reach), -1, 0))
    yaw = np.unwrap(np.arctan2(y_ahead - y_behind, x_ahead - x_behind))
    positions = np.stack([x, y, town.terrain.height(x, y) + SIDEWALK_Z_M], -1)
    upright = np.zeros(len(times_s))
    trajectory = Trajectory(times_s, positions, np.stack([yaw, upright, upright], -1))
    return Walker(asset, trajectory, GAIT_RAD_PER_M * np.abs(lane.speed_mps) * times_s)


def add_standing_people(
    stage: Stage, town: Town, wanted: int, near: Callable[[float, float], float], rng: np.random.Generator
) -> None:
    """People who wait or talk at the edges of the pavements."""
    standing = 0
    for _ in range(20 * wanted):
        if standing >= wanted:
            break
        block = town.blocks[int(rng.integers(len(town.blocks)))]
        side = block.sides(0.0)[int(rng.integers(4))]
        clearance = block.corner_radius_m + 4.0
        if side.length_m < 2 * clearance:
            continue
        depth = block.interior_depth_m + 0.3 if rng.random() < 0.5 else KERB_M + 0.45
        s, t = side.at(rng.uniform(clearance, side.length_m - clearance), depth)
        if near(s, t) > WITHIN_M:
            continue
        asset = pedestrian(rng, "child" if rng.random() < CHILD_SHARE else "adult", walking=False)
        standing += stage.place(asset, s, t, rng.uniform(0, 2 * np.pi), SIDEWALK_Z_M, "pedestrian.standing")
