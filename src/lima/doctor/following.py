"""How well the sweeps of a drive follow each other under its poses: from one to the next, and over several."""

from __future__ import annotations

from collections.abc import Sequence as Series
from dataclasses import dataclass
from statistics import median

import torch

from lima.doctor.looking import KeptSweep
from lima.doctor.selection import spread
from lima.doctor.sweep_fit import fit_sweeps

STEPS = (1, 2, 5)
MOST_PAIRS = {1: 40, 2: 10, 5: 10}
NEIGHBOURS_S = 1.5
LEAST_TRAVEL_M = 5.0


@dataclass(frozen=True)
class PairFit:
    """Two sweeps of a drive. correction_m: of the later one, in the vehicle's axes (forward, left, up). The rest as in
    `SweepFit`; travelled_m: (forward, left, up) between them."""

    earlier: int
    later: int
    travelled_m: tuple[float, float, float]
    correction_m: tuple[float, float, float]
    turn_deg: float
    known: float
    before_m: float
    after_m: float

    @property
    def shift_m(self) -> float:
        return float(sum(part**2 for part in self.correction_m) ** 0.5)


@dataclass(frozen=True)
class Drift:
    """Medians over pairs of sweeps so many frames apart."""

    frames: int
    pairs: int
    travelled_m: float
    shift_m: float
    turn_deg: float
    before_m: float
    after_m: float


@dataclass(frozen=True)
class Following:
    """neighbours: every pair of neighbours that was compared. drifts: by frames apart. per_metre: by how much the
    correction grows forward, left and up with every metre driven; None where the vehicle hardly moves."""

    neighbours: tuple[PairFit, ...]
    drifts: tuple[Drift, ...]
    per_metre: tuple[float, float, float] | None


def follow(sweeps: Series[KeptSweep]) -> Following:
    """Compare pairs of sweeps, evenly spread over the drive."""
    fits: dict[int, list[PairFit]] = {}
    for step in STEPS:
        pairs = _pairs(sweeps, step)
        fits[step] = [_fit(*pairs[place]) for place in spread(len(pairs), MOST_PAIRS[step])]
    drifts = tuple(_drift(step, pairs) for step, pairs in fits.items() if pairs)
    return Following(tuple(fits[1]), drifts, _per_metre(fits[1]))


def _pairs(sweeps: Series[KeptSweep], step: int) -> list[tuple[KeptSweep, KeptSweep]]:
    by_index = {sweep.index: sweep for sweep in sweeps}
    pairs = [(sweep, by_index[sweep.index + step]) for sweep in sweeps if sweep.index + step in by_index]
    return [pair for pair in pairs if 0 < pair[1].timestamp_ns - pair[0].timestamp_ns < step * NEIGHBOURS_S * 1e9]


def _fit(earlier: KeptSweep, later: KeptSweep) -> PairFit:
    earlier_from_later = earlier.world_from_lidar.inverse() @ later.world_from_lidar
    fit = fit_sweeps(earlier.points_lidar, later.points_lidar, earlier_from_later)
    to_ego = earlier.ego_from_lidar
    travelled = (earlier.world_from_ego.inverse() @ later.world_from_ego).translation_m
    # where the later LiDAR itself would go: a turn about the earlier one is no move of its own
    there = earlier_from_later.translation_m
    correction = to_ego.rotate((fit.correction @ earlier_from_later).translation_m - there)
    return PairFit(
        earlier=earlier.index,
        later=later.index,
        travelled_m=_three(travelled),
        correction_m=_three(correction),
        turn_deg=fit.turn_deg,
        known=fit.known,
        before_m=fit.before_m,
        after_m=fit.after_m,
    )


def _drift(step: int, pairs: Series[PairFit]) -> Drift:
    return Drift(
        frames=step,
        pairs=len(pairs),
        travelled_m=median(sum(part**2 for part in pair.travelled_m) ** 0.5 for pair in pairs),
        shift_m=median(pair.shift_m for pair in pairs),
        turn_deg=median(pair.turn_deg for pair in pairs),
        before_m=median(pair.before_m for pair in pairs),
        after_m=median(pair.after_m for pair in pairs),
    )


def _per_metre(pairs: Series[PairFit]) -> tuple[float, float, float] | None:
    """Medians of the pairs' own shares, so that single bad pairs do not decide."""
    driven = [pair for pair in pairs if abs(pair.travelled_m[0]) > LEAST_TRAVEL_M / 10]
    if sum(abs(pair.travelled_m[0]) for pair in driven) < LEAST_TRAVEL_M:
        return None
    shares = [median(pair.correction_m[axis] / pair.travelled_m[0] for pair in driven) for axis in range(3)]
    return shares[0], shares[1], shares[2]


def _three(vector: torch.Tensor) -> tuple[float, float, float]:
    x, y, z = vector.tolist()
    return x, y, z
