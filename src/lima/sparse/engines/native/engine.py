"""The native engine: convolution on CPUs in C, with the vectors of the machine and the threads of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int32, Int64
from torch import Tensor, nn

from lima.sparse.engines.native.library import TYPES, Library, load_library
from lima.sparse.engines.native.normalisation import NormReLU, affine_relu
from lima.sparse.engines.plain import PlainNormalisation
from lima.sparse.kernel_map import KernelMap, Pairs

TILE_ROWS = 512
LEAST_TILE_ROWS = 32
TILES_PER_THREAD = 4


@dataclass(frozen=True, eq=False)
class Tiles:
    """The pairs of a map tile by tile of output rows, in a tile offset by offset.

    starts: the pairs of tile t and offset k are those from `starts[t * offsets + k]` on. rows: output rows, counted
    from the start of their tile. Where every voxel meets itself, those pairs are among them.
    """

    tile_rows: int
    starts: Int64[Tensor, "starts"]
    inputs: Int32[Tensor, "pairs"]
    rows: Int32[Tensor, "pairs"]


@dataclass(frozen=True, eq=False)
class OffsetOrder:
    """starts: where the pairs of every offset begin. order: the offsets, those with most pairs first."""

    starts: Int64[Tensor, "starts"]
    order: Int64[Tensor, "offsets"]


class NativeEngine(PlainNormalisation):
    """float32 and float64 on the CPU. Compiled at first use where the package came without the compiled library."""

    name = "native"

    def refusal(self, device: torch.device, dtype: torch.dtype) -> str | None:
        """The first call on a machine may compile."""
        if device.type != "cpu":
            return "it works on the CPU alone"
        if dtype not in TYPES:
            return f"it takes {' and '.join(map(str, TYPES))}"
        library = load_library()
        return library if isinstance(library, str) else None

    def details(self) -> str:
        """Vectors, threads and file."""
        library = _library()
        threads = "torch's threads" if library.openmp else "threads of its own"
        return f"{library.instruction_set}, {threads}, {library.path}"

    def find_pairs(self, keys: Int64[Tensor, "cells"], wanted: Int64[Tensor, "rows"], steps: Sequence[int]) -> Pairs:
        """One walk along both lists per step, twice: to count, and to write down."""
        keys, wanted = keys.contiguous(), wanted.contiguous()
        step = torch.tensor(steps, dtype=torch.int64)
        counts, starts = torch.empty_like(step), torch.zeros(len(steps) + 1, dtype=torch.int64)
        given = (keys.data_ptr(), len(keys), wanted.data_ptr(), len(wanted), step.data_ptr(), len(steps))
        threads = torch.get_num_threads()
        _library().find_pairs(*given, counts.data_ptr(), None, None, None, threads)
        torch.cumsum(counts, dim=0, out=starts[1:])
        inputs = torch.empty(int(starts[-1]), dtype=torch.int64)
        outputs = torch.empty_like(inputs)
        _library().find_pairs(
            *given, counts.data_ptr(), starts.data_ptr(), inputs.data_ptr(), outputs.data_ptr(), threads
        )
        return Pairs(inputs, outputs, tuple(counts.tolist()))

    def forward(self, features: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
        """Tile by tile of the outputs."""
        return _convolve(features, weight, kernel_map, transposed=False)

    def backward(
        self,
        features: Tensor,
        weight: Tensor,
        gradient: Tensor,
        kernel_map: KernelMap,
        for_features: bool,
        for_weight: bool,
    ) -> tuple[Tensor | None, Tensor | None]:
        """At the features: the convolution with transposed map and matrices. At the weight: sums of outer products."""
        backwards = kernel_map if kernel_map.symmetric else kernel_map.transposed
        at_features = _convolve(gradient, weight, backwards, transposed=True) if for_features else None
        return at_features, _weight_gradient(features, weight, gradient, kernel_map) if for_weight else None

    def norm_relu(self, features: Tensor, norm: nn.BatchNorm1d, residual: Tensor | None) -> Tensor:
        """In training in one function; else as torch does it."""
        running_mean, running_var, momentum = norm.running_mean, norm.running_var, norm.momentum
        usual = running_mean is not None and running_var is not None and momentum is not None and norm.affine
        if not (norm.training and usual) or (residual is not None and residual.dtype != features.dtype):
            return super().norm_relu(features, norm, residual)
        assert running_mean is not None
        assert running_var is not None
        assert momentum is not None
        result, mean, variance = NormReLU.apply(features, norm.weight, norm.bias, residual, norm.eps, _library())
        with torch.no_grad():
            unbiased = variance * (len(features) / (len(features) - 1))
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            running_var.lerp_(unbiased.to(running_var.dtype), momentum)
            if norm.num_batches_tracked is not None:
                norm.num_batches_tracked += 1
        return result

    def forward_fused(
        self,
        features: Tensor,
        weight: Tensor,
        kernel_map: KernelMap,
        scale: Tensor,
        shift: Tensor,
        relu: bool,
        residual: Tensor | None = None,
    ) -> Tensor:
        """The convolution, then everything else in one pass."""
        result = self.forward(features, weight, kernel_map)
        return affine_relu(result, torch.zeros_like(scale), scale, shift, residual, relu, _library())


def _library() -> Library:
    library = load_library()
    if isinstance(library, str):
        raise RuntimeError(f"the native engine is not there: {library}")
    return library


def tiles(kernel_map: KernelMap) -> Tiles:
    """As many rows in a tile as suit the second-level cache, fewer where the threads would else go without."""
    voxels, offsets = kernel_map.voxels_out, len(kernel_map.counts)
    tile_rows = max(LEAST_TILE_ROWS, min(TILE_ROWS, -(-voxels // (TILES_PER_THREAD * torch.get_num_threads()))))
    starts = torch.empty(-(-voxels // tile_rows) * offsets + 1, dtype=torch.int64)
    inputs = torch.empty(kernel_map.products, dtype=torch.int32)
    rows = torch.empty_like(inputs)
    pair_inputs, pair_outputs = kernel_map.inputs.contiguous(), kernel_map.outputs.contiguous()
    _library().tiles(
        pair_inputs.data_ptr(),
        pair_outputs.data_ptr(),
        kernel_map.layout(offset_order).starts.data_ptr(),
        offsets,
        offsets // 2 if kernel_map.symmetric else -1,
        voxels,
        tile_rows,
        starts.data_ptr(),
        inputs.data_ptr(),
        rows.data_ptr(),
    )
    return Tiles(tile_rows, starts, inputs, rows)


def offset_order(kernel_map: KernelMap) -> OffsetOrder:
    """Where the offsets begin, and which has most to do."""
    counts = torch.tensor(kernel_map.counts)
    starts = torch.zeros(len(counts) + 1, dtype=torch.int64)
    torch.cumsum(counts, dim=0, out=starts[1:])
    if kernel_map.symmetric:
        counts[len(counts) // 2] = kernel_map.voxels_in
    return OffsetOrder(starts, counts.argsort(descending=True, stable=True))


def _convolve(features: Tensor, weight: Tensor, kernel_map: KernelMap, transposed: bool) -> Tensor:
    features, weight = features.contiguous(), weight.contiguous()
    layout = kernel_map.layout(tiles)
    depth, columns = weight.shape[1:][::-1] if transposed else weight.shape[1:]
    result = features.new_empty(kernel_map.voxels_out, columns)
    failed = _library().convolve[features.dtype](
        features.data_ptr(),
        weight.data_ptr(),
        result.data_ptr(),
        layout.inputs.data_ptr(),
        layout.rows.data_ptr(),
        layout.starts.data_ptr(),
        depth,
        columns,
        kernel_map.voxels_out,
        len(weight),
        layout.tile_rows,
        transposed,
        transposed and kernel_map.symmetric,
        torch.get_num_threads(),
    )
    if failed:
        raise MemoryError(f"no memory for {weight.numel()} rearranged weights")
    return result


def _weight_gradient(features: Tensor, weight: Tensor, gradient: Tensor, kernel_map: KernelMap) -> Tensor:
    features, gradient = features.contiguous(), gradient.contiguous()
    pair_inputs, pair_outputs = kernel_map.inputs.contiguous(), kernel_map.outputs.contiguous()
    layout = kernel_map.layout(offset_order)
    result = torch.empty_like(weight, memory_format=torch.contiguous_format)
    _library().weight_gradient[features.dtype](
        features.data_ptr(),
        gradient.data_ptr(),
        result.data_ptr(),
        pair_inputs.data_ptr(),
        pair_outputs.data_ptr(),
        layout.starts.data_ptr(),
        layout.order.data_ptr(),
        weight.shape[1],
        weight.shape[2],
        len(weight),
        len(weight) // 2 if kernel_map.symmetric else -1,
        kernel_map.voxels_in,
        torch.get_num_threads(),
    )
    return result
