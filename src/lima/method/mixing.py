"""Mixing two sweeps (section 4.3): the student sees half of each, every point keeps the target of its own sequence.

Both ways cut space around the sensor into regions and exchange every second one, so that two sweeps become two mixed
sweeps that together hold every point exactly once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float32, Int64, Shaped
from torch import Tensor

from lima.config import Mixing

LASER_BANDS = (3, 6)


@dataclass(frozen=True, eq=False)
class Mixed:
    """A mixed sweep: which points of sweep a, then which points of sweep b it is made of."""

    of_a: Int64[Tensor, "_"]
    of_b: Int64[Tensor, "_"]

    def take(self, a: Shaped[Tensor, "_ *rest"], b: Shaped[Tensor, "_ *rest"]) -> Shaped[Tensor, "_ *rest"]:
        """What belongs to the mixed points, from what belongs to the points of a and of b."""
        return torch.cat([a[self.of_a], b[self.of_b]])


def mix(
    points_a: Float32[Tensor, "_ 3"], points_b: Float32[Tensor, "_ 3"], kind: Mixing, generator: torch.Generator
) -> tuple[Mixed, ...]:
    """The mixed sweeps of two sweeps, each in its LiDAR's own frame: two, or none for "none".

    "both" tosses a coin between "laser" and "polar".
    """
    if kind == "none":
        return ()
    if kind == "both":
        kind = "laser" if float(torch.rand((), generator=generator)) < 0.5 else "polar"
    return laser_mix(points_a, points_b, generator) if kind == "laser" else polar_mix(points_a, points_b, generator)


def laser_mix(
    points_a: Float32[Tensor, "_ 3"], points_b: Float32[Tensor, "_ 3"], generator: torch.Generator
) -> tuple[Mixed, Mixed]:
    """LaserMix: bands of inclination, alternately from one sweep and from the other.

    3 to 6 bands of equal angle, as in the reference tool-boxes. They cut a range known per dataset (nuScenes -30 … 10
    degrees); here the range is between the 1st and the 99th percentile of the inclinations of both sweeps, so that it
    fits every LiDAR, and what lies outside belongs to the outermost bands.
    """
    inclination_a, inclination_b = _inclination(points_a), _inclination(points_b)
    low, high = _percentiles(torch.cat([inclination_a, inclination_b]))
    bands = int(torch.randint(LASER_BANDS[0], LASER_BANDS[1] + 1, (), generator=generator))
    inner_edges = torch.linspace(low, high, bands + 1)[1:-1].to(inclination_a)
    return _exchange(
        torch.bucketize(inclination_a, inner_edges) % 2 == 1, torch.bucketize(inclination_b, inner_edges) % 2 == 1
    )


def polar_mix(
    points_a: Float32[Tensor, "_ 3"], points_b: Float32[Tensor, "_ 3"], generator: torch.Generator
) -> tuple[Mixed, Mixed]:
    """PolarMix: half of the turn, from a random azimuth on, comes from the other sweep.

    The tool-boxes exchange it with probability one half, in place of the original sweep; here mixed sweeps stand
    beside the originals, so that it is always exchanged. Their rotated copies of instances need labels.
    """
    start = float(torch.rand((), generator=generator)) * 2 * math.pi
    return _exchange(
        (_azimuth(points_a) - start).remainder(2 * math.pi) < math.pi,
        (_azimuth(points_b) - start).remainder(2 * math.pi) < math.pi,
    )


def _exchange(moves_a: Bool[Tensor, "_"], moves_b: Bool[Tensor, "_"]) -> tuple[Mixed, Mixed]:
    stays = Mixed(_indices(~moves_a), _indices(moves_b))
    moved = Mixed(_indices(moves_a), _indices(~moves_b))
    return stays, moved


def _indices(mask: Bool[Tensor, "_"]) -> Int64[Tensor, "_"]:
    return mask.nonzero().squeeze(dim=1)


def _inclination(points: Float32[Tensor, "points 3"]) -> Float32[Tensor, "points"]:
    return torch.atan2(points[:, 2], torch.hypot(points[:, 0], points[:, 1]))


def _azimuth(points: Float32[Tensor, "points 3"]) -> Float32[Tensor, "points"]:
    return torch.atan2(points[:, 1], points[:, 0])


def _percentiles(values: Float32[Tensor, "members"]) -> tuple[float, float]:
    """The 1st and the 99th, without the size limit of torch.quantile."""
    last = len(values) - 1
    ordered = values.sort().values
    return float(ordered[round(0.01 * last)]), float(ordered[round(0.99 * last)])
