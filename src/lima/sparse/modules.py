"""Layers on sparse tensors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lima.sparse.convolution import convolve, in_autocast_type
from lima.sparse.eager import eager
from lima.sparse.engines import engine_for
from lima.sparse.kernel_map import KernelMap
from lima.sparse.kernel_maps import KernelMaps
from lima.sparse.tensor import SparseTensor


@dataclass(frozen=True, eq=False)
class Step:
    """From which voxels to which: a kernel map, and the voxels at its end."""

    kernel_map: KernelMap
    coordinates: Int[Tensor, "new_voxels 4"]
    stride: int
    maps: KernelMaps

    def with_features(self, features: Float[Tensor, "new_voxels dim"]) -> SparseTensor:
        """The voxels at the end with these features."""
        return SparseTensor(features, self.coordinates, self.stride, self.maps)


class Convolution3d(nn.Module):
    """What all convolutions share. weight: (offsets, in, out), offsets with x slowest. bias: (out), or None.

    The first weights are normal, with the variance that keeps a signal's through a full neighbourhood and a ReLU; the
    first bias is zero.
    """

    def __init__(self, in_dim: int, out_dim: int, offsets: int, bias: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(offsets, in_dim, out_dim) * math.sqrt(2 / (offsets * in_dim)))
        self.bias = nn.Parameter(torch.zeros(out_dim)) if bias else None

    def step_from(self, voxels: SparseTensor) -> Step:
        """From these voxels to those of the result."""
        raise NotImplementedError

    @eager
    def forward(self, voxels: SparseTensor) -> SparseTensor:
        step = self.step_from(voxels)
        features = convolve(voxels.features, self.weight, step.kernel_map, voxels.maps.engine)
        return step.with_features(features if self.bias is None else features + self.bias.to(features.dtype))


class SubmanifoldConv3d(Convolution3d):
    """A convolution that leaves the set of occupied voxels as it is (Graham et al., arXiv 1711.10275)."""

    def __init__(self, in_dim: int, out_dim: int, kernel_size: int = 3, dilation: int = 1, bias: bool = False) -> None:
        super().__init__(in_dim, out_dim, kernel_size**3, bias)
        self.kernel_size, self.dilation = kernel_size, dilation

    def step_from(self, voxels: SparseTensor) -> Step:
        """To the same voxels."""
        kernel_map = voxels.maps.submanifold(voxels.coordinates, voxels.stride, self.kernel_size, self.dilation)
        return Step(kernel_map, voxels.coordinates, voxels.stride, voxels.maps)


class StridedConv3d(Convolution3d):
    """A convolution to a grid `step` times coarser, onto the cells there that hold an occupied voxel."""

    def __init__(self, in_dim: int, out_dim: int, kernel_size: int = 2, step: int = 2) -> None:
        super().__init__(in_dim, out_dim, kernel_size**3)
        self.kernel_size, self.step = kernel_size, step

    def step_from(self, voxels: SparseTensor) -> Step:
        """To the cells `step` times coarser."""
        coordinates, kernel_map = voxels.maps.strided(voxels.coordinates, voxels.stride, self.kernel_size, self.step)
        return Step(kernel_map, coordinates, voxels.stride * self.step, voxels.maps)


class InverseConv3d(Convolution3d):
    """The transposed convolution back onto the voxels that a `StridedConv3d` of the same kernel came from."""

    def __init__(self, in_dim: int, out_dim: int, kernel_size: int = 2, step: int = 2) -> None:
        super().__init__(in_dim, out_dim, kernel_size**3)
        self.kernel_size, self.step = kernel_size, step

    def step_from(self, voxels: SparseTensor) -> Step:
        """To the voxels of the finer grid."""
        coordinates, kernel_map = voxels.maps.inverse(voxels.coordinates, voxels.stride, self.kernel_size, self.step)
        return Step(kernel_map, coordinates, voxels.stride // self.step, voxels.maps)


class TransposedConv3d(Convolution3d):
    """The generative transposed convolution: onto all cells step * c + offset around the occupied cells c.

    Where `InverseConv3d` returns to voxels that were there before, this one makes its own, in ascending order, with
    kernel maps of their own, whatever else was at that stride (Gwak et al., arXiv 2006.12356).
    """

    def __init__(self, in_dim: int, out_dim: int, kernel_size: int = 2, step: int = 2) -> None:
        super().__init__(in_dim, out_dim, kernel_size**3)
        self.kernel_size, self.step = kernel_size, step

    def step_from(self, voxels: SparseTensor) -> Step:
        """To voxels of its own."""
        coordinates, kernel_map, maps = voxels.maps.generated(
            voxels.coordinates, voxels.stride, self.kernel_size, self.step
        )
        return Step(kernel_map, coordinates, voxels.stride // self.step, maps)


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


class ConvNormReLU(nn.Module):
    """A convolution of any kind, batch norm, the sum with a shortcut where one is given, ReLU.

    One after the other, or fused as the engine can: batch norm, sum and ReLU in training, everything in evaluation.
    """

    def __init__(self, convolution: Convolution3d, dim: int) -> None:
        super().__init__()
        self.convolution = convolution
        self.norm = SparseBatchNorm(dim)

    def forward(self, voxels: SparseTensor, residual: SparseTensor | None = None) -> SparseTensor:
        return conv_norm_relu(voxels, self.convolution, self.norm, residual)


@eager
def conv_norm_relu(
    voxels: SparseTensor, convolution: Convolution3d, norm: nn.BatchNorm1d, residual: SparseTensor | None = None
) -> SparseTensor:
    """What `ConvNormReLU` computes, for networks that name their layers otherwise.

    norm: a `SparseBatchNorm`, or the one over processes that stands for it.
    """
    shortcut = None if residual is None else residual.features
    if not norm.training and not torch.is_grad_enabled():
        return _evaluated(voxels, convolution, norm, shortcut)
    convolved = convolution(voxels)
    if type(norm) is SparseBatchNorm and len(convolved) >= 2:
        features = convolved.features
        engine = engine_for(features.device, features.dtype, voxels.maps.engine)
        return convolved.with_features(engine.norm_relu(features, norm, shortcut))
    normalised = norm(convolved)
    return relu(normalised if shortcut is None else normalised.with_features(normalised.features + shortcut))


def _evaluated(
    voxels: SparseTensor, convolution: Convolution3d, norm: nn.BatchNorm1d, shortcut: Tensor | None
) -> SparseTensor:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    step = convolution.step_from(voxels)
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    mean = norm.running_mean if convolution.bias is None else norm.running_mean - convolution.bias
    features, weight = in_autocast_type(voxels.features, convolution.weight)
    engine = engine_for(features.device, features.dtype, voxels.maps.engine)
    shift = norm.bias - mean * scale
    return step.with_features(engine.forward_fused(features, weight, step.kernel_map, scale, shift, True, shortcut))


def relu(voxels: SparseTensor) -> SparseTensor:
    """Negative features become zero."""
    return voxels.with_features(torch.relu(voxels.features))
