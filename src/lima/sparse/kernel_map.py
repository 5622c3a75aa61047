"""Kernel maps: which input voxel meets which output voxel under which offset of a kernel.

Found once per resolution and kernel, used by every layer. Offsets are numbered with x slowest and z fastest; an odd
kernel is centred, an even one reaches from 0 to size - 1.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Int, Int64
from torch import Tensor

from lima.sparse.coordinates import Grid, SortedVoxels, unique_coordinates

PAIRS_AT_ONCE = 2**16


@dataclass(frozen=True, eq=False)
class PairGroup:
    """The pairs of offsets that follow one another: enough rows to share among threads, few enough to keep at hand.

    offsets, counts: which they are, and how many pairs each has. order, starts: the pairs of output row o are
    `order[starts[o] : starts[o + 1]]`, in ascending order of their offsets.
    """

    offsets: slice
    counts: tuple[int, ...]
    inputs: Int64[Tensor, "pairs"]
    outputs: Int64[Tensor, "pairs"]
    order: Int64[Tensor, "pairs"]
    starts: Int64[Tensor, "starts"]


@dataclass(frozen=True, eq=False)
class KernelMap:
    """Pairs of rows, offset by offset: output row `outputs[j]` sees input row `inputs[j]` through its offset's weight.

    counts: pairs of every offset. Under one offset an input row, and an output row, occurs at most once.
    symmetric: the map of a submanifold kernel. Pair (i, o) under offset k is pair (o, i) under the opposite offset
    K - 1 - k, and under the one in the middle every voxel meets itself, which the lists leave out.
    """

    inputs: Int64[Tensor, "pairs"]
    outputs: Int64[Tensor, "pairs"]
    counts: tuple[int, ...]
    voxels_in: int
    voxels_out: int
    symmetric: bool

    @property
    def products(self) -> int:
        """How many products of a feature vector with a weight matrix a convolution takes."""
        return len(self.inputs) + (self.voxels_in if self.symmetric else 0)

    @cached_property
    def transposed(self) -> KernelMap:
        """The same pairs under the same offsets, read from the outputs to the inputs."""
        return KernelMap(self.outputs, self.inputs, self.counts, self.voxels_out, self.voxels_in, self.symmetric)

    @cached_property
    def groups(self) -> tuple[PairGroup, ...]:
        """All offsets in order, cut into groups of at most `PAIRS_AT_ONCE` pairs (or one offset with more)."""
        cuts = [0]
        for offset in range(len(self.counts)):
            if offset > cuts[-1] and sum(self.counts[cuts[-1] : offset + 1]) > PAIRS_AT_ONCE:
                cuts.append(offset)
        return tuple(self._group(slice(*cut)) for cut in itertools.pairwise([*cuts, len(self.counts)]))

    def _group(self, offsets: slice) -> PairGroup:
        pairs = slice(sum(self.counts[: offsets.start]), sum(self.counts[: offsets.stop]))
        outputs = self.outputs[pairs]
        starts = outputs.new_zeros(self.voxels_out + 1)
        torch.cumsum(torch.bincount(outputs, minlength=self.voxels_out), dim=0, out=starts[1:])
        order = torch.argsort(outputs, stable=True)
        return PairGroup(offsets, self.counts[offsets], self.inputs[pairs], outputs, order, starts)


def kernel_offsets(kernel_size: int) -> list[tuple[int, int, int]]:
    """The offsets of a cubic kernel, x slowest."""
    first = -(kernel_size // 2) if kernel_size % 2 else 0
    steps = range(first, first + kernel_size)
    return list(itertools.product(steps, steps, steps))


def submanifold_map(voxels: SortedVoxels, kernel_size: int, dilation: int = 1) -> KernelMap:
    """The map of a convolution whose outputs are its inputs' cells: output o sees the cell at o + dilation * offset.

    A column of offsets along z costs one search; the rest of the column is found by walking on in the sorted keys.
    Half of the offsets are searched: pair (i, o) under an offset is pair (o, i) under the opposite one.
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"a submanifold kernel has a centre: its size must be odd, got {kernel_size}")
    if dilation < 1:
        raise ValueError(f"dilation must be 1 or more, got {dilation}")
    reach = kernel_size // 2
    grid = Grid.around(voxels.coordinates, margin=reach * dilation)
    keys = grid.keys(voxels.coordinates)
    padded = torch.cat([keys, keys.new_full((1,), torch.iinfo(torch.int64).max)])
    own = torch.arange(len(keys), device=keys.device)
    volume, centre = kernel_size**3, kernel_size**3 // 2
    inputs, outputs = [own[:0]] * volume, [own[:0]] * volume
    for x, y in itertools.product(range(reach + 1), range(-reach, reach + 1)):
        if (x, y) < (0, 0):
            continue
        first_z = 0 if x == y == 0 else -reach
        wanted = keys + grid.step(x * dilation, y * dilation, first_z * dilation)
        found = own if x == y == 0 else torch.searchsorted(keys, wanted)
        for z in range(first_z, reach + 1):
            if z > first_z:
                wanted = wanted + dilation
                for _ in range(dilation):  # at most so many keys lie between two wanted ones
                    found = found + (padded[found] < wanted)
            if (x, y, z) == (0, 0, 0):
                continue
            rows = (padded[found] == wanted).nonzero().squeeze(1)
            offset = centre + (x * kernel_size + y) * kernel_size + z
            inputs[offset] = outputs[2 * centre - offset] = voxels.to_original(found[rows])
            outputs[offset] = inputs[2 * centre - offset] = voxels.to_original(rows)
    counts = tuple(len(rows) for rows in inputs)
    return KernelMap(torch.cat(inputs), torch.cat(outputs), counts, len(keys), len(keys), symmetric=True)


def strided_map(fine: SortedVoxels, coarse: SortedVoxels, kernel_size: int, step: int) -> KernelMap:
    """The map of a convolution to a grid `step` times coarser: output o sees the cells at step * o + offset."""
    corner = coarse.coordinates.clone()
    corner[:, 1:] *= step
    grid = Grid.around(fine.coordinates, margin=kernel_size + step)
    keys = grid.keys(fine.coordinates)
    padded = torch.cat([keys, keys.new_full((1,), torch.iinfo(torch.int64).max)])
    corner_keys = grid.keys(corner)
    inputs, outputs = [], []
    for offset in kernel_offsets(kernel_size):
        wanted = corner_keys + grid.step(*offset)
        found = torch.searchsorted(keys, wanted)
        rows = (padded[found] == wanted).nonzero().squeeze(1)
        inputs.append(fine.to_original(found[rows]))
        outputs.append(coarse.to_original(rows))
    counts = tuple(len(rows) for rows in inputs)
    return KernelMap(torch.cat(inputs), torch.cat(outputs), counts, len(keys), len(corner), symmetric=False)


class KernelMaps:
    """The resolutions of one set of voxels and the maps within and between them, each found when first asked for.

    One of these travels from layer to layer with the features. A resolution is named by its stride: the edge of its
    cells in cells of the finest grid.
    """

    def __init__(self) -> None:
        self._voxels: dict[int, SortedVoxels] = {}
        self._submanifold: dict[tuple[int, int, int], KernelMap] = {}
        self._strided: dict[tuple[int, int, int], KernelMap] = {}

    def voxels(self, coordinates: Int[Tensor, "voxels 4"], stride: int) -> SortedVoxels:
        """The sorted cells of a resolution. Raises ValueError where it has held others before."""
        if stride not in self._voxels:
            self._voxels[stride] = SortedVoxels.of(coordinates)
        known = self._voxels[stride]
        if known.original is not coordinates and not torch.equal(known.original, coordinates):
            raise ValueError(f"these kernel maps belong to other voxels of stride {stride}: give every batch its own")
        return known

    def submanifold(
        self, coordinates: Int[Tensor, "voxels 4"], stride: int, kernel_size: int, dilation: int
    ) -> KernelMap:
        """The map within a resolution."""
        voxels = self.voxels(coordinates, stride)
        name = (stride, kernel_size, dilation)
        if name not in self._submanifold:
            self._submanifold[name] = submanifold_map(voxels, kernel_size, dilation)
        return self._submanifold[name]

    def strided(
        self, coordinates: Int[Tensor, "voxels 4"], stride: int, kernel_size: int, step: int
    ) -> tuple[Int[Tensor, "coarse 4"], KernelMap]:
        """The cells of the grid `step` times coarser that hold a voxel, and the map onto them."""
        fine = self.voxels(coordinates, stride)
        if stride * step not in self._voxels:
            parents = fine.coordinates.clone()
            parents[:, 1:] = torch.div(parents[:, 1:], step, rounding_mode="floor")
            cells, _ = unique_coordinates(parents)
            self._voxels[stride * step] = SortedVoxels(cells, cells, None)
        coarse = self._voxels[stride * step]
        name = (stride, kernel_size, step)
        if name not in self._strided:
            self._strided[name] = strided_map(fine, coarse, kernel_size, step)
        return coarse.original, self._strided[name]

    def inverse(
        self, coordinates: Int[Tensor, "voxels 4"], stride: int, kernel_size: int, step: int
    ) -> tuple[Int[Tensor, "fine 4"], KernelMap]:
        """The cells and the map that undo a strided convolution of the same kernel and step."""
        self.voxels(coordinates, stride)
        name = (stride // step, kernel_size, step)
        if stride % step or name not in self._strided:
            raise ValueError(
                f"no strided convolution with kernel {kernel_size} and step {step} has led to stride {stride}: an "
                f"inverse convolution returns to the voxels of the one it undoes"
            )
        return self._voxels[stride // step].original, self._strided[name].transposed
