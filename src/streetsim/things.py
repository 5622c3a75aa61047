"""Annotated things: boxes, things that stand still, and actors that move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streetsim.assets.asset import Asset
from streetsim.mesh import Mesh
from streetsim.poses import pose_matrix

Array = NDArray[np.float64]
VEHICLE_MOVES_MPS = 0.3
PEDESTRIAN_MOVES_MPS = 0.2


@dataclass(frozen=True)
class ThingBox:
    """The annotated box of one thing at one time.

    Attributes:
        instance: number of the thing, the same at all times, as in `Mesh.instance`.
        category: nuScenes category, such as `vehicle.car`.
        attribute: nuScenes attribute, such as `vehicle.moving`; empty where the category has none.
        centre_m: (3,) world.
        size_m: (3,) length (along the thing's x), width (y), height (z).
        rotation: (3, 3) world_from_thing.
        velocity_mps: (3,) world.
    """

    instance: int
    category: str
    attribute: str
    centre_m: Array
    size_m: Array
    rotation: Array
    velocity_mps: Array


@dataclass(frozen=True)
class StandingThing:
    """An annotated thing that never moves; its triangles belong to the static mesh."""

    instance: int
    category: str
    attribute: str
    centre_m: Array
    size_m: Array
    rotation: Array

    def box(self) -> ThingBox:
        return ThingBox(
            self.instance, self.category, self.attribute, self.centre_m, self.size_m, self.rotation, np.zeros(3)
        )


@dataclass(frozen=True)
class Trajectory:
    """Where something is over time: straight between samples.

    Attributes:
        times_s: (samples,) increasing.
        positions_m: (samples, 3) world.
        angles_rad: (samples, 3) yaw (without jumps of a whole turn), pitch, roll.
    """

    times_s: Array
    positions_m: Array
    angles_rad: Array

    def position(self, time_s: float) -> Array:
        """(3,) world."""
        return np.array([np.interp(time_s, self.times_s, column) for column in self.positions_m.T])

    def pose(self, time_s: float) -> Array:
        """(4, 4) world_from_thing."""
        yaw, pitch, roll = (float(np.interp(time_s, self.times_s, column)) for column in self.angles_rad.T)
        return pose_matrix(self.position(time_s), yaw, pitch, roll)

    def velocity(self, time_s: float, half_window_s: float = 0.05) -> Array:
        """(3,) world, metres per second, over a short window around the time."""
        before, after = time_s - half_window_s, time_s + half_window_s
        return (self.position(after) - self.position(before)) / (2 * half_window_s)


@dataclass(frozen=True)
class Actor:
    """An annotated thing that moves.

    Attributes:
        object_row: row of its parameters in `Scenario.object_parameters`.
        gait_rad: (samples,) place in the cycle of its legs at the trajectory's times; None without legs.
    """

    instance: int
    object_row: int
    asset: Asset
    trajectory: Trajectory
    gait_rad: Array | None

    def mesh(self, time_s: float) -> Mesh:
        shape = self.asset.shape
        phase = 0.0 if self.gait_rad is None else float(np.interp(time_s, self.trajectory.times_s, self.gait_rad))
        return shape.at_phase(phase).place(self.trajectory.pose(time_s), self.object_row, self.instance)

    def box(self, time_s: float) -> ThingBox:
        pose = self.trajectory.pose(time_s)
        velocity = self.trajectory.velocity(time_s)
        return ThingBox(
            instance=self.instance,
            category=self.asset.category,
            attribute=attribute_in_motion(self.asset.category, float(np.hypot(velocity[0], velocity[1]))),
            centre_m=pose[:3, :3] @ self.asset.shape.centre_m + pose[:3, 3],
            size_m=self.asset.shape.size_m,
            rotation=pose[:3, :3],
            velocity_mps=velocity,
        )


def attribute_in_motion(category: str, speed_mps: float) -> str:
    """The nuScenes attribute of an actor of this category at this speed."""
    if category.startswith("human.pedestrian"):
        return "pedestrian.moving" if speed_mps > PEDESTRIAN_MOVES_MPS else "pedestrian.standing"
    if category in ("vehicle.bicycle", "vehicle.motorcycle"):
        return "cycle.with_rider"
    return "vehicle.moving" if speed_mps > VEHICLE_MOVES_MPS else "vehicle.stopped"
