"""MinkUNet as other libraries build it: with their layers, and their own search for neighbours.

The network is written once, over the kit of layers that a library offers; its weights can be ours, and then its
outputs are. What can be had for Python 3.11 and torch 2.13 (November 2026):

    spconv 2.3.8           pip install spconv (CPU) or spconv-cu126 (CUDA 12)
    Open3D 0.20            pip install open3d-cpu (CPU) or open3d (CUDA 12.6), built for torch 2.13 alone
    MinkowskiEngine 0.5.4  BUILD
    torchsparse            nothing on PyPI; its source builds for CUDA, so it is left out
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lima.sparse import InverseConv3d, StridedConv3d, SubmanifoldConv3d
from lima.sparse.engines.spconv import spconv_on
from lima.students.minkunet import PLANES, STEM_PLANES, MinkUNet

LEVELS = 5
OURS = (SubmanifoldConv3d, StridedConv3d, InverseConv3d)


@dataclass(frozen=True)
class Place:
    """Voxels as libraries like them: int32 and from zero, so that halving four times gives our coarser cells.

    size: of the box that holds them, a multiple of 16.
    """

    coordinates: Tensor
    size: tuple[int, int, int]

    @staticmethod
    def of(coordinates: Tensor) -> Place:
        step = 2 ** (LEVELS - 1)
        low = coordinates[:, 1:].amin(dim=0).div(step, rounding_mode="floor") * step
        moved = coordinates.clone()
        moved[:, 1:] -= low
        x, y, z = ((moved[:, 1:].amax(dim=0) // step + 1) * step).tolist()
        return Place(moved.int(), (x, y, z))


class Kit(Protocol):
    """A library's layers, without bias. A level is how often the voxels have been halved."""

    name: str

    def refusal(self, device: torch.device, dtype: str) -> str | None:
        """Why it cannot do it, if it cannot."""

    def at_work(self, device: torch.device) -> contextlib.AbstractContextManager[object]:
        """Where its layers can be called."""

    def submanifold(self, in_dim: int, out_dim: int, kernel_size: int, level: int) -> nn.Module: ...

    def down(self, in_dim: int, out_dim: int, level: int) -> nn.Module:
        """Kernel 2, step 2, from the level to the next."""

    def up(self, in_dim: int, out_dim: int, level: int) -> nn.Module:
        """The inverse of it, back to the level."""

    def copy_weight(self, layer: Any, weight: Tensor) -> None:
        """Gives a layer a weight of ours, (offsets, in, out) with x slowest."""

    def voxels(self, features: Tensor, place: Place) -> Any:
        """Its sparse tensor, without any map."""

    def features(self, voxels: Any) -> Tensor: ...

    def with_features(self, voxels: Any, features: Tensor) -> Any: ...

    def find_maps(self, voxels: Any) -> list[int]:
        """Finds all that the network needs once, and says how many voxels every level has."""


class PeerUNet(nn.Module):
    """`lima.students.minkunet.MinkUNet`, its modules under the same names."""

    def __init__(self, kit: Kit, blocks: tuple[int, ...], width: float = 1.0, in_dim: int = 4) -> None:
        super().__init__()
        self.kit = kit
        planes, dim = [int(width * channels) for channels in PLANES], int(width * STEM_PLANES)
        self.stem = nn.Sequential(
            _ConvNormReLU(kit, kit.submanifold(in_dim, dim, 3, 0), dim),
            _ConvNormReLU(kit, kit.submanifold(dim, dim, 3, 0), dim),
        )
        skipped = [dim]
        self.down, self.encoder = nn.ModuleList(), nn.ModuleList()
        for step in range(4):
            self.down.append(_ConvNormReLU(kit, kit.down(dim, dim, step), dim))
            self.encoder.append(_stage(kit, dim, planes[step], blocks[step], step + 1))
            dim = planes[step]
            skipped.append(dim)
        self.up, self.decoder = nn.ModuleList(), nn.ModuleList()
        for step in range(4, 8):
            level = 7 - step
            self.up.append(_ConvNormReLU(kit, kit.up(dim, planes[step], level), planes[step]))
            self.decoder.append(_stage(kit, planes[step] + skipped[level], planes[step], blocks[step], level))
            dim = planes[step]

    def forward(self, voxels: Any) -> Any:
        voxels = self.stem(voxels)
        skipped = [voxels]
        for down, stage in zip(self.down, self.encoder, strict=True):
            voxels = stage(down(voxels))
            skipped.append(voxels)
        skipped.pop()
        for up, stage in zip(self.up, self.decoder, strict=True):
            voxels = up(voxels)
            both = torch.cat([self.kit.features(voxels), self.kit.features(skipped.pop())], dim=1)
            voxels = stage(self.kit.with_features(voxels, both))
        return voxels

    @torch.no_grad()
    def copy_weights(self, ours: MinkUNet) -> None:
        """Takes over the weights of a network of the same blocks and width."""
        for name, module in ours.named_modules():
            if isinstance(module, OURS):
                self.kit.copy_weight(self.get_submodule(name), module.weight)
            elif isinstance(module, nn.BatchNorm1d):
                self.get_submodule(name).load_state_dict(module.state_dict())


class _Norm(nn.BatchNorm1d):
    def __init__(self, kit: Kit, dim: int) -> None:
        super().__init__(dim)
        self.kit = kit

    def forward(self, voxels: Any) -> Any:
        return self.kit.with_features(voxels, super().forward(self.kit.features(voxels)))


class _ConvNormReLU(nn.Module):
    def __init__(self, kit: Kit, convolution: nn.Module, dim: int) -> None:
        super().__init__()
        self.kit, self.convolution, self.norm = kit, convolution, _Norm(kit, dim)

    def forward(self, voxels: Any, residual: Any = None) -> Any:
        voxels = self.norm(self.convolution(voxels))
        features = self.kit.features(voxels)
        if residual is not None:
            features = features + self.kit.features(residual)
        return self.kit.with_features(voxels, F.relu(features, inplace=True))


class _ResidualBlock(nn.Module):
    def __init__(self, kit: Kit, in_dim: int, dim: int, level: int) -> None:
        super().__init__()
        self.first = _ConvNormReLU(kit, kit.submanifold(in_dim, dim, 3, level), dim)
        self.second = _ConvNormReLU(kit, kit.submanifold(dim, dim, 3, level), dim)
        self.shortcut = (
            nn.Identity() if in_dim == dim else nn.Sequential(kit.submanifold(in_dim, dim, 1, level), _Norm(kit, dim))
        )

    def forward(self, voxels: Any) -> Any:
        return self.second(self.first(voxels), self.shortcut(voxels))


def _stage(kit: Kit, in_dim: int, dim: int, blocks: int, level: int) -> nn.Sequential:
    return nn.Sequential(*[_ResidualBlock(kit, in_dim if block == 0 else dim, dim, level) for block in range(blocks)])


def _x_fastest(weight: Tensor) -> Tensor:
    """Offsets with x slowest to offsets with x fastest."""
    size = round(len(weight) ** (1 / 3))
    return weight.unflatten(0, (size, size, size)).permute(2, 1, 0, 3, 4)


class SpconvKit:
    """spconv as its users call it: one `indice_key` per map, the algorithm that it takes by itself."""

    name = "spconv"

    def __init__(self) -> None:
        import spconv.constants
        import spconv.pytorch

        self.spconv = spconv

    def refusal(self, device: torch.device, dtype: str) -> str | None:
        if device.type == "cuda" and self.spconv.pytorch.ops.CPU_ONLY_BUILD:
            return "this build is for the CPU: pip install spconv-cu126, or the one for your CUDA"
        if device.type == "cpu" and dtype != "float32":
            return "on the CPU it takes float32"
        return "it takes no bfloat16" if dtype == "bfloat16" else None

    def at_work(self, device: torch.device) -> contextlib.AbstractContextManager[object]:
        self.spconv.constants.SPCONV_ALLOW_TF32 = torch.get_float32_matmul_precision() != "highest"
        return spconv_on(device)

    def submanifold(self, in_dim: int, out_dim: int, kernel_size: int, level: int) -> nn.Module:
        key = f"within {level}" if kernel_size > 1 else None
        return self.spconv.pytorch.SubMConv3d(in_dim, out_dim, kernel_size, bias=False, indice_key=key)

    def down(self, in_dim: int, out_dim: int, level: int) -> nn.Module:
        return self.spconv.pytorch.SparseConv3d(in_dim, out_dim, 2, 2, bias=False, indice_key=f"below {level}")

    def up(self, in_dim: int, out_dim: int, level: int) -> nn.Module:
        return self.spconv.pytorch.SparseInverseConv3d(in_dim, out_dim, 2, bias=False, indice_key=f"below {level}")

    def copy_weight(self, layer: Any, weight: Tensor) -> None:
        """(out, x, y, z, in); of a kernel of size 1 the library reads the same memory as (in, out)."""
        if len(weight) == 1:
            layer.weight.view(weight.shape[1:]).copy_(weight[0])
        else:
            layer.weight.copy_(weight.permute(2, 0, 1).view_as(layer.weight))

    def voxels(self, features: Tensor, place: Place) -> Any:
        return self.spconv.pytorch.SparseConvTensor(features, place.coordinates, list(place.size), 1)

    def features(self, voxels: Any) -> Tensor:
        return voxels.features

    def with_features(self, voxels: Any, features: Tensor) -> Any:
        return voxels.replace_feature(features)

    def find_maps(self, voxels: Any) -> list[int]:
        indices, size, found = voxels.indices, voxels.spatial_shape, []
        for level in range(LEVELS):
            found.append(len(indices))
            self._find(indices, size, kernel_size=3, step=1, submanifold=True)
            if level < LEVELS - 1:
                indices = self._find(indices, size, kernel_size=2, step=2, submanifold=False)
                size = [cells // 2 for cells in size]
        return found

    def _find(self, indices: Tensor, size: list[int], kernel_size: int, step: int, submanifold: bool) -> Tensor:
        """As its layers call it; gives the cells of the result."""
        ops, algorithms = self.spconv.pytorch.ops, self.spconv.core.ConvAlgo
        kernel = ([kernel_size] * 3, [step] * 3, [0] * 3, [1] * 3, [0] * 3, submanifold, False)
        if ops.CPU_ONLY_BUILD:
            return ops.get_indice_pairs(indices, 1, size, algorithms.Native, *kernel)[0]
        return ops.get_indice_pairs_implicit_gemm(indices, 1, size, algorithms.MaskImplicitGemm, *kernel)[0]


@dataclass(frozen=True)
class _Cells:
    """Features, and the cells of every level down to theirs."""

    features: Tensor
    levels: tuple[Tensor, ...]


class _Open3dConv(nn.Module):
    """One of its layers between two levels, in cells of the finer one. It searches for neighbours at every call."""

    def __init__(self, layer: nn.Module, towards: str) -> None:
        super().__init__()
        self.layer, self.towards = layer, towards

    def forward(self, voxels: _Cells) -> _Cells:
        here, levels = voxels.levels[-1], voxels.levels
        if self.towards == "same":
            centres = here + 0.5
            return _Cells(self.layer(voxels.features, centres, centres, 1.0), levels)
        if self.towards == "coarser":
            levels = (*levels, torch.unique(torch.div(here, 2, rounding_mode="floor"), dim=0))
            return _Cells(self.layer(voxels.features, here + 0.5, levels[-1] * 2 + 0.5, 1.0), levels)
        return _Cells(self.layer(voxels.features, here * 2 + 0.5, levels[-2] + 0.5, 1.0), levels[:-1])


class Open3dKit:
    """Open3D's layers for grids, used as its own SparseConvUnet does."""

    name = "open3d"

    def __init__(self) -> None:
        import open3d.ml.torch

        self.layers = open3d.ml.torch.layers

    def refusal(self, device: torch.device, dtype: str) -> str | None:
        return None if dtype == "float32" else "it takes float32"

    def at_work(self, device: torch.device) -> contextlib.AbstractContextManager[object]:
        return contextlib.nullcontext()

    def submanifold(self, in_dim: int, out_dim: int, kernel_size: int, level: int) -> nn.Module:
        return _Open3dConv(self.layers.SparseConv(in_dim, out_dim, [kernel_size] * 3, use_bias=False), "same")

    def down(self, in_dim: int, out_dim: int, level: int) -> nn.Module:
        return _Open3dConv(self.layers.SparseConv(in_dim, out_dim, [2, 2, 2], use_bias=False), "coarser")

    def up(self, in_dim: int, out_dim: int, level: int) -> nn.Module:
        return _Open3dConv(self.layers.SparseConvTranspose(in_dim, out_dim, [2, 2, 2], use_bias=False), "finer")

    def copy_weight(self, layer: Any, weight: Tensor) -> None:
        """(z, y, x, in, out)."""
        layer.layer.kernel.copy_(_x_fastest(weight))

    def voxels(self, features: Tensor, place: Place) -> Any:
        return _Cells(features, (place.coordinates[:, 1:].float(),))

    def features(self, voxels: Any) -> Tensor:
        return voxels.features

    def with_features(self, voxels: Any, features: Tensor) -> Any:
        return replace(voxels, features=features)

    def find_maps(self, voxels: Any) -> list[int]:
        """Every map once, though its layers search anew at every call."""
        search = self.layers.FixedRadiusSearch(metric="Linf", ignore_query_point=False, return_distances=False)
        cells, found = voxels.levels[0], []
        for level in range(LEVELS):
            found.append(len(cells))
            search(cells + 0.5, cells + 0.5, 3 * 0.51, hash_table_size_factor=1 / 64)
            if level < LEVELS - 1:
                coarse = torch.unique(torch.div(cells, 2, rounding_mode="floor"), dim=0)
                search(cells + 0.5, coarse * 2 + 1.0, 2 * 0.51, hash_table_size_factor=1 / 64)
                search(coarse * 2 + 0.5, cells + 1.0, 2 * 0.51, hash_table_size_factor=1 / 64)
                cells = coarse
        return found


KITS: dict[str, Callable[[], Kit]] = {kit.name: kit for kit in (SpconvKit, Open3dKit)}
"""By name. Building one raises ImportError where the library is not there."""
