"""The strided convolution inside a box of cells, onto every cell that it reaches: what VoxelNet goes down by."""

from __future__ import annotations

import itertools
import math

import torch
from jaxtyping import Int64
from torch import Tensor

from lima.sparse.coordinates import unique_coordinates
from lima.sparse.eager import eager
from lima.sparse.kernel_map import KernelMap
from lima.sparse.kernel_maps import KernelMaps
from lima.sparse.modules import Convolution3d, Step
from lima.sparse.tensor import SparseTensor

Triple = tuple[int, int, int]


class BoundedConv3d(Convolution3d):
    """A dense strided convolution wherever an occupied cell reaches; the voxels of the result are numbered anew.

    Output o sees the cells step * o + offset - padding, offset from 0 to the kernel's size - 1, all per axis (x, y, z).
    Where `StridedConv3d` keeps to the coarse cells that hold a voxel, this one has every coarse cell inside the box
    that sees one: the meaning of spconv's SparseConv3d (Yan et al., SECOND, 2018), on whose weights it gives the same
    numbers.

    cells: of the box that the inputs lie in, counted from (0, 0, 0). The result lies in a box of `cells_out`, has
    stride 1 in it, and kernel maps of its own.
    """

    def __init__(
        self, in_dim: int, out_dim: int, kernel_size: Triple, step: Triple, padding: Triple, cells: Triple
    ) -> None:
        super().__init__(in_dim, out_dim, math.prod(kernel_size))
        self.kernel_size, self.step, self.padding, self.cells = kernel_size, step, padding, cells
        x, y, z = (
            (n + 2 * pad - size) // stride + 1
            for n, pad, size, stride in zip(cells, padding, kernel_size, step, strict=True)
        )
        self.cells_out = (x, y, z)
        if min(self.cells_out) < 1:
            raise ValueError(
                f"a box of {cells} cells is too small for a kernel of {kernel_size} with padding {padding}"
            )

    @eager
    def step_from(self, voxels: SparseTensor) -> Step:
        """To the cells of the coarser box. Raises ValueError for voxels outside of the finer one."""
        known = voxels.maps.voxels(voxels.coordinates, voxels.stride)
        fine = known.coordinates
        beyond = (fine[:, 1:] < 0) | (fine[:, 1:] >= fine.new_tensor(self.cells))
        if bool(beyond.any()):
            first = fine[beyond.any(dim=1)][0].tolist()
            raise ValueError(f"voxels must lie in a box of {self.cells} cells, got (batch, x, y, z) = {tuple(first)}")
        rows, cells, counts = [], [], []
        reached = [self._reached(fine[:, 1 + axis], axis) for axis in range(3)]
        for x, y, z in itertools.product(*reached):
            inputs = torch.nonzero(x[1] & y[1] & z[1])[:, 0]
            rows.append(inputs)
            cells.append(torch.stack([fine[inputs, 0], x[0][inputs], y[0][inputs], z[0][inputs]], dim=1))
            counts.append(len(inputs))
        coarse, outputs = unique_coordinates(torch.cat(cells))
        inputs = known.to_original(torch.cat(rows))
        kernel_map = KernelMap(inputs, outputs, tuple(counts), len(fine), len(coarse), symmetric=False)
        return Step(kernel_map, coarse, 1, KernelMaps(voxels.maps.engine))

    def _reached(self, cells: Int64[Tensor, "voxels"], axis: int) -> list[tuple[Tensor, Tensor]]:
        """For every offset along an axis the output that sees each cell through it, and whether there is one."""
        found = []
        for offset in range(self.kernel_size[axis]):
            corner = cells + (self.padding[axis] - offset)
            output = torch.div(corner, self.step[axis], rounding_mode="floor")
            there = (corner >= 0) & (corner % self.step[axis] == 0) & (output < self.cells_out[axis])
            found.append((output, there))
        return found
