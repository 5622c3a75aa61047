# ruff: noqa: N803  (capitals: known when the kernel is compiled)
"""Finding pairs with a hash table: one slot per cell, so that a neighbour is one look away, or few."""

from __future__ import annotations

from collections.abc import Sequence
from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Int64
from torch import Tensor

from lima.sparse.kernel_map import Pairs

EMPTY = tl.constexpr(-(2**63))
"""No cell's key: they have 63 bits."""
SPREAD = tl.constexpr(0x9E3779B97F4A7C15 - 2**64)
"""2^64 over the golden section: multiplied by it, neighbouring keys land far apart (Knuth, The Art of Computer
Programming 3, section 6.4). On sweeps of 21 000 and 89 000 voxels a search looks at 1.5 slots in the mean, at most 15.
"""
BLOCK = 128


def find_pairs_by_hashing(keys: Int64[Tensor, "cells"], wanted: Int64[Tensor, "rows"], steps: Sequence[int]) -> Pairs:
    """For step after step the pairs (input, output) with keys[input] == wanted[output] + step, outputs ascending.

    keys, wanted: without repetition. Where in the table a key lands depends on which program comes first; which pairs
    are found does not. The table has at least two slots per key.
    """
    if len(keys) == 0 or len(wanted) == 0 or len(steps) == 0:
        return Pairs(keys[:0], keys[:0], (0,) * len(steps))
    assert len(keys) < 2**29, "slots are counted in 32 bits"
    slots = triton.next_power_of_2(2 * len(keys))
    held = torch.full((slots,), EMPTY.value, dtype=torch.int64, device=keys.device)
    row_of_slot = torch.empty(slots, dtype=torch.int32, device=keys.device)
    insert_kernel[(triton.cdiv(len(keys), BLOCK),)](
        keys.contiguous(), held, row_of_slot, len(keys), slots, BLOCK=BLOCK, num_warps=1
    )
    found = torch.empty(len(steps), len(wanted), dtype=torch.int32, device=keys.device)
    look_up_kernel[(triton.cdiv(len(wanted), BLOCK), len(steps))](
        wanted.contiguous(),
        torch.tensor(steps, device=keys.device),
        held,
        row_of_slot,
        found,
        len(wanted),
        slots,
        BLOCK=BLOCK,
        num_warps=1,
    )
    there = found >= 0
    step, output = there.nonzero(as_tuple=True)
    return Pairs(found[step, output].long(), output, tuple(there.sum(dim=1).tolist()))


@triton.jit(do_not_specialize=["cells", "slots"])
@no_type_check
def insert_kernel(keys, held, row_of_slot, cells, slots, BLOCK: tl.constexpr):
    # Lanes beyond the last cell insert that once more and find it there. A lane that is done finds its own key.
    row = tl.minimum(tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), cells - 1)
    key = tl.load(keys + row)
    empty = tl.full((BLOCK,), EMPTY, tl.int64)
    slot = ((key * SPREAD) >> 32).to(tl.int32) & (slots - 1)
    left = BLOCK
    while left > 0:
        before = tl.atomic_cas(held + slot, empty, key, sem="relaxed")
        taken = (before != empty) & (before != key)
        slot = tl.where(taken, (slot + 1) & (slots - 1), slot)
        left = tl.sum(taken.to(tl.int32), axis=0)
    tl.store(row_of_slot + slot, row)


@triton.jit(do_not_specialize=["rows", "slots"])
@no_type_check
def look_up_kernel(wanted, steps, held, row_of_slot, found, rows, slots, BLOCK: tl.constexpr):
    row = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    key = tl.load(wanted + row, mask=row < rows, other=0) + tl.load(steps + tl.program_id(1))
    slot = ((key * SPREAD) >> 32).to(tl.int32) & (slots - 1)
    looking = row < rows
    hit = tl.full((BLOCK,), 0, tl.int1)
    left = BLOCK
    while left > 0:
        there = tl.load(held + slot, mask=looking, other=EMPTY)
        hit = hit | (looking & (there == key))
        looking = looking & (there != key) & (there != EMPTY)
        slot = tl.where(looking, (slot + 1) & (slots - 1), slot)
        left = tl.sum(looking.to(tl.int32), axis=0)
    cell = tl.load(row_of_slot + slot, mask=hit, other=-1)
    tl.store(found + tl.program_id(1).to(tl.int64) * rows + row, cell, mask=row < rows)
