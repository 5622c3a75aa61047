"""The sparse tensor: features of occupied cells, and what is known about their neighbourhood."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lima.sparse.kernel_maps import KernelMaps


@dataclass(frozen=True, eq=False)
class SparseTensor:
    """Feature vectors of occupied voxels, in any order, every voxel once.

    coordinates: (batch, x, y, z) in cells of this resolution; x, y, z may be negative.
    stride: edge of these cells in cells of the finest grid. maps: shared by all tensors made from this one, except
    by `TransposedConv3d`, which starts a new set.
    """

    features: Float[Tensor, "voxels dim"]
    coordinates: Int[Tensor, "voxels 4"]
    stride: int = 1
    maps: KernelMaps = field(default_factory=KernelMaps, repr=False)

    def __post_init__(self) -> None:
        if len(self.features) != len(self.coordinates):
            raise ValueError(f"{len(self.coordinates)} voxels need as many features, got {len(self.features)}")

    def __len__(self) -> int:
        return len(self.coordinates)

    def with_features(self, features: Float[Tensor, "voxels new_dim"]) -> SparseTensor:
        """Other features of the same voxels."""
        return SparseTensor(features, self.coordinates, self.stride, self.maps)


def concatenate(first: SparseTensor, second: SparseTensor) -> SparseTensor:
    """The features of both side by side. Raises ValueError for tensors of different voxels."""
    same = first.coordinates is second.coordinates or torch.equal(first.coordinates, second.coordinates)
    if not same or first.stride != second.stride:
        raise ValueError(
            f"only features of the same voxels can be concatenated, got {len(first)} voxels of stride {first.stride} "
            f"and {len(second)} of stride {second.stride}, or the same in another order"
        )
    return first.with_features(torch.cat([first.features, second.features], dim=1))
