"""Sparse pooling the slow way: torch's own dense pooling on a grid whose empty cells cannot win and do not count.

Windows are those of `dense_strided`. Everything is differentiable by autograd.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.oracles.dense_conv import coarse_coordinates


def _windows(features: Tensor, coordinates: Tensor, kernel_size: int, step: int, empty: float) -> tuple[Tensor, ...]:
    """A dense grid (batch, dim, x, y, z) in which the windows lie side by side, and where to read their results."""
    coarse = coordinates if step == 1 else coarse_coordinates(coordinates, step)
    low, high = coarse[:, 1:].amin(0), coarse[:, 1:].amax(0)
    shape = ((high - low + 1) * step).tolist()
    grid = features.new_full((int(coordinates[:, 0].max()) + 1, *shape, features.shape[1]), empty)
    cells = (coordinates[:, 0], *(coordinates[:, 1:] - low * step).unbind(1))
    grid = grid.index_put(cells, features).permute(0, 4, 1, 2, 3)
    before = kernel_size // 2 if kernel_size % 2 else 0
    grid = F.pad(grid, [before, kernel_size] * 3, value=empty)
    return grid, coarse[:, 0], *(coarse[:, 1:] - low).unbind(1)


def dense_max_pool(features: Tensor, coordinates: Tensor, kernel_size: int, step: int) -> Tensor:
    """Among equals torch's dense pooling gives the gradient to the first of the window, z counting fastest."""
    grid, *read = _windows(features, coordinates, kernel_size, step, empty=-torch.inf)
    return F.max_pool3d(grid, kernel_size, step).permute(0, 2, 3, 4, 1)[tuple(read)]


def dense_average_pool(features: Tensor, coordinates: Tensor, kernel_size: int, step: int) -> Tensor:
    """The sum over a window over the number of its occupied cells."""
    and_ones = torch.cat([features, torch.ones_like(features[:, :1])], dim=1)
    grid, *read = _windows(and_ones, coordinates, kernel_size, step, empty=0.0)
    sums = F.avg_pool3d(grid, kernel_size, step, divisor_override=1).permute(0, 2, 3, 4, 1)[tuple(read)]
    return sums[:, :-1] / sums[:, -1:]
