"""Drives whose classes can be read from where the points lie, and a student small enough to learn them in seconds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lima.config import StudentConfig
from lima.geometry.rigid import RigidTransform
from lima.scene import Frame, Sequence, Sweep

CLASSES = ("ignored", "low", "middle", "high", "never")
POINTS = 400
STUDENT = StudentConfig(backbone="minkunet14", width=0.125, voxel_size_m=1.0, max_range_m=20.0)


@dataclass(frozen=True)
class Drive:
    """Random points in a disc of 25 m; the class is the height's, which no flip, turn or scale confuses much."""

    name: str
    frames: int = 3

    @property
    def tokens(self) -> list[str]:
        return [f"{self.name} {index}" for index in range(self.frames)]

    @property
    def timestamps_ns(self) -> list[int]:
        return [index * 500_000_000 for index in range(self.frames)]

    def __len__(self) -> int:
        return self.frames

    def frame(self, index: int) -> Frame:
        generator = torch.Generator().manual_seed(sum(self.name.encode()) * 100 + index)
        points = (torch.rand(POINTS, 3, generator=generator) * 2 - 1) * torch.tensor([20.0, 15.0, 6.0])
        pose = RigidTransform.identity()
        sweep = Sweep(points, torch.rand(POINTS, generator=generator), self.timestamps_ns[index], pose, pose)
        return Frame(self.tokens[index], self.name, index, sweep, (), lambda: labels_of_points(points))


def labels_of_points(points: Tensor) -> Tensor:
    labels = torch.where(points[:, 2] > 2, 3, torch.where(points[:, 2] > -2, 2, 1))
    labels[::10] = 0
    return labels


@dataclass(frozen=True)
class MadeUpDataset:
    """name, class_names and splits of drives."""

    splits: dict[str, list[Sequence]]
    name: str = "made up"
    class_names: tuple[str, ...] = CLASSES

    @property
    def split_names(self) -> tuple[str, ...]:
        return tuple(self.splits)

    def sequences(self, split: str | None = None) -> list[Sequence]:
        if split is None:
            return [sequence for part in self.splits.values() for sequence in part]
        return self.splits[split]
