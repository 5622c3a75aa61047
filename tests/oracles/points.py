"""Points and voxels the slow way: point by point, cell by cell, with a dictionary of the voxels."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor


def slow_find_voxels(coordinates: Tensor, stride: int, positions: Tensor, batch_of_point: Tensor) -> list[int]:
    row_of_cell = {tuple(cell): row for row, cell in enumerate(coordinates.tolist())}
    cells = [[math.floor(p / stride) for p in position] for position in positions.tolist()]
    return [row_of_cell.get((b, *cell), -1) for b, cell in zip(batch_of_point.tolist(), cells, strict=True)]


def slow_scatter_mean(features: Tensor, voxel_of_point: list[int], voxels: int) -> Tensor:
    means = []
    for voxel in range(voxels):
        members = [features[point] for point, its_voxel in enumerate(voxel_of_point) if its_voxel == voxel]
        means.append(sum(members) / len(members) if members else features.new_zeros(features.shape[1]))
    return torch.stack(means)


def slow_devoxelise_nearest(features: Tensor, voxel_of_point: list[int]) -> Tensor:
    nothing = features.new_zeros(features.shape[1])
    return torch.stack([nothing if voxel < 0 else features[voxel] for voxel in voxel_of_point])


def slow_devoxelise_trilinear(
    features: Tensor, coordinates: Tensor, stride: int, positions: Tensor, batch_of_point: Tensor
) -> Tensor:
    """A cell's weight is the product over the axes of 1 - |distance of the point from its centre| in cells."""
    row_of_cell = {tuple(cell): row for row, cell in enumerate(coordinates.tolist())}
    results = []
    for position, b in zip(positions.tolist(), batch_of_point.tolist(), strict=True):
        own = [math.floor(p / stride) for p in position]
        total, weights = features.new_zeros(features.shape[1]), 0.0
        for cell in itertools.product(*[range(c - 1, c + 2) for c in own]):
            distances = [abs(p / stride - (c + 0.5)) for p, c in zip(position, cell, strict=True)]
            if (b, *cell) in row_of_cell and max(distances) < 1:
                weight = math.prod(1 - distance for distance in distances)
                total = total + weight * features[row_of_cell[b, *cell]]
                weights += weight
        results.append(total / weights if weights else total)
    return torch.stack(results)
