"""A drive made by hand: a vehicle that turns while it drives, posts that stand still, sweeps between keyframes."""

from __future__ import annotations

import math
from collections.abc import Sequence as Series

import torch
from torch import Tensor

from lima.geometry.boxes import Boxes
from lima.geometry.rigid import RigidTransform
from lima.scene import Frame, Sequence, Sweep

POSTS_WORLD = torch.tensor(
    [[30.0, 5.0, 0.0], [20.0, -9.0, 1.0], [45.0, 12.0, 0.5], [12.0, 14.0, 2.0]], dtype=torch.float64
)


def pose(seconds: float) -> RigidTransform:
    """Along a circle."""
    angle = 0.3 * seconds
    quaternion = [math.cos(angle / 2), 0.0, 0.0, math.sin(angle / 2)]
    return RigidTransform.from_quaternion(quaternion, [10 * seconds, 3 * seconds**2, 0.1 * seconds])


def sweep_at(seconds: float) -> Sweep:
    """Four posts, and a return of the vehicle itself half a metre away; intensity says which."""
    ego_from_lidar = RigidTransform.from_quaternion([math.cos(0.1), 0.0, 0.0, math.sin(0.1)], [1.0, 0.0, 1.8])
    lidar_from_world = (pose(seconds) @ ego_from_lidar).inverse()
    points = torch.cat([lidar_from_world.apply(POSTS_WORLD).float(), torch.tensor([[0.5, -0.3, -0.5]])])
    intensity = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.9])
    return Sweep(points, intensity, 1_000_000_000 + round(seconds * 1e9), ego_from_lidar, pose(seconds))


class HandMadeDrive:
    """Keyframes twice a second; one box around the first post, of a car that stands still."""

    def __init__(self, keyframes: int, every_s: float = 0.5, first_s: float = 0.0) -> None:
        self.seconds = [first_s + every_s * index for index in range(keyframes)]
        self.name = "by hand"

    @property
    def tokens(self) -> Series[str]:
        return [f"frame at {seconds:.2f}" for seconds in self.seconds]

    @property
    def timestamps_ns(self) -> Series[int]:
        return [1_000_000_000 + round(seconds * 1e9) for seconds in self.seconds]

    def __len__(self) -> int:
        return len(self.seconds)

    def frame(self, index: int) -> Frame:
        return Frame(self.tokens[index], self.name, index, sweep_at(self.seconds[index]), (), None, one_car)


class DriveWithSweeps(HandMadeDrive):
    """The same, recorded ten times a second."""

    def between(self, most: int, needs_images: bool) -> Sequence:
        assert not needs_images, "points are all that is looked at"
        between = HandMadeDrive(0)
        between.seconds = [start + 0.1 * step for start in self.seconds[:-1] for step in range(1, min(most, 4) + 1)]
        return between


class DriveWithoutSweeps(HandMadeDrive):
    """Of a format that may have sweeps, but has none here."""

    def between(self, most: int, needs_images: bool) -> Sequence:
        return HandMadeDrive(0)


def one_car() -> Boxes:
    centre: Tensor = POSTS_WORLD[:1]
    return Boxes(
        centres_m=centre,
        sizes_m=torch.tensor([[4.0, 2.0, 1.5]], dtype=torch.float64),
        rotations=torch.eye(3, dtype=torch.float64)[None],
        velocities_mps=torch.zeros(1, 3, dtype=torch.float64),
        categories=("vehicle.car",),
        instances=("a",),
    )
