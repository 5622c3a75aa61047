"""Occupied cells of a sparse grid: one sortable number per cell, so that neighbours are found by searching."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int, Int64
from torch import Tensor

MAX_KEY = 2**63


@dataclass(frozen=True)
class Grid:
    """A box of cells around the occupied ones. Keys ascend with (batch, x, y, z).

    low, extent: corner and size of the box in cells, margin included. Cells up to the margin away from an occupied
    one have keys of their own, so that a neighbour outside never looks like a cell of the next row or batch entry.
    """

    low: tuple[int, int, int]
    extent: tuple[int, int, int]

    @staticmethod
    def around(coordinates: Int64[Tensor, "voxels 4"], margin: int = 0) -> Grid:
        """The smallest box that holds the cells and their margin.

        Raises ValueError where the box has more cells than 64 bits can count.
        """
        if len(coordinates) == 0:
            return Grid((0, 0, 0), (1, 1, 1))
        lowest, highest = coordinates.amin(dim=0).tolist(), coordinates.amax(dim=0).tolist()
        extent = tuple(high - low + 1 + 2 * margin for low, high in zip(lowest[1:], highest[1:], strict=True))
        if (max(abs(lowest[0]), abs(highest[0])) + 1) * extent[0] * extent[1] * extent[2] >= MAX_KEY:
            raise ValueError(
                f"a grid of {extent[0]} x {extent[1]} x {extent[2]} cells for batch entries {lowest[0]} … {highest[0]} "
                f"needs more than 63 bits: are the points in metres and near their origin?"
            )
        return Grid((lowest[1] - margin, lowest[2] - margin, lowest[3] - margin), (extent[0], extent[1], extent[2]))

    def keys(self, coordinates: Int64[Tensor, "voxels 4"]) -> Int64[Tensor, "voxels"]:
        """The number of every cell."""
        batch, x, y, z = coordinates.unbind(dim=1)
        row = (batch * self.extent[0] + (x - self.low[0])) * self.extent[1] + (y - self.low[1])
        return row * self.extent[2] + (z - self.low[2])

    def step(self, x: int, y: int, z: int) -> int:
        """What a move by so many cells adds to a key."""
        return (x * self.extent[1] + y) * self.extent[2] + z


@dataclass(frozen=True, eq=False)
class SortedVoxels:
    """The cells of one resolution in ascending order of their keys, and where each stood before.

    position: of every sorted cell among the original ones; None where they were sorted already.
    """

    original: Int[Tensor, "voxels 4"]
    coordinates: Int64[Tensor, "voxels 4"]
    position: Int64[Tensor, "voxels"] | None

    @staticmethod
    def of(coordinates: Int[Tensor, "voxels 4"]) -> SortedVoxels:
        """Sorts the cells. Raises ValueError where one occurs twice."""
        cells = coordinates.long()
        keys = Grid.around(cells).keys(cells)
        if bool((keys[1:] > keys[:-1]).all()):
            return SortedVoxels(coordinates, cells, None)
        keys, position = keys.sort()
        repeated = keys[1:] == keys[:-1]
        if bool(repeated.any()):
            first = cells[position[1:][repeated][0]].tolist()
            raise ValueError(
                f"a voxel may occur once, got {int(repeated.sum())} repetitions among {len(keys)} voxels, the first "
                f"at (batch, x, y, z) = {tuple(first)}: merge the points of a voxel before the network"
            )
        return SortedVoxels(coordinates, cells[position], position)

    def to_original(self, rows: Int64[Tensor, "pairs"]) -> Int64[Tensor, "pairs"]:
        """Rows of the original cells for rows of the sorted ones."""
        return rows if self.position is None else self.position[rows]


def unique_coordinates(
    coordinates: Int64[Tensor, "members 4"],
) -> tuple[Int64[Tensor, "voxels 4"], Int64[Tensor, "members"]]:
    """The different cells in ascending order of (batch, x, y, z), and for every member the row of its own."""
    grid = Grid.around(coordinates)
    keys, voxel_of_member = torch.unique(grid.keys(coordinates), return_inverse=True)
    cells = torch.empty(len(keys), 4, dtype=torch.int64, device=keys.device)
    cells[voxel_of_member] = coordinates
    return cells, voxel_of_member
