# ruff: noqa: N803  (capitals: known when the kernel is compiled)
"""The gradient at the weights: for every offset, a product of the rows of its pairs, split over the pairs.

There are few matrices and many pairs. So the pairs of an offset are cut into parts, a program sums one part for one
block of the matrix, and a second kernel adds up the parts, always in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int32
from torch import Tensor

from lima.sparse.engines.triton.tuning import INTERPRETED, bucket, tuned
from lima.sparse.kernel_map import KernelMap

PROGRAMS = 1024
"""About how many shall run: eight for each multiprocessor of an H100 or H200."""
SMALLEST_PART = 512
"""Pairs. Smaller parts cost more to add up than they save."""
BLOCK_ENTRIES = 1024


@dataclass(frozen=True, eq=False)
class Parts:
    """Parts of the pairs. Part p holds the pairs starts[p] … stops[p] - 1; offset k has the parts firsts[k] …
    firsts[k + 1] - 1.
    """

    starts: Int32[Tensor, "parts"]
    stops: Int32[Tensor, "parts"]
    firsts: Int32[Tensor, "offsets_and_one"]


@dataclass(frozen=True, eq=False)
class PairLists:
    """The pairs of a map offset by offset, those of every voxel with itself included, and the ways they were cut."""

    inputs: Int32[Tensor, "pairs"]
    outputs: Int32[Tensor, "pairs"]
    counts: tuple[int, ...]
    _parts: dict[int, Parts] = field(default_factory=dict, repr=False)

    def parts(self, most: int) -> Parts:
        """Every offset's pairs cut into parts of at most so many."""
        if most not in self._parts:
            stops = list(accumulate(self.counts))
            bounds = [
                [*range(stop - count, stop, most), stop] if count else []
                for stop, count in zip(stops, self.counts, strict=True)
            ]
            firsts = accumulate((max(0, len(bound) - 1) for bound in bounds), initial=0)
            lists = (
                [start for bound in bounds for start in bound[:-1]],
                [stop for bound in bounds for stop in bound[1:]],
                list(firsts),
            )
            self._parts[most] = Parts(
                *(torch.tensor(each, dtype=torch.int32).to(self.inputs.device, non_blocking=True) for each in lists)
            )
        return self._parts[most]


def pair_lists(kernel_map: KernelMap) -> PairLists:
    """The pairs as the kernel reads them."""
    assert kernel_map.products < 2**31, "pairs are counted in 32 bits"
    lists, counts = [kernel_map.inputs.int(), kernel_map.outputs.int()], list(kernel_map.counts)
    if kernel_map.symmetric:
        centre = len(counts) // 2
        counts[centre] = kernel_map.voxels_in
        itself = torch.arange(kernel_map.voxels_in, dtype=torch.int32, device=lists[0].device)
        before = sum(counts[:centre])
        lists = [torch.cat([pairs[:before], itself, pairs[before:]]) for pairs in lists]
    return PairLists(lists[0], lists[1], tuple(counts))


def weight_gradient(
    features: Float[Tensor, "voxels dim"],
    gradient: Float[Tensor, "new_voxels new_dim"],
    pairs: PairLists,
    precision: str,
) -> Float[Tensor, "offsets dim new_dim"]:
    """out[k] = sum over the pairs (i, o) of offset k of the outer product of features[i] and gradient[o].

    Sums are kept in single precision and rounded once, to the type of the features.
    """
    in_dim, out_dim = features.shape[1], gradient.shape[1]
    out = features.new_empty(len(pairs.counts), in_dim, out_dim)
    block_in = block_of_in(in_dim)
    blocks = triton.cdiv(in_dim, 64) * triton.cdiv(out_dim, 64)
    parts = pairs.parts(max(SMALLEST_PART, triton.next_power_of_2(len(pairs.inputs) * blocks // PROGRAMS)))
    sums = torch.empty(len(parts.starts), in_dim, out_dim, dtype=torch.float32, device=features.device)
    if sums.numel() > 0:
        sum_parts_kernel[
            lambda meta: (len(sums), triton.cdiv(in_dim, block_in) * triton.cdiv(out_dim, meta["BLOCK_OUT"]))
        ](
            features.contiguous(),
            gradient.contiguous(),
            sums,
            pairs.inputs,
            pairs.outputs,
            parts.starts,
            parts.stops,
            in_dim,
            out_dim,
            bucket(len(pairs.inputs)),
            PRECISION=precision,
            BLOCK_PAIRS=128 // features.dtype.itemsize,
            BLOCK_IN=block_in,
        )
    add_parts_kernel[(len(out), triton.cdiv(in_dim * out_dim, BLOCK_ENTRIES))](
        sums, parts.firsts, out, in_dim * out_dim, BLOCK_ENTRIES=BLOCK_ENTRIES
    )
    return out


def block_of_in(in_dim: int) -> int:
    """Input channels of a program. A choice by rule: from 64 on other instructions run, which may round otherwise."""
    return 16 if in_dim <= 16 else 32 if in_dim <= 32 else 128 if in_dim % 128 == 0 else 64


@tuned
@triton.jit(do_not_specialize=["bucket"])
@no_type_check
def sum_parts_kernel(
    features,
    gradient,
    sums,
    inputs,
    outputs,
    starts,
    stops,
    in_dim,
    out_dim,
    bucket,
    PRECISION: tl.constexpr,
    BLOCK_PAIRS: tl.constexpr,
    BLOCK_IN: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
):
    part = tl.program_id(0).to(tl.int64)
    blocks = (out_dim + BLOCK_OUT - 1) // BLOCK_OUT
    channel = tl.program_id(1) // blocks * BLOCK_IN + tl.arange(0, BLOCK_IN)
    column = tl.program_id(1) % blocks * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    stop = tl.load(stops + part)
    total = tl.full((BLOCK_IN, BLOCK_OUT), 0.0, tl.float32)
    for first in range(tl.load(starts + part), stop, BLOCK_PAIRS):
        pair = first + tl.arange(0, BLOCK_PAIRS)
        there = pair < stop
        input_row = tl.load(inputs + pair, mask=there, other=0).to(tl.int64)
        output_row = tl.load(outputs + pair, mask=there, other=0).to(tl.int64)
        seen = tl.load(
            features + (input_row * in_dim)[:, None] + channel[None, :],
            mask=there[:, None] & (channel < in_dim)[None, :],
            other=0.0,
        )
        pulled = tl.load(
            gradient + (output_row * out_dim)[:, None] + column[None, :],
            mask=there[:, None] & (column < out_dim)[None, :],
            other=0.0,
        )
        if INTERPRETED:
            seen, pulled = seen.to(tl.float32), pulled.to(tl.float32)
        total = tl.dot(tl.trans(seen), pulled, total, input_precision=PRECISION)
    sums += part * in_dim * out_dim
    written = (channel < in_dim)[:, None] & (column < out_dim)[None, :]
    tl.store(sums + channel[:, None] * out_dim + column[None, :], total, mask=written)


@triton.jit
@no_type_check
def add_parts_kernel(sums, firsts, out, entries, BLOCK_ENTRIES: tl.constexpr):
    offset = tl.program_id(0).to(tl.int64)
    entry = tl.program_id(1) * BLOCK_ENTRIES + tl.arange(0, BLOCK_ENTRIES)
    total = tl.full((BLOCK_ENTRIES,), 0.0, tl.float32)
    first = tl.load(firsts + offset)
    sums += first.to(tl.int64) * entries
    for _ in range(first, tl.load(firsts + offset + 1)):
        total += tl.load(sums + entry, mask=entry < entries, other=0.0)
        sums += entries
    tl.store(out + offset * entries + entry, total.to(out.dtype.element_ty), mask=entry < entries)
