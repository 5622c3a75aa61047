"""Output rows in tiles whose rows have neighbours under nearly the same offsets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int32, Int64
from torch import Tensor

from lima.sparse.kernel_map import KernelMap

TALL_FROM = 200 * 128
"""Output rows, times blocks of 128 channels, from which tiles are 128 high and not 64: three programs for every two
multiprocessors of an H100 or H200. Tall tiles read the matrices half as often, low ones run more at once and have fewer
rows without a neighbour under their offsets. Reasoned, not measured."""
DIGITS = 62
"""Offsets that one sortable number holds."""


@dataclass(frozen=True, eq=False)
class RowTiles:
    """A kernel map cut into tiles of output rows; a tile is multiplied with the matrices of its own offsets only.

    rows: the output rows of every tile; where the last tile has places left, `voxels_out`. counts: under how many
    offsets at least one of a tile's rows has a neighbour; tiles with many come first, so that none starts late and
    runs long. offsets: the numbers of these offsets, ascending, then those of the others. neighbours: the input rows
    under the offset at the same place of `offsets`, -1 where there is none.
    """

    rows: Int32[Tensor, "tiles height"]
    counts: Int32[Tensor, "tiles"]
    offsets: Int32[Tensor, "tiles offsets"]
    neighbours: Int32[Tensor, "tiles offsets height"]

    @property
    def height(self) -> int:
        """Rows of a tile."""
        return self.rows.shape[1]


def tiles_for(kernel_map: KernelMap, out_dim: int) -> RowTiles:
    """The map's tiles, as high as suits a result of so many channels."""
    blocks = -(-out_dim // 128)
    return kernel_map.layout(tall_tiles if kernel_map.voxels_out * blocks >= TALL_FROM else low_tiles)


def tall_tiles(kernel_map: KernelMap) -> RowTiles:
    """Of 128 rows."""
    return row_tiles(kernel_map, 128)


def low_tiles(kernel_map: KernelMap) -> RowTiles:
    """Of 64 rows."""
    return row_tiles(kernel_map, 64)


def row_tiles(kernel_map: KernelMap, height: int) -> RowTiles:
    """The tiles of a map. Takes several times their memory for a moment; waits for nothing on the device."""
    table = neighbour_table(kernel_map)
    order = row_order(table[:, :-1] >= 0)
    padding = -len(order) % height
    rows = torch.nn.functional.pad(order, (0, padding), value=kernel_map.voxels_out).view(-1, height)
    table = table[:, rows]
    present = (table >= 0).any(dim=2).T
    counts = present.sum(dim=1)
    tiles = counts.argsort(descending=True, stable=True)
    offsets = present[tiles].logical_not().byte().argsort(dim=1, stable=True)
    return RowTiles(rows[tiles].int(), counts[tiles].int(), offsets.int(), table[offsets, tiles[:, None]].contiguous())


def neighbour_table(kernel_map: KernelMap) -> Int32[Tensor, "offsets rows_and_one"]:
    """The input row that every output row sees under every offset, -1 where none; a last column without any."""
    offsets, rows, device = len(kernel_map.counts), kernel_map.voxels_out, kernel_map.inputs.device
    assert max(kernel_map.voxels_in, rows) < 2**31, "rows are counted in 32 bits"
    table = torch.full((offsets, rows + 1), -1, dtype=torch.int32, device=device)
    counts = torch.tensor(kernel_map.counts, device=device)
    offset_of_pair = torch.arange(offsets, device=device).repeat_interleave(counts, output_size=len(kernel_map.inputs))
    table[offset_of_pair, kernel_map.outputs] = kernel_map.inputs.int()
    if kernel_map.symmetric:
        table[offsets // 2, :rows] = torch.arange(rows, dtype=torch.int32, device=device)
    return table


def row_order(present: Bool[Tensor, "offsets rows"]) -> Int64[Tensor, "rows"]:
    """An order in which rows with neighbours under the same offsets stand together.

    Rows are sorted by the bits of their offsets, the rarest offset first, as a Gray code counts, so that from one set
    to the next little changes. Products computed with tiles of 64 and 128 rows, over those needed (simulated sweeps of
    32 beams in voxels of 0.1 m, 21 000 rows, and of 64 beams in voxels of 0.05 m, 89 000 rows):

        kernel       unsorted       bits as numbered   rarest first   and as a Gray code
        3³, 32       3.76   4.37    1.56   1.88        1.42   1.57    1.34   1.49
        3³, 64       3.98   4.45    1.55   1.75        1.40   1.52    1.36   1.48
        2³ / 2, 32   5.08   5.31    1.19   1.36        1.21   1.34    1.13   1.23
        2³ / 2, 64   4.49   4.57    1.10   1.15        1.10   1.16    1.06   1.10
        5³, 32       6.60   8.07    3.56   4.88        2.99   3.48    2.93   3.38
        5³, 64       5.58   7.05    3.22   3.97        2.58   2.96    2.54   2.90
    """
    rarest_first = present[present.sum(dim=1).argsort(stable=True)]
    # Where a set stands in a Gray code's count: a digit is the parity of the bits from the first down to it.
    digits = rarest_first.cumsum(dim=0, dtype=torch.uint8) & 1
    order = torch.arange(present.shape[1], device=present.device)
    for group in reversed(digits.split(DIGITS)):
        weights = torch.arange(len(group) - 1, -1, -1, device=present.device)
        number = (group.long() << weights[:, None]).sum(dim=0)
        order = order[number[order].argsort(stable=True)]
    return order
