"""VoxelNet: the sparse backbone of voxel detectors, in the shape of OpenPCDet's `VoxelResBackBone8x`.

A 3³ convolution, then four steps of residual blocks with 16, 32, 64 and 128 channels, each step but the first entered
by a strided convolution that halves the grid, and a last convolution that shrinks the height (Zhou and Tuzel 2018, Yan
et al. 2018, with the residual blocks of Zhu et al., arXiv 1908.09492). Weights bear OpenPCDet's names, and every layer
means what spconv's means, so that weights go over in both directions (`lima.export.layers`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn

from lima.sparse import BoundedConv3d, SparseBatchNorm, SparseTensor, SubmanifoldConv3d, conv_norm_relu
from lima.sparse.modules import Convolution3d
from lima.students.voxel_grid import GRID_INPUTS, VoxelGrid

PLANES = (16, 32, 64, 128)
OUT_PLANES = 128
EXTRA_LAYER = 1  # OpenPCDet adds one layer of cells on top of the box, so that heights halve evenly: 41, 21, 11, 5, 2

Triple = tuple[int, int, int]


class NormReLU(nn.Sequential):
    """A convolution (0), batch norm (1), ReLU."""

    def __init__(self, convolution: Convolution3d, dim: int) -> None:
        super().__init__(convolution, _norm(dim))

    def forward(self, voxels: SparseTensor) -> SparseTensor:
        convolution, norm = self
        return conv_norm_relu(voxels, cast(Convolution3d, convolution), cast(nn.BatchNorm1d, norm))


class BasicBlock(nn.Module):
    """Two 3³ convolutions beside the identity. Their biases do nothing before a batch norm, but belong to the shape."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv1 = SubmanifoldConv3d(dim, dim, bias=True)
        self.bn1 = _norm(dim)
        self.conv2 = SubmanifoldConv3d(dim, dim, bias=True)
        self.bn2 = _norm(dim)

    def forward(self, voxels: SparseTensor) -> SparseTensor:
        return conv_norm_relu(conv_norm_relu(voxels, self.conv1, self.bn1), self.conv2, self.bn2, voxels)


@dataclass(frozen=True, eq=False)
class VoxelNetLevels:
    """The voxels after each of the four steps, and after the last convolution; each in a grid of its own."""

    levels: tuple[SparseTensor, SparseTensor, SparseTensor, SparseTensor]
    out: SparseTensor


class VoxelNet(nn.Module):
    """Features of voxels to features of four grids, each half as fine as the one before, and of a flat last one.

    grid: the box that voxels lie in. width: factor on the number of channels, rounded down. level_dims: channels of
    the four steps. box: cells of the finest grid, the extra layer included. bev_cells, bev_dim: of `bev`.
    """

    def __init__(self, grid: VoxelGrid, width: float = 1.0) -> None:
        super().__init__()
        dims = [int(width * planes) for planes in PLANES]
        out_dim = int(width * OUT_PLANES)
        if min(dims) < 1:
            raise ValueError(f"a VoxelNet of width {width} has a step without channels")
        x, y, z = grid.cells
        self.box = (x, y, z + EXTRA_LAYER)
        self.conv_input = NormReLU(SubmanifoldConv3d(len(GRID_INPUTS), dims[0]), dims[0])
        self.conv1 = nn.Sequential(BasicBlock(dims[0]), BasicBlock(dims[0]))
        self.conv2, cells = _step_down(dims[0], dims[1], (1, 1, 1), self.box)
        self.conv3, cells = _step_down(dims[1], dims[2], (1, 1, 1), cells)
        self.conv4, cells = _step_down(dims[2], dims[3], (1, 1, 0), cells)
        last = BoundedConv3d(dims[3], out_dim, (1, 1, 3), (1, 1, 2), (0, 0, 0), cells)
        self.conv_out = NormReLU(last, out_dim)
        self.level_dims = tuple(dims)
        self.bev_cells, self.bev_dim = last.cells_out, out_dim * last.cells_out[2]

    def forward(self, voxels: SparseTensor) -> VoxelNetLevels:
        first = self.conv1(self.conv_input(voxels))
        second = self.conv2(first)
        third = self.conv3(second)
        fourth = self.conv4(third)
        return VoxelNetLevels((first, second, third, fourth), self.conv_out(fourth))

    @staticmethod
    def level_positions(positions: Float[Tensor, "points 3"]) -> list[Float[Tensor, "points 3"]]:
        """Where points are in each of the four grids, in its cells; given where they are in the finest.

        Output o of a step is centred on its input 2 o, and on 2 o + 1 where the step has no padding.
        """
        centred = positions - 0.5  # 0 is the centre of the first cell
        found = [centred]
        for unpadded in (0, 0, 1):
            centred = (centred - centred.new_tensor([0, 0, unpadded])) / 2
            found.append(centred)
        return [position + 0.5 for position in found]

    def bev(self, out: SparseTensor, sweeps: int) -> Float[Tensor, "sweeps {self.bev_dim} rows cols"]:
        """The last voxels as maps seen from above: rows along y, columns along x, zeros where nothing is.

        Channel c at height h stands at c * heights + h, as in OpenPCDet's HeightCompression.
        """
        cols, rows, heights = self.bev_cells
        batch, x, y, z = out.coordinates.unbind(dim=1)
        cell = ((batch * heights + z) * rows + y) * cols + x
        dense = out.features.new_zeros(sweeps * heights * rows * cols, out.features.shape[1])
        dense = dense.index_copy(0, cell, out.features).view(sweeps, heights, rows, cols, out.features.shape[1])
        return dense.permute(0, 4, 1, 2, 3).flatten(1, 2)


def _norm(dim: int) -> SparseBatchNorm:
    """With OpenPCDet's epsilon, but torch's momentum: with its 0.01 a short run ends before the statistics are true."""
    return SparseBatchNorm(dim, eps=1e-3)


def _step_down(in_dim: int, dim: int, padding: Triple, cells: Triple) -> tuple[nn.Sequential, Triple]:
    strided = BoundedConv3d(in_dim, dim, (3, 3, 3), (2, 2, 2), padding, cells)
    return nn.Sequential(NormReLU(strided, dim), BasicBlock(dim), BasicBlock(dim)), strided.cells_out
