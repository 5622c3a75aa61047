"""Pooling over the occupied voxels of a window, and of a whole batch entry."""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Float, Int32
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lima.sparse.eager import eager
from lima.sparse.kernel_map import KernelMap
from lima.sparse.matrix import SparseMatrix
from lima.sparse.tensor import SparseTensor

_MAX = 2  # as torch.embedding_bag numbers its modes


class MaxPool3d(nn.Module):
    """The largest value of every channel among the occupied voxels in a window.

    Windows and results are those of a `StridedConv3d` with this kernel and step. The gradient goes to one voxel: among
    equals to the first in order of x, then y, then z. A value that is not a number is larger than any other, as in
    torch.
    """

    def __init__(self, kernel_size: int = 2, step: int = 2) -> None:
        super().__init__()
        _check_window(kernel_size, step)
        self.kernel_size, self.step = kernel_size, step

    @eager
    def forward(self, voxels: SparseTensor) -> SparseTensor:
        coordinates, kernel_map = voxels.maps.strided(voxels.coordinates, voxels.stride, self.kernel_size, self.step)
        features = _Largest.apply(voxels.features, kernel_map)
        return SparseTensor(features, coordinates, voxels.stride * self.step, voxels.maps)


class AveragePool3d(nn.Module):
    """The mean of the occupied voxels in a window; empty cells do not count.

    Windows and results are those of a `StridedConv3d` with this kernel and step.
    """

    def __init__(self, kernel_size: int = 2, step: int = 2) -> None:
        super().__init__()
        _check_window(kernel_size, step)
        self.kernel_size, self.step = kernel_size, step

    @eager
    def forward(self, voxels: SparseTensor) -> SparseTensor:
        coordinates, kernel_map = voxels.maps.strided(voxels.coordinates, voxels.stride, self.kernel_size, self.step)
        features = kernel_map.layout(_windows).mean(voxels.features)
        return SparseTensor(features, coordinates, voxels.stride * self.step, voxels.maps)


class GlobalPool(nn.Module):
    """The mean, or the largest value of every channel, of all voxels of a batch entry.

    Among equals the gradient of the largest goes to the first voxel in order of x, then y, then z.
    """

    def __init__(self, mode: Literal["mean", "max"]) -> None:
        super().__init__()
        if mode not in ("mean", "max"):
            raise ValueError(f"a global pool takes the mean or the max, got {mode!r}")
        self.mode = mode

    @eager
    def forward(self, voxels: SparseTensor, entries: int) -> Float[Tensor, "entries dim"]:
        """One row for each of the batch's entries; zeros for one without voxels.

        Raises ValueError where a voxel belongs to an entry beyond them.
        """
        known = voxels.maps.voxels(voxels.coordinates, voxels.stride)
        batch = known.coordinates[:, 0]
        if len(batch) and not 0 <= int(batch[0]) <= int(batch[-1]) < entries:
            raise ValueError(
                f"{entries} batch entries are numbered from 0 to {entries - 1}, got voxels of the entries "
                f"{int(batch[0])} … {int(batch[-1])}"
            )
        features = voxels.features if known.position is None else voxels.features.index_select(0, known.position)
        counts = torch.bincount(batch, minlength=entries).tolist()
        return torch.stack([self._pooled(rows) for rows in features.split(counts)])

    def _pooled(self, rows: Tensor) -> Tensor:
        if len(rows) == 0:
            return rows.sum(dim=0)  # zeros that a backward pass can go through
        return rows.mean(dim=0) if self.mode == "mean" else rows.max(dim=0).values


def _check_window(kernel_size: int, step: int) -> None:
    """A coarse voxel is there because of a voxel inside of it: its window must hold that voxel."""
    reach = kernel_size // 2 + 1 if kernel_size % 2 else kernel_size
    if step < 1 or reach < step:
        raise ValueError(
            f"windows of size {kernel_size} do not cover the voxels of a grid {step} times coarser, and some would be "
            f"empty: the size must be even and {step} or more, or odd and {2 * step - 1} or more"
        )


def _windows(kernel_map: KernelMap) -> SparseMatrix:
    return SparseMatrix.of_entries(kernel_map.outputs, kernel_map.inputs, kernel_map.voxels_out, kernel_map.voxels_in)


class _Largest(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, kernel_map: KernelMap) -> Tensor:
        windows = kernel_map.layout(_windows)
        largest, _, _, winners = torch.embedding_bag(features, windows.inputs, windows.starts[:-1], mode=_MAX)
        ctx.save_for_backward(winners.int())
        ctx.kernel_map = kernel_map
        not_numbers = windows @ features.isnan().to(features.dtype)
        return largest.masked_fill(not_numbers > 0, torch.nan)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (winners,) = ctx.saved_tensors
        give = give_to_winners if gradient.device.type == "cpu" else give_to_winners_by_offset
        return give(gradient, winners, ctx.kernel_map), None


def give_to_winners(
    gradient: Float[Tensor, "coarse dim"], winners: Int32[Tensor, "coarse dim"], kernel_map: KernelMap
) -> Float[Tensor, "voxels dim"]:
    """To every row and channel of the inputs the sum of the gradients of the windows in which it was the largest.

    On a GPU a row that wins in several windows would be added to in an order that changes from run to run.
    """
    total = gradient.new_zeros(kernel_map.voxels_in, gradient.shape[1])
    return total.scatter_add_(0, winners.long(), gradient)


def give_to_winners_by_offset(
    gradient: Float[Tensor, "coarse dim"], winners: Int32[Tensor, "coarse dim"], kernel_map: KernelMap
) -> Float[Tensor, "voxels dim"]:
    """The same, offset by offset: under one of them a row occurs once, so that every run gives the same bits."""
    total = gradient.new_zeros(kernel_map.voxels_in, gradient.shape[1])
    pairs = zip(kernel_map.inputs.split(kernel_map.counts), kernel_map.outputs.split(kernel_map.counts), strict=True)
    for inputs, outputs in pairs:
        lost = winners.index_select(0, outputs) != inputs[:, None]
        total.index_add_(0, inputs, gradient.index_select(0, outputs).masked_fill_(lost, 0))
    return total
