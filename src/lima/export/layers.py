"""Layers in the layout of spconv 2: the real ones where spconv is installed, and stand-ins that have shapes alone.

spconv keeps a kernel as (out, k, k, k, in), its axes in the order of the columns of the voxels' indices. A kernel of
size 1 is the exception: the library reads that memory as (in, out), whatever the shape says.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

Axes = Literal["xyz", "zyx"]
"""order of the columns of a library's voxel indices, after the batch"""


@runtime_checkable
class Layers(Protocol):
    """Makers of layers. key: layers of the same key share their pairs of voxels."""

    def submanifold(self, in_dim: int, out_dim: int, kernel_size: int, key: str, bias: bool = False) -> nn.Module: ...

    def strided(self, in_dim: int, out_dim: int, kernel_size: Any, step: Any, padding: Any, key: str) -> nn.Module: ...

    def inverse(self, in_dim: int, out_dim: int, kernel_size: int, key: str) -> nn.Module: ...


class Stated(nn.Module):
    """A layer that has the weights of one of spconv's, without memory for them."""

    def __init__(self, in_dim: int, out_dim: int, kernel_size: tuple[int, ...], bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_dim, *kernel_size, in_dim, device="meta"))
        self.bias = nn.Parameter(torch.empty(out_dim, device="meta")) if bias else None


class StatedLayers:
    """What keys and shapes a library's network has, without that library."""

    def submanifold(self, in_dim: int, out_dim: int, kernel_size: int, key: str, bias: bool = False) -> nn.Module:
        return Stated(in_dim, out_dim, (kernel_size,) * 3, bias)

    def strided(self, in_dim: int, out_dim: int, kernel_size: Any, step: Any, padding: Any, key: str) -> nn.Module:
        sizes = (kernel_size,) * 3 if isinstance(kernel_size, int) else tuple(kernel_size)
        return Stated(in_dim, out_dim, sizes, bias=False)

    def inverse(self, in_dim: int, out_dim: int, kernel_size: int, key: str) -> nn.Module:
        return Stated(in_dim, out_dim, (kernel_size,) * 3, bias=False)


class SpconvLayers:
    """spconv's own, without biases, which it does not add on a CPU. Raises ImportError where it is not installed."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a dependency's, at import
            self.spconv = importlib.import_module("spconv.pytorch")

    def submanifold(self, in_dim: int, out_dim: int, kernel_size: int, key: str, bias: bool = False) -> nn.Module:
        layer: nn.Module = self.spconv.SubMConv3d(in_dim, out_dim, kernel_size, bias=False, indice_key=key)
        return layer

    def strided(self, in_dim: int, out_dim: int, kernel_size: Any, step: Any, padding: Any, key: str) -> nn.Module:
        layer: nn.Module = self.spconv.SparseConv3d(
            in_dim, out_dim, kernel_size, step, padding, bias=False, indice_key=key
        )
        return layer

    def inverse(self, in_dim: int, out_dim: int, kernel_size: int, key: str) -> nn.Module:
        layer: nn.Module = self.spconv.SparseInverseConv3d(in_dim, out_dim, kernel_size, bias=False, indice_key=key)
        return layer

    def voxels(self, features: Tensor, indices: Tensor, shape: list[int], batches: int) -> Any:
        """spconv's sparse tensor."""
        return self.spconv.SparseConvTensor(features, indices, shape, batches)


def spconv_weight(weight: Float[Tensor, "offsets in out"], sizes: tuple[int, int, int], axes: Axes) -> Tensor:
    """A kernel of ours, x slowest, as spconv keeps it. sizes: of the kernel along x, y, z."""
    offsets, in_dim, out_dim = weight.shape
    if offsets == 1:
        return weight.reshape(out_dim, 1, 1, 1, in_dim).contiguous()  # memory (in, out), see above
    kernel = weight.reshape(*sizes, in_dim, out_dim)
    return kernel.permute((4, 0, 1, 2, 3) if axes == "xyz" else (4, 2, 1, 0, 3)).contiguous()


def weight_from_spconv(weight: Float[Tensor, "out z y x in"]) -> Float[Tensor, "offsets in out"]:
    """The inverse of `spconv_weight` for indices (z, y, x), of kernels larger than 1."""
    return weight.permute(3, 2, 1, 4, 0).flatten(0, 2).contiguous()


def run(module: nn.Module, voxels: Any) -> Any:
    """One layer or a row of them on spconv's voxels; what works on features alone is given the features."""
    if isinstance(module, (nn.BatchNorm1d, nn.ReLU)):
        return voxels.replace_feature(module(voxels.features))
    if isinstance(module, nn.Sequential):
        for layer in module:
            voxels = run(layer, voxels)
        return voxels
    return module(voxels)
