"""Sparse convolutions the slow way: scatter into a dense grid, torch's own dense convolution, read the voxels back.

Weights are (offsets, in, out) with x slowest among the offsets. Everything is differentiable by autograd.
"""

from __future__ import annotations

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
    coarse = coarse_coordinates(coordinates, step)
    kernel = _cubic(weight)
    size = kernel.shape[-1]
    low, high = coarse[:, 1:].amin(0), coarse[:, 1:].amax(0)
    grid = _dense(features, coarse, low, (high - low + 1).tolist())
    spread = F.conv_transpose3d(F.pad(grid, [0, 1] * 3), kernel.transpose(0, 1), stride=step)
    return _read(spread, coordinates, low * step - (size // 2 if size % 2 else 0))
