"""Between points and voxels: means over the points of a voxel, and features back at the points.

Positions are in cells of the finest grid, whatever the stride of the voxels: cell c of stride s spans s * c to
s * (c + 1) and has its centre at s * (c + 1/2). All sums are those of a sparse matrix and of its transpose: every run
gives the same bits, forward and backward.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lima.sparse.coordinates import Grid, unique_coordinates
from lima.sparse.eager import eager
from lima.sparse.kernel_map import kernel_offsets
from lima.sparse.matrix import SparseMatrix
from lima.sparse.tensor import SparseTensor


@eager
def find_voxels(
    voxels: SparseTensor, positions: Float[Tensor, "points 3"], batch_of_point: Int64[Tensor, "points"]
) -> Int64[Tensor, "points"]:
    """The row of the voxel that every point lies in; -1 where there is none."""
    cells = torch.floor(positions.detach().double() / voxels.stride).long()
    return _rows_at(voxels, torch.cat([batch_of_point[:, None], cells], dim=1), [(0, 0, 0)]).squeeze(1)


@eager
def scatter_mean(
    features: Float[Tensor, "points dim"], voxel_of_point: Int64[Tensor, "points"], voxels: int
) -> Float[Tensor, "voxels dim"]:
    """Every voxel takes the mean of its points; a voxel without points takes zeros.

    voxel_of_point: a row of the voxels, or -1 for a point in none. Differentiable in the features.
    """
    return _points_by_voxels(voxel_of_point, voxels).transposed.mean(features)


@eager
def devoxelise_nearest(
    features: Float[Tensor, "voxels dim"], voxel_of_point: Int64[Tensor, "points"]
) -> Float[Tensor, "points dim"]:
    """Every point takes the feature of its voxel; a point in none (-1) takes zeros. Differentiable in the features."""
    return _points_by_voxels(voxel_of_point, len(features)) @ features


@eager
def devoxelise_trilinear(
    voxels: SparseTensor, positions: Float[Tensor, "points 3"], batch_of_point: Int64[Tensor, "points"]
) -> Float[Tensor, "points dim"]:
    """Every point takes the trilinear interpolation between the eight cell centres around it.

    Cells without a voxel are left out and the weights of the others divided by their sum, as in SPVNAS (Tang et
    al., arXiv 2007.16100); a point with no voxel around it takes zeros. There the features stand at the lower corners
    of the cells, here at the centres, where the mean of points spread over a cell is. Differentiable in the features;
    positions get no gradient.
    """
    from_centre = positions.detach().double() / voxels.stride - 0.5
    lowest = torch.floor(from_centre)
    rows = _rows_at(voxels, torch.cat([batch_of_point[:, None], lowest.long()], dim=1), kernel_offsets(2))
    upper = from_centre - lowest
    x, y, z = torch.stack([1 - upper, upper], dim=1).unbind(dim=2)
    in_order_of_offsets = x[:, :, None, None] * y[:, None, :, None] * z[:, None, None, :]
    weights = in_order_of_offsets.flatten(start_dim=1)
    used = (rows >= 0) & (weights > 0)
    weights = weights * used
    weights = weights / weights.sum(dim=1, keepdim=True)
    return SparseMatrix.of_rows(rows[used], used.sum(dim=1), len(voxels), weights[used]) @ voxels.features


def _points_by_voxels(voxel_of_point: Tensor, voxels: int) -> SparseMatrix:
    """The matrix from voxels to points: one entry for each point that has a voxel."""
    known = voxel_of_point >= 0
    return SparseMatrix.of_rows(voxel_of_point[known], known.long(), voxels)


def _rows_at(
    voxels: SparseTensor, cells: Int64[Tensor, "points 4"], offsets: Sequence[tuple[int, int, int]]
) -> Int64[Tensor, "points offsets"]:
    """The row of the voxel at every cell + offset; -1 where there is none. Points of one cell are looked up once."""
    known = voxels.maps.voxels(voxels.coordinates, voxels.stride)
    wanted, wanted_of_point = unique_coordinates(cells)
    grid = Grid.around(torch.cat([known.coordinates, wanted]), margin=1)
    steps = [grid.step(*offset) for offset in offsets]
    found = voxels.maps.finder(cells.device).find_pairs(grid.keys(known.coordinates), grid.keys(wanted), steps)
    rows = cells.new_full((len(wanted), len(offsets)), -1)
    offset_of_pair = torch.repeat_interleave(torch.tensor(found.counts, device=rows.device))
    rows[found.outputs, offset_of_pair] = known.to_original(found.inputs)
    return rows[wanted_of_point]
