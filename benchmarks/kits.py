"""The layers of other libraries: what `pip install` gives for Python 3.11 and torch 2.13 (November 2026).

    spconv 2.3.8           spconv (CPU) or spconv-cu126 (CUDA 12); on the CPU one thread, for its sums race with more
    Open3D 0.20            open3d-cpu (CPU) or open3d (CUDA 12.6), built for torch 2.13 alone
    MinkowskiEngine 0.5.4  nothing: a source of 2021 whose setup fails in numpy.distutils
    torchsparse            nothing: not on PyPI

No kit has run on a GPU yet.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from benchmarks.peers import LEVELS, Kit, Place
from torch import Tensor, nn

from lima.sparse.engines.spconv import spconv_on


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
        built_for = "cpu" if self.spconv.pytorch.ops.CPU_ONLY_BUILD else "cuda"
        if device.type != built_for:
            return f"the layers of this build are for {built_for}: pip install spconv (CPU) or spconv-cu126 (CUDA 12)"
        taken = ("float32",) if built_for == "cpu" else ("float32", "tf32", "float16")
        return None if dtype in taken else f"it takes {', '.join(taken)}"

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
"""By name. Building one raises ImportError where the library is not there, RuntimeError where it has another torch."""
