"""The memory by its definition: keep the last frames whole and, for every point, look through all of them again."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

Voxel = tuple[int, int, int]


def voxel_of(point: Tensor, size_m: float) -> Voxel:
    x, y, z = (math.floor(value / size_m) for value in point.tolist())
    return x, y, z


def mean_by_voxel(points: Tensor, values: Tensor, known: Tensor, size_m: float) -> dict[Voxel, Tensor]:
    members: dict[Voxel, list[Tensor]] = {}
    for point, value, is_known in zip(points, values, known, strict=True):
        if is_known:
            members.setdefault(voxel_of(point, size_m), []).append(value.double())
    return {voxel: torch.stack(values).mean(dim=0) for voxel, values in members.items()}


@dataclass
class SlowMemory:
    """`step` returns (targets in double precision, known)."""

    frames: int
    association: str
    size_m: float
    past: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)  # points, features, known

    def step(self, points: Tensor, features: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        means = [mean_by_voxel(p, f, k, self.size_m) for p, f, k in self.past]
        positions = [mean_by_voxel(p, p, k, self.size_m) for p, _, k in self.past]
        target = torch.zeros(features.shape, dtype=torch.float64)
        target_known = torch.zeros(len(points), dtype=torch.bool)
        for index, point in enumerate(points):
            own = [features[index].double()] if known[index] else []
            voxel = self.place(point, positions)
            there = own + [frame[voxel] for frame in means if voxel in frame]
            if there:
                target[index] = torch.stack(there).mean(dim=0)
                target_known[index] = True
        self.past.append((points, features, known))
        if len(self.past) == self.frames:
            self.past.pop(0)
        return target, target_known

    def place(self, point: Tensor, positions: list[dict[Voxel, Tensor]]) -> Voxel | None:
        """The voxel in which the point finds its past."""
        x, y, z = voxel_of(point, self.size_m)
        if self.association == "voxel":
            return x, y, z
        best, best_m = None, math.inf
        for i, j, k in itertools.product((-1, 0, 1), repeat=3):
            neighbour = (x + i, y + j, z + k)
            centroids = [frame[neighbour] for frame in positions if neighbour in frame]
            if centroids:
                distance_m = float((torch.stack(centroids).mean(dim=0) - point).norm())
                if distance_m <= self.size_m and distance_m < best_m:
                    best, best_m = neighbour, distance_m
        return best
