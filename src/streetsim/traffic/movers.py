"""From arc lengths on paths to poses in the world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streetsim.assets.asset import Asset
from streetsim.assets.people import pedestrian
from streetsim.things import Trajectory
from streetsim.town.blocks import SIDEWALK_Z_M
from streetsim.town.town import Town
from streetsim.traffic.crossings import BEHIND_KERB_M, Crosser
from streetsim.traffic.paths import Path
from streetsim.traffic.vehicles import PEDALLING_RAD_PER_M, Vehicle
from streetsim.traffic.walking import CHILD_SHARE, GAIT_RAD_PER_M

Array = NDArray[np.float64]
AXLE_SHARE = 0.3
"""Axles lie this share of a unit's length before and behind its middle; both follow the path."""


@dataclass(frozen=True)
class Mover:
    """Somebody in traffic; movers of one group are parts of one vehicle.

    Attributes:
        gait_rad: (samples,) see `things.Actor`.
    """

    asset: Asset
    trajectory: Trajectory
    gait_rad: Array | None
    group: int


def ego_trajectory(town: Town, path: Path, front_axle_m: Array, wheelbase_m: float, times_s: Array) -> Trajectory:
    """The ego's rear axle, drawn along behind the front axle without sliding sideways.

    Args:
        front_axle_m: (samples,) place of the front axle on the path.
    """
    front = path.at(front_axle_m)
    rear = np.empty_like(front)
    behind = path.at(front_axle_m[0] - wheelbase_m)
    for sample, place in enumerate(front):
        along = place - behind
        behind = place - along * (wheelbase_m / np.hypot(along[0], along[1]))
        rear[sample] = behind
    return _on_ground(town, rear, front - rear, times_s)


def _on_ground(town: Town, places_m: Array, ahead: Array, times_s: Array) -> Trajectory:
    """Bodies that stand on the ground at places (samples, 2) and look along `ahead` (samples, 2)."""
    x, y = places_m.T
    yaw = np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))
    pitch, roll = town.terrain.tilt(x, y, yaw)
    angles = np.stack([yaw, np.broadcast_to(pitch, yaw.shape), np.broadcast_to(roll, yaw.shape)], -1)
    return Trajectory(times_s, np.stack([x, y, town.terrain.height(x, y)], -1), angles)


def vehicle_movers(town: Town, vehicle: Vehicle, path: Path, arcs_m: Array, times_s: Array, group: int) -> list[Mover]:
    """The parts of a vehicle whose front is `arcs_m` along the path."""
    movers = []
    for unit in vehicle.units:
        middle = arcs_m - unit.behind_front_m
        reach = AXLE_SHARE * float(unit.asset.shape.size_m[0])
        front, rear = path.at(middle + reach), path.at(middle - reach)
        trajectory = _on_ground(town, (front + rear) / 2, front - rear, times_s)
        gait = PEDALLING_RAD_PER_M * arcs_m if unit.asset.category == "vehicle.bicycle" else None
        movers.append(Mover(unit.asset, trajectory, gait, group))
    return movers


def crossing_mover(
    town: Town, crosser: Crosser, way_m: Array, times_s: Array, group: int, rng: np.random.Generator
) -> Mover:
    """Somebody who has come `way_m` from the first end of a crossing to the second; who waits looks across."""
    asset = pedestrian(rng, "child" if rng.random() < CHILD_SHARE else "adult")
    start, end = crosser.ends
    place = start + (end - start) * (way_m / crosser.length_m)[:, None]
    x, y = town.terrain.world(place[:, 0], place[:, 1])
    ends_x, ends_y = town.terrain.world(crosser.ends[:, 0], crosser.ends[:, 1])
    forwards = float(np.arctan2(ends_y[1] - ends_y[0], ends_x[1] - ends_x[0]))
    # Turned round from the moment of waiting at the far end.
    heading, is_back = np.zeros(len(way_m)), False
    for sample, way in enumerate(way_m):
        if way >= crosser.length_m:
            is_back = True
        elif way <= 0.0:
            is_back = False
        heading[sample] = forwards + (np.pi if is_back else 0.0)
    from_kerb = np.minimum(way_m, crosser.length_m - way_m) - BEHIND_KERB_M
    step_up = SIDEWALK_Z_M * np.clip(0.5 - from_kerb / 0.3, 0, 1)
    walked = np.append(0.0, np.cumsum(np.abs(np.diff(way_m))))
    positions = np.stack([x, y, town.terrain.height(x, y) + step_up], -1)
    angles = np.stack([heading, np.zeros(len(way_m)), np.zeros(len(way_m))], -1)
    return Mover(asset, Trajectory(times_s, positions, angles), GAIT_RAD_PER_M * walked, group)
