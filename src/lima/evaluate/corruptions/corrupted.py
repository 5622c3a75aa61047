"""What a corruption makes of a sweep, and what it may know beside the points."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence as Series
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from lima.scene import Sweep

Severity = Literal["light", "moderate", "heavy"]
SEVERITIES: tuple[Severity, ...] = ("light", "moderate", "heavy")
IGNORED = 0


@dataclass(frozen=True, eq=False)
class Corrupted:
    """A corrupted sweep and where its points come from.

    source: for every point left its number in the clean sweep, ascending. unreal: the point is an echo of fog, of a
    snowflake or of another sensor, so that the label of what was there no longer fits it.
    """

    sweep: Sweep
    source: Int64[Tensor, "points"]
    unreal: Bool[Tensor, "points"]

    def labels(self, clean: Int64[Tensor, "clean_points"]) -> Int64[Tensor, "points"]:
        """The labels of the points left: those of the clean sweep, 0 (ignored) where a point is unreal."""
        return torch.where(self.unreal, IGNORED, clean[self.source])


@dataclass(frozen=True, eq=False)
class KnownClasses:
    """What the truth says about a clean sweep's points: some corruptions strike only the ground, or only vehicles."""

    labels: Int64[Tensor, "points"]
    class_names: tuple[str, ...]

    def mask_of(self, names: Series[str]) -> Bool[Tensor, "points"]:
        """Which points are of one of these classes; names that this dataset has not are passed over."""
        return torch.isin(self.labels, torch.tensor(self.positions_of(names), dtype=torch.int64))

    def positions_of(self, names: Series[str]) -> list[int]:
        """Where the classes stand that this dataset has among the names."""
        return [position for position, name in enumerate(self.class_names) if name in names]


def unchanged(sweep: Sweep) -> Corrupted:
    """The sweep as it is."""
    points = len(sweep.points_lidar)
    return Corrupted(sweep, torch.arange(points), torch.zeros(points, dtype=torch.bool))


def kept(sweep: Sweep, keep: Bool[Tensor, "points"]) -> Corrupted:
    """The sweep without the other points. Where all would go, the nearest stays: a sweep has at least one point."""
    if not bool(keep.any()):
        keep = torch.arange(len(keep)) == sweep.points_lidar.norm(dim=1).argmin()
    source = torch.nonzero(keep)[:, 0]
    left = replace(
        sweep,
        points_lidar=sweep.points_lidar[source],
        intensity=sweep.intensity[source],
        ring=None if sweep.ring is None else sweep.ring[source],
    )
    return Corrupted(left, source, torch.zeros(len(source), dtype=torch.bool))


def moved(
    sweep: Sweep,
    points_lidar: Float32[Tensor, "points 3"],
    intensity: Float32[Tensor, "points"],
    unreal: Bool[Tensor, "points"],
) -> Corrupted:
    """All points, some of them elsewhere, darker, or echoes of something else."""
    changed = replace(sweep, points_lidar=points_lidar, intensity=intensity)
    return Corrupted(changed, torch.arange(len(unreal)), unreal)


def generator_for(seed: int, *names: str) -> torch.Generator:
    """A generator that depends on the seed and the names alone, not on what was drawn before.

    So the same frame is corrupted alike whatever the order, and a run that was interrupted goes on as it began.
    """
    digest = hashlib.sha256("\n".join([str(seed), *names]).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
