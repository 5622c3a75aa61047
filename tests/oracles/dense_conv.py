"""Sparse convolutions the slow way: scatter into a dense grid, torch's own dense convolution, read the voxels back.

Weights are (offsets, in, out) with x slowest among the offsets. Everything is differentiable by autograd.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor


def _dense(features: Tensor, coordinates: Tensor, low: Tensor, shape: list[int]) -> Tensor:
    batches = int(coordinates[:, 0].max()) + 1
    grid = features.new_zeros(batches, *shape, features.shape[1])
    cells = (coordinates[:, 0], *(coordinates[:, 1:] - low).unbind(1))
    return grid.index_put(cells, features).permute(0, 4, 1, 2, 3)


def _read(grid: Tensor, coordinates: Tensor, low: Tensor) -> Tensor:
    return grid.permute(0, 2, 3, 4, 1)[(coordinates[:, 0], *(coordinates[:, 1:] - low).unbind(1))]


def _cubic(weight: Tensor) -> Tensor:
    size = round(len(weight) ** (1 / 3))
    return weight.view(size, size, size, *weight.shape[1:]).permute(4, 3, 0, 1, 2)


def dense_submanifold(features: Tensor, coordinates: Tensor, weight: Tensor, dilation: int = 1) -> Tensor:
    """A centred convolution, read at the input's voxels."""
    low, high = coordinates[:, 1:].amin(0), coordinates[:, 1:].amax(0)
    grid = _dense(features, coordinates, low, (high - low + 1).tolist())
    kernel = _cubic(weight)
    padding = dilation * (kernel.shape[-1] // 2)
    return _read(F.conv3d(grid, kernel, padding=padding, dilation=dilation), coordinates, low)


def coarse_coordinates(coordinates: Tensor, step: int) -> Tensor:
    """The cells of a grid `step` times coarser that hold a voxel, in ascending order."""
    return torch.tensor(sorted({(b, x // step, y // step, z // step) for b, x, y, z in coordinates.tolist()}))


def dense_strided(features: Tensor, coordinates: Tensor, weight: Tensor, step: int) -> Tensor:
    """A convolution with a stride, read at `coarse_coordinates`. Odd kernels are centred, even ones start at 0."""
    coarse = coarse_coordinates(coordinates, step)
    kernel = _cubic(weight)
    size = kernel.shape[-1]
    low, high = coarse[:, 1:].amin(0), coarse[:, 1:].amax(0)
    grid = _dense(features, coordinates, low * step, ((high - low + 1) * step).tolist())
    before = size // 2 if size % 2 else 0
    return _read(F.conv3d(F.pad(grid, [before, size] * 3), kernel, stride=step), coarse, low)


def dense_inverse(features: Tensor, coordinates: Tensor, weight: Tensor, step: int) -> Tensor:
    """The transposed convolution of `dense_strided`, from its voxels (features) to the fine ones (coordinates)."""
    return dense_transposed(features, coarse_coordinates(coordinates, step), coordinates, weight, step)


def generated_coordinates(coarse: Tensor, kernel_size: int, step: int) -> Tensor:
    """All cells step * c + offset of the coarse cells c, in ascending order."""
    first = -(kernel_size // 2) if kernel_size % 2 else 0
    cells = set()
    for b, x, y, z in coarse.tolist():
        for dx, dy, dz in itertools.product(range(first, first + kernel_size), repeat=3):
            cells.add((b, step * x + dx, step * y + dy, step * z + dz))
    return torch.tensor(sorted(cells))


def dense_transposed(features: Tensor, coarse: Tensor, fine: Tensor, weight: Tensor, step: int) -> Tensor:
    """The transposed convolution from coarse voxels (features), read at the fine ones."""
    kernel = _cubic(weight)
    size = kernel.shape[-1]
    low, high = coarse[:, 1:].amin(0), coarse[:, 1:].amax(0)
    grid = _dense(features, coarse, low, (high - low + 1).tolist())
    spread = F.conv_transpose3d(F.pad(grid, [0, 1] * 3), kernel.transpose(0, 1), stride=step)
    return _read(spread, fine, low * step - (size // 2 if size % 2 else 0))
