"""Voxels: which cell a point falls into, and one number per cell."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

KEY_BITS = 21  # three signed coordinates of 21 bits fill a key of 63
MAX_COORDINATE = 2 ** (KEY_BITS - 1)


def voxels_from_points(points: Float[Tensor, "points 3"], size: Float[Tensor, "3"]) -> Int64[Tensor, "points 3"]:
    """The integer cell of every point: floor(point / size), so that cell 0 spans [0, size)."""
    return torch.floor(points.double() / size.to(points.device, torch.float64)).long()


def cylindrical_from_cartesian(points: Float[Tensor, "points 3"]) -> Float[Tensor, "points 3"]:
    """(range in the plane in metres, azimuth in degrees in [-180, 180], height in metres)."""
    x, y, z = points.unbind(dim=1)
    return torch.stack([torch.hypot(x, y), torch.rad2deg(torch.atan2(y, x)), z], dim=1)


def keys_from_voxels(voxels: Int64[Tensor, "voxels 3"]) -> Int64[Tensor, "voxels"]:
    """One sortable number per cell. Raises ValueError beyond ±2^20 cells, where keys would collide."""
    if voxels.numel() and (int(voxels.min()) < -MAX_COORDINATE or int(voxels.max()) >= MAX_COORDINATE):
        raise ValueError(
            f"voxel coordinates must lie in [-{MAX_COORDINATE}, {MAX_COORDINATE}), got "
            f"{int(voxels.min())} … {int(voxels.max())}: are the points in metres, and near their origin?"
        )
    x, y, z = (voxels + MAX_COORDINATE).unbind(dim=1)
    return (x << (2 * KEY_BITS)) | (y << KEY_BITS) | z


def voxels_from_keys(keys: Int64[Tensor, "voxels"]) -> Int64[Tensor, "voxels 3"]:
    """The inverse of `keys_from_voxels`."""
    mask = (1 << KEY_BITS) - 1
    x, y, z = keys >> (2 * KEY_BITS), (keys >> KEY_BITS) & mask, keys & mask
    return torch.stack([x, y, z], dim=1) - MAX_COORDINATE


def group_counts(group_of_member: Int64[Tensor, "members"], groups: int) -> Int64[Tensor, "groups"]:
    """How many members every group has."""
    return torch.bincount(group_of_member, minlength=groups)
