"""Sums per voxel that frames add themselves to and take themselves out of: what a memory bank is made of."""

from __future__ import annotations

import torch
from jaxtyping import Float32, Int32, Int64
from torch import Tensor

NOTHING = 0  # slot whose sums are zero for ever: where a voxel nobody has is looked up
FIRST_CAPACITY = 1024


class VoxelSums:
    """Per occupied voxel: the sum of the features and of the positions that frames added, and how many frames did.

    Rows live in slots of a slab that doubles when it is full and are changed in place, so that adding or removing a
    frame touches the voxels of that frame only. Voxels are found by binary search in their sorted keys. A voxel that
    no frame has any more gives its slot back, zeroed, so that no rounding stays behind.

    keys: of the occupied voxels, ascending. slots: where their rows are. features, positions_m, counts: by slot.
    """

    def __init__(self, dim: int, device: torch.device) -> None:
        self.keys: Int64[Tensor, "voxels"] = torch.empty(0, dtype=torch.int64, device=device)
        self.slots: Int64[Tensor, "voxels"] = torch.empty(0, dtype=torch.int64, device=device)
        self.features: Float32[Tensor, "slots dim"] = torch.zeros(FIRST_CAPACITY, dim, device=device)
        self.positions_m: Float32[Tensor, "slots 3"] = torch.zeros(FIRST_CAPACITY, 3, device=device)
        self.counts: Int32[Tensor, "slots"] = torch.zeros(FIRST_CAPACITY, dtype=torch.int32, device=device)
        self._key_of_slot: Int64[Tensor, "slots"] = torch.zeros(FIRST_CAPACITY, dtype=torch.int64, device=device)
        self._given_back: Int64[Tensor, "free"] = torch.empty(0, dtype=torch.int64, device=device)
        self._fresh = NOTHING + 1  # slots from here on were never used

    @classmethod
    def of(
        cls,
        keys: Int64[Tensor, "voxels"],
        features: Float32[Tensor, "voxels dim"],
        positions_m: Float32[Tensor, "voxels 3"],
        counts: Int32[Tensor, "voxels"],
    ) -> tuple[VoxelSums, Int64[Tensor, "voxels"]]:
        """Sums that begin with these, their keys ascending, and the slot of each."""
        sums = cls(features.shape[1], features.device)
        slots = sums.add(keys, features, positions_m)
        sums.counts[slots] = counts
        return sums, slots

    @property
    def nbytes(self) -> int:
        """Memory of everything held."""
        held = (
            self.keys, self.slots, self.features, self.positions_m, self.counts, self._key_of_slot, self._given_back
        )  # fmt: skip
        return sum(tensor.nbytes for tensor in held)

    def find(self, keys: Int64[Tensor, "*queries"]) -> Int64[Tensor, "*queries"]:
        """The slot of every key; `NOTHING` for voxels that no frame has."""
        if len(self.keys) == 0:
            return torch.full_like(keys, NOTHING)
        place = torch.searchsorted(self.keys, keys).clamp_(max=len(self.keys) - 1)
        return torch.where(self.keys[place] == keys, self.slots[place], NOTHING)

    def add(
        self,
        keys: Int64[Tensor, "voxels"],
        features: Float32[Tensor, "voxels dim"],
        positions_m: Float32[Tensor, "voxels 3"],
    ) -> Int64[Tensor, "voxels"]:
        """Add one frame's row to each of these different, ascending voxels; returns their slots."""
        slots = self.find(keys)
        new = slots == NOTHING
        slots[new] = fresh = self._take(int(new.sum()))
        self._key_of_slot[fresh] = keys[new]
        self._insert(keys[new], fresh)
        self.features.index_add_(0, slots, features)
        self.positions_m.index_add_(0, slots, positions_m)
        self.counts[slots] += 1
        return slots

    def remove(
        self,
        slots: Int64[Tensor, "voxels"],
        features: Float32[Tensor, "voxels dim"],
        positions_m: Float32[Tensor, "voxels 3"],
    ) -> None:
        """Take out what `add` put in, given the slots that it returned."""
        self.features.index_add_(0, slots, -features)  # three times as quick as alpha=-1
        self.positions_m.index_add_(0, slots, -positions_m)
        self.counts[slots] -= 1
        empty = slots[self.counts[slots] == 0]
        self.features[empty] = 0
        self.positions_m[empty] = 0
        self._given_back = torch.cat([self._given_back, empty])
        stays = torch.ones_like(self.keys, dtype=torch.bool)
        stays[torch.searchsorted(self.keys, self._key_of_slot[empty])] = False
        self.keys, self.slots = self.keys.masked_select(stays), self.slots.masked_select(stays)

    def _insert(self, keys: Int64[Tensor, "new"], slots: Int64[Tensor, "new"]) -> None:
        """Merge ascending keys into the ascending keys without sorting anything."""
        place = torch.searchsorted(self.keys, keys) + torch.arange(len(keys), device=keys.device)
        is_old = torch.ones(len(self.keys) + len(keys), dtype=torch.bool, device=keys.device)
        is_old[place] = False
        merged_keys, merged_slots = (torch.empty_like(is_old, dtype=torch.int64) for _ in range(2))
        merged_keys[place], merged_slots[place] = keys, slots
        self.keys = merged_keys.masked_scatter_(is_old, self.keys)
        self.slots = merged_slots.masked_scatter_(is_old, self.slots)

    def _take(self, number: int) -> Int64[Tensor, "number"]:
        """Slots for new voxels: given back ones first, then unused ones, growing the slab where they run out."""
        reused = self._given_back[len(self._given_back) - min(number, len(self._given_back)) :]
        self._given_back = self._given_back[: len(self._given_back) - len(reused)]
        first, self._fresh = self._fresh, self._fresh + number - len(reused)
        while self._fresh > len(self.counts):
            self.features, self.positions_m, self.counts, self._key_of_slot = (
                torch.cat([rows, torch.zeros_like(rows)])
                for rows in (self.features, self.positions_m, self.counts, self._key_of_slot)
            )
        return torch.cat([reused, torch.arange(first, self._fresh, device=reused.device)])
