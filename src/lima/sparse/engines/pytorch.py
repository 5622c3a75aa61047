"""The convolution in plain PyTorch: gather, multiply, add up. Works on every device and for every type.

Offsets are taken in groups: the rows that a group's pairs need are gathered at once, every offset multiplies its own,
and each output row sums its pairs in a fixed order, so that every run gives the same bits. Of the ways to add up,
`embedding_bag` over pairs sorted by output row shares its work best between two threads; one alone would be five
percent faster with index_add_ (figures in benchmarks/RESULTS.md).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from lima.sparse.engines.plain import PlainNormalisation
from lima.sparse.kernel_map import KernelMap, Pairs

PAIRS_AT_ONCE = 2**16


class PyTorchEngine(PlainNormalisation):
    """Always there. Beside inputs and result it needs the rows of one group of pairs."""

    name = "torch"

    def refusal(self, device: torch.device, dtype: torch.dtype) -> str | None:
        """It takes everything."""
        return None

    def details(self) -> str:
        """The version."""
        return f"PyTorch {torch.__version__}"

    def find_pairs(self, keys: Int64[Tensor, "cells"], wanted: Int64[Tensor, "rows"], steps: Sequence[int]) -> Pairs:
        """One binary search per step and row."""
        padded = torch.cat([keys, keys.new_full((1,), torch.iinfo(torch.int64).max)])
        inputs, outputs = [keys[:0]], [keys[:0]]
        for step in steps:
            keys_there = wanted + step
            found = torch.searchsorted(keys, keys_there)
            rows = (padded[found] == keys_there).nonzero().squeeze(1)
            inputs.append(found[rows])
            outputs.append(rows)
        return Pairs(torch.cat(inputs), torch.cat(outputs), tuple(len(rows) for rows in outputs[1:]))

    def forward(self, features: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
        """Group after group of offsets."""
        matrices = weight.unbind()
        total = _start(features, matrices, kernel_map)
        for group in kernel_map.layout(pair_groups):
            _add_products(total, features.index_select(0, group.inputs), matrices[group.offsets], group)
        return total.to(features.dtype)

    def backward(
        self,
        features: Tensor,
        weight: Tensor,
        gradient: Tensor,
        kernel_map: KernelMap,
        for_features: bool,
        for_weight: bool,
    ) -> tuple[Tensor | None, Tensor | None]:
        """The gradient at the features is the convolution with the transposed map and matrices.

        Of a symmetric map that is the map itself with the offsets in opposite order.
        """
        kernel_map = kernel_map if kernel_map.symmetric else kernel_map.transposed
        towards = -1 if kernel_map.symmetric else 1
        matrices = weight.transpose(1, 2).unbind()[::towards]
        at_features = _start(gradient, matrices, kernel_map) if for_features else None
        at_weight = torch.empty_like(weight) if for_weight else None
        for group in kernel_map.layout(pair_groups):
            gathered = gradient.index_select(0, group.inputs)
            if at_features is not None:
                _add_products(at_features, gathered, matrices[group.offsets], group)
            if at_weight is not None:
                seen = features.index_select(0, group.outputs).split(group.counts)
                results = at_weight.unbind()[::towards][group.offsets]
                for before, after, result in zip(seen, gathered.split(group.counts), results, strict=True):
                    torch.mm(before.T, after, out=result)
        if at_weight is not None and kernel_map.symmetric:
            torch.mm(features.T, gradient, out=at_weight[len(weight) // 2])
        return None if at_features is None else at_features.to(features.dtype), at_weight


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


def pair_groups(kernel_map: KernelMap) -> tuple[PairGroup, ...]:
    """All offsets in order, cut into groups of at most `PAIRS_AT_ONCE` pairs (or one offset with more)."""
    cuts = [0]
    for offset in range(len(kernel_map.counts)):
        if offset > cuts[-1] and sum(kernel_map.counts[cuts[-1] : offset + 1]) > PAIRS_AT_ONCE:
            cuts.append(offset)
    return tuple(_group(kernel_map, slice(*cut)) for cut in itertools.pairwise([*cuts, len(kernel_map.counts)]))


def _group(kernel_map: KernelMap, offsets: slice) -> PairGroup:
    pairs = slice(sum(kernel_map.counts[: offsets.start]), sum(kernel_map.counts[: offsets.stop]))
    outputs = kernel_map.outputs[pairs]
    starts = outputs.new_zeros(kernel_map.voxels_out + 1)
    torch.cumsum(torch.bincount(outputs, minlength=kernel_map.voxels_out), dim=0, out=starts[1:])
    order = torch.argsort(outputs, stable=True)
    return PairGroup(offsets, kernel_map.counts[offsets], kernel_map.inputs[pairs], outputs, order, starts)


def _start(features: Tensor, matrices: tuple[Tensor, ...], kernel_map: KernelMap) -> Tensor:
    """The part of the sum that needs no gathering: every voxel's own product where it meets itself, else zero."""
    dtype = torch.promote_types(features.dtype, torch.float32)
    if kernel_map.symmetric:
        return (features @ matrices[len(matrices) // 2]).to(dtype)
    return features.new_zeros(kernel_map.voxels_out, matrices[0].shape[1], dtype=dtype)


def _add_products(total: Tensor, gathered: Tensor, matrices: tuple[Tensor, ...], group: PairGroup) -> None:
    """Multiplies the gathered rows with the matrices of their offsets and adds them to their output rows."""
    if len(gathered) == 0:
        return
    products = gathered.new_empty(len(gathered), total.shape[1])
    for rows, matrix, result in zip(gathered.split(group.counts), matrices, products.split(group.counts), strict=True):
        torch.mm(rows, matrix, out=result)
    total += torch.nn.functional.embedding_bag(
        group.order, products.to(total.dtype), group.starts, mode="sum", include_last_offset=True
    )
