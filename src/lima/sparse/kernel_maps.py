"""Finding kernel maps: once per resolution and kernel, for every layer that uses them."""

from __future__ import annotations

import torch
from jaxtyping import Int, Int64
from torch import Tensor

from lima.sparse.coordinates import Grid, SortedVoxels, unique_coordinates
from lima.sparse.eager import eager
from lima.sparse.engines import Engine, engine_for
from lima.sparse.kernel_map import KernelMap, kernel_offsets


def submanifold_map(voxels: SortedVoxels, kernel_size: int, dilation: int, engine: Engine) -> KernelMap:
    """The map of a convolution whose outputs are its inputs' cells: output o sees the cell at o + dilation * offset.

    Half of the offsets are searched: pair (i, o) under an offset is pair (o, i) under the opposite one.
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"a submanifold kernel has a centre: its size must be odd, got {kernel_size}")
    if dilation < 1:
        raise ValueError(f"dilation must be 1 or more, got {dilation}")
    grid = Grid.around(voxels.coordinates, margin=kernel_size // 2 * dilation)
    keys = grid.keys(voxels.coordinates)
    after_centre = kernel_offsets(kernel_size)[kernel_size**3 // 2 + 1 :]
    found = engine.find_pairs(keys, keys, [grid.step(*(dilation * c for c in offset)) for offset in after_centre])
    inputs = [voxels.to_original(rows) for rows in found.inputs.split(found.counts)]
    outputs = [voxels.to_original(rows) for rows in found.outputs.split(found.counts)]
    return KernelMap(
        torch.cat([keys[:0], *outputs[::-1], *inputs]),
        torch.cat([keys[:0], *inputs[::-1], *outputs]),
        (*found.counts[::-1], 0, *found.counts),
        len(keys),
        len(keys),
        symmetric=True,
    )


def strided_map(fine: SortedVoxels, coarse: SortedVoxels, kernel_size: int, step: int, engine: Engine) -> KernelMap:
    """The map of a convolution to a grid `step` times coarser: output o sees the cells at step * o + offset."""
    corner = coarse.coordinates.clone()
    corner[:, 1:] *= step
    grid = Grid.around(fine.coordinates, margin=kernel_size + step)
    steps = [grid.step(*offset) for offset in kernel_offsets(kernel_size)]
    found = engine.find_pairs(grid.keys(fine.coordinates), grid.keys(corner), steps)
    inputs, outputs = fine.to_original(found.inputs), coarse.to_original(found.outputs)
    return KernelMap(inputs, outputs, found.counts, len(fine.coordinates), len(corner), symmetric=False)


def generative_map(coarse: SortedVoxels, kernel_size: int, step: int) -> tuple[Int64[Tensor, "fine 4"], KernelMap]:
    """All cells step * c + offset of the cells c of a grid `step` times coarser, in ascending order; the map onto them.

    Nothing is searched: every coarse cell meets one fine cell under every offset.
    """
    corner = coarse.coordinates * coarse.coordinates.new_tensor([1, step, step, step])
    offsets = corner.new_tensor([(0, *offset) for offset in kernel_offsets(kernel_size)])
    cells, outputs = unique_coordinates((offsets[:, None] + corner).flatten(0, 1))
    rows = coarse.to_original(torch.arange(len(corner), device=corner.device))
    counts = (len(corner),) * len(offsets)
    return cells, KernelMap(rows.repeat(len(offsets)), outputs, counts, len(corner), len(cells), symmetric=False)


def _check_kernel(kernel_size: int, step: int) -> None:
    if kernel_size < 1 or step < 1:
        raise ValueError(f"kernel size and step must be 1 or more, got {kernel_size} and {step}")


class KernelMaps:
    """The resolutions of one set of voxels and the maps within and between them, each found when first asked for.

    One of these travels from layer to layer with the features. A resolution is named by its stride: the edge of its
    cells in cells of the finest grid. engine: what finds the maps and convolves over them (`engine_for`).
    """

    def __init__(self, engine: str | None = None) -> None:
        self.engine = engine
        self._voxels: dict[int, SortedVoxels] = {}
        self._submanifold: dict[tuple[int, int, int], KernelMap] = {}
        self._strided: dict[tuple[int, int, int], KernelMap] = {}
        self._generated: dict[tuple[int, int, int], tuple[Tensor, KernelMap, KernelMaps]] = {}

    @eager
    def voxels(self, coordinates: Int[Tensor, "voxels 4"], stride: int) -> SortedVoxels:
        """The sorted cells of a resolution. Raises ValueError where it has held others before."""
        if stride not in self._voxels:
            self._voxels[stride] = SortedVoxels.of(coordinates)
        known = self._voxels[stride]
        if known.original is not coordinates and not torch.equal(known.original, coordinates):
            raise ValueError(f"these kernel maps belong to other voxels of stride {stride}: give every batch its own")
        return known

    @eager
    def submanifold(
        self, coordinates: Int[Tensor, "voxels 4"], stride: int, kernel_size: int, dilation: int
    ) -> KernelMap:
        """The map within a resolution."""
        voxels = self.voxels(coordinates, stride)
        name = (stride, kernel_size, dilation)
        if name not in self._submanifold:
            self._submanifold[name] = submanifold_map(voxels, kernel_size, dilation, self.finder(coordinates.device))
        return self._submanifold[name]

    @eager
    def strided(
        self, coordinates: Int[Tensor, "voxels 4"], stride: int, kernel_size: int, step: int
    ) -> tuple[Int[Tensor, "coarse 4"], KernelMap]:
        """The cells of the grid `step` times coarser that hold a voxel, and the map onto them."""
        _check_kernel(kernel_size, step)
        fine = self.voxels(coordinates, stride)
        if stride * step not in self._voxels:
            parents = fine.coordinates.clone()
            parents[:, 1:] = torch.div(parents[:, 1:], step, rounding_mode="floor")
            cells, _ = unique_coordinates(parents)
            self._voxels[stride * step] = SortedVoxels(cells, cells, None)
        coarse = self._voxels[stride * step]
        name = (stride, kernel_size, step)
        if name not in self._strided:
            self._strided[name] = strided_map(fine, coarse, kernel_size, step, self.finder(coordinates.device))
        return coarse.original, self._strided[name]

    @eager
    def inverse(
        self, coordinates: Int[Tensor, "voxels 4"], stride: int, kernel_size: int, step: int
    ) -> tuple[Int[Tensor, "fine 4"], KernelMap]:
        """The cells and the map that undo a strided convolution of the same kernel and step."""
        _check_kernel(kernel_size, step)
        self.voxels(coordinates, stride)
        name = (stride // step, kernel_size, step)
        if stride % step or name not in self._strided:
            raise ValueError(
                f"no strided convolution with kernel {kernel_size} and step {step} has led to stride {stride}: an "
                f"inverse convolution returns to the voxels of the one it undoes"
            )
        return self._voxels[stride // step].original, self._strided[name].transposed

    @eager
    def generated(
        self, coordinates: Int[Tensor, "voxels 4"], stride: int, kernel_size: int, step: int
    ) -> tuple[Int[Tensor, "fine 4"], KernelMap, KernelMaps]:
        """The cells that a generative transposed convolution makes, the map onto them, and their own `KernelMaps`.

        Those cells follow from kernel and step, not from the voxels that were at that stride before: they are the
        start of another set of voxels, even where both happen to be equal.
        """
        _check_kernel(kernel_size, step)
        coarse = self.voxels(coordinates, stride)
        if stride % step:
            raise ValueError(
                f"a transposed convolution with step {step} starts at a stride divisible by it, got {stride}"
            )
        name = (stride, kernel_size, step)
        if name not in self._generated:
            cells, kernel_map = generative_map(coarse, kernel_size, step)
            maps = KernelMaps(self.engine)
            maps._voxels[stride // step] = SortedVoxels(cells, cells, None)
            self._generated[name] = (cells, kernel_map, maps)
        return self._generated[name]

    def finder(self, device: torch.device) -> Engine:
        """What finds the pairs of all maps there."""
        return engine_for(device, torch.float32, self.engine)
