"""Layers on sparse tensors."""

from __future__ import annotations

import math

import torch
from torch import nn

from lima.sparse.convolution import convolve
from lima.sparse.tensor import SparseTensor


def _weight(kernel_size: int, in_dim: int, out_dim: int) -> nn.Parameter:
    """(offsets, in, out), normal with the variance that keeps a signal's through a full neighbourhood and a ReLU."""
    volume = kernel_size**3
    return nn.Parameter(torch.randn(volume, in_dim, out_dim) * math.sqrt(2 / (volume * in_dim)))


class SubmanifoldConv3d(nn.Module):
    """A convolution that leaves the set of occupied voxels as it is (Graham et al., arXiv 1711.10275). No bias."""

    def __init__(self, in_dim: int, out_dim: int, kernel_size: int = 3, dilation: int = 1) -> None:
        super().__init__()
        self.kernel_size, self.dilation = kernel_size, dilation
        self.weight = _weight(kernel_size, in_dim, out_dim)

    def forward(self, voxels: SparseTensor) -> SparseTensor:
        kernel_map = voxels.maps.submanifold(voxels.coordinates, voxels.stride, self.kernel_size, self.dilation)
        return voxels.with_features(convolve(voxels.features, self.weight, kernel_map, voxels.maps.engine))


class StridedConv3d(nn.Module):
    """A convolution to a grid `step` times coarser, onto the cells there that hold an occupied voxel. No bias."""

    def __init__(self, in_dim: int, out_dim: int, kernel_size: int = 2, step: int = 2) -> None:
        super().__init__()
        self.kernel_size, self.step = kernel_size, step
        self.weight = _weight(kernel_size, in_dim, out_dim)

    def forward(self, voxels: SparseTensor) -> SparseTensor:
        coordinates, kernel_map = voxels.maps.strided(voxels.coordinates, voxels.stride, self.kernel_size, self.step)
        features = convolve(voxels.features, self.weight, kernel_map, voxels.maps.engine)
        return SparseTensor(features, coordinates, voxels.stride * self.step, voxels.maps)


class InverseConv3d(nn.Module):
    """The transposed convolution back onto the voxels that a `StridedConv3d` of the same kernel came from. No bias."""

    def __init__(self, in_dim: int, out_dim: int, kernel_size: int = 2, step: int = 2) -> None:
        super().__init__()
        self.kernel_size, self.step = kernel_size, step
        self.weight = _weight(kernel_size, in_dim, out_dim)

    def forward(self, voxels: SparseTensor) -> SparseTensor:
        coordinates, kernel_map = voxels.maps.inverse(voxels.coordinates, voxels.stride, self.kernel_size, self.step)
        features = convolve(voxels.features, self.weight, kernel_map, voxels.maps.engine)
        return SparseTensor(features, coordinates, voxels.stride // self.step, voxels.maps)


class TransposedConv3d(nn.Module):
    """The generative transposed convolution: onto all cells step * c + offset around the occupied cells c. No bias.

    Where `InverseConv3d` returns to voxels that were there before, this one makes its own, in ascending order, with
    kernel maps of their own, whatever else was at that stride (Gwak et al., arXiv 2006.12356, section 4.2).
    """

    def __init__(self, in_dim: int, out_dim: int, kernel_size: int = 2, step: int = 2) -> None:
        super().__init__()
        self.kernel_size, self.step = kernel_size, step
        self.weight = _weight(kernel_size, in_dim, out_dim)

    def forward(self, voxels: SparseTensor) -> SparseTensor:
        coordinates, kernel_map, maps = voxels.maps.generated(
            voxels.coordinates, voxels.stride, self.kernel_size, self.step
        )
        features = convolve(voxels.features, self.weight, kernel_map, voxels.maps.engine)
        return SparseTensor(features, coordinates, voxels.stride // self.step, maps)


class SparseBatchNorm(nn.BatchNorm1d):
    """Batch norm over the occupied voxels.

    One voxel has no variance: a batch of fewer than two is normalised by the running statistics and leaves them.
    """

    def forward(self, voxels: SparseTensor) -> SparseTensor:  # type: ignore[override]
        if len(voxels) < 2 and self.training:
            features = nn.functional.batch_norm(
                voxels.features, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
            return voxels.with_features(features)
        return voxels.with_features(super().forward(voxels.features))


def relu(voxels: SparseTensor) -> SparseTensor:
    """Negative features become zero."""
    return voxels.with_features(torch.relu(voxels.features))
