"""A camera's outlines as witnesses of an offset: what they say together, and how far they agree."""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Sequence as Series
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float64, Int64
from torch import Tensor

from lima.doctor.climbing import Height, Summit
from lima.doctor.evidence import Evidence, Likeness

Moves = Callable[[Evidence, Tensor], Tensor]

RESTRAINT = 1e-3  # per outline and squared unit: enough to keep near zero what nothing determines
GROUPS = 8
RESAMPLED = 2000


@dataclass(frozen=True, eq=False)
class Witness:
    """Outlines with the block of frames that each belongs to. Blocks are places of the drive."""

    likeness: Likeness
    block: Int64[Tensor, "edges"]
    blocks: int

    @staticmethod
    def of(evidence: Evidence, blocks: int, blur_deg: float, most: int) -> Witness:
        """At most so many outlines, allowed to miss their edges by about `blur_deg`. Places are blocks."""
        some = evidence.some(most)
        return Witness(Likeness.of(some, blur_deg), evidence.place[some.frame], blocks)

    @property
    def evidence(self) -> Evidence:
        return self.likeness.evidence

    def __len__(self) -> int:
        return len(self.block)

    def per_block(self, moves: Float64[Tensor, "frames 4 4"]) -> Float64[Tensor, "blocks"]:
        """The likeness of each block's outlines, added up."""
        likeness = self.likeness(moves).double()
        return torch.zeros(self.blocks, dtype=torch.float64).index_add_(0, self.block, likeness)


@dataclass(frozen=True, eq=False)
class Offset:
    """What fits best, and how sure that is.

    place: degrees and metres, or seconds. spread: standard deviation of each, from leaving out parts of the drive.
    shift_deg: median angle by which outlines move, seen from the camera. gain: what the offset adds to
    an outline's likeness on average, counted on parts of the drive that it was not found on. confidence: share of
    resampled drives on which that is more than nothing.
    """

    place: tuple[float, ...]
    spread: tuple[float, ...]
    shift_deg: float
    gain: float
    confidence: float


def together(witnesses: Series[Witness], moves: Moves, units: Float64[Tensor, "dims"], widened: float = 1.0) -> Height:
    """How well all outlines lie on edges, block by block, as a function of an offset in (widened) units."""
    outlines = sum(len(witness) for witness in witnesses)

    def height(place: Float64[Tensor, "dims"]) -> Float64[Tensor, "blocks"]:
        offset = place * widened * units
        likeness = torch.stack([witness.per_block(moves(witness.evidence, offset)) for witness in witnesses]).sum(dim=0)
        restraint = RESTRAINT * outlines * float((place * widened).square().sum()) / 2
        return likeness - restraint / len(likeness)

    return height


def judged(
    witnesses: Series[Witness], moves: Moves, units: Float64[Tensor, "dims"], height: Height, summit: Summit
) -> Offset:
    """The offset at a summit. Blocks are left out one group of every few after another."""
    zero = height(torch.zeros_like(summit.place))
    groups = min(GROUPS, len(zero))
    gains, places = torch.zeros_like(zero), []
    for group in range(groups):
        left_out = torch.arange(group, len(zero), groups)
        place = summit.without(left_out)
        gains[left_out] = (height(place) - zero)[left_out]
        places.append(place * units)
    scatter = torch.stack(places)
    spread = ((groups - 1) / groups * (scatter - scatter.mean(dim=0)).square().sum(dim=0)).sqrt()
    outlines = sum(len(witness) for witness in witnesses)
    return Offset(
        place=tuple((summit.place * units).tolist()),
        spread=tuple(spread.tolist()),
        shift_deg=_shift_deg(witnesses, moves, summit.place * units),
        gain=float(gains.sum()) / outlines,
        confidence=confidence(gains),
    )


def confidence(gains: Float64[Tensor, "blocks"]) -> float:
    """Share of drives, made of as many of these blocks drawn by chance, whose gains add up to more than nothing."""
    draws = torch.randint(len(gains), (RESAMPLED, len(gains)), generator=torch.Generator().manual_seed(0))
    return float((gains[draws].sum(dim=1) > 0).double().mean())


def _shift_deg(witnesses: Series[Witness], moves: Moves, offset: Float64[Tensor, "dims"]) -> float:
    angles = []
    for witness in witnesses:
        evidence = witness.evidence
        move = moves(evidence, offset)[evidence.frame]
        middle = evidence.stretches_cam[:, evidence.stretches_cam.shape[1] // 2].double()
        moved = (move[:, :3, :3] @ middle[:, :, None])[:, :, 0] + move[:, :3, 3]
        angles.append((F.normalize(middle, dim=1) - F.normalize(moved, dim=1)).norm(dim=1))
    return math.degrees(float(torch.cat(angles).median()))
