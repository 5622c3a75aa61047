"""How good a drive's poses look, judged from its sweeps alone: no truth is needed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64

from lima.geometry.rigid import RigidTransform
from lima.odometry.fit import Fit, Landmarks, fit

LATER = 5  # sweeps
LOST_SHARE, WEAK_SHARE = 0.3, 0.5
MAX_ACCELERATION_MPS2 = 15.0
JITTER_M = 0.1  # of poses from step to step, which is no acceleration: at 10 Hz it would be 10 m/s²
MAX_TURN_DEG_S = 120.0
SAME_PLACE_M, AWAY_M = 5.0, 50.0
MOST_REVISITS = 20
SLIPPED_SHARE = 0.6  # of the usual share of matched points


@dataclass(frozen=True)
class Quality:
    """Medians over the sweeps, and what stands out.

    next_to: fit with the sweep before; unmoved: the same, had the vehicle stood still; later: fit with the sweep
    `LATER` before; revisited: fit where the vehicle came back to a place it had been away from, `revisits` times. lost:
    sweeps of whose points hardly any lies on the sweep before. max_acceleration_mps2: what `JITTER_M` does not explain.
    """

    sweeps: int
    length_m: float
    next_to: Fit
    unmoved: Fit
    later: Fit
    lost: tuple[int, ...]
    max_acceleration_mps2: float
    max_turn_deg_s: float
    revisits: int
    revisited: Fit | None
    worries: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """good, or doubtful."""
        return "doubtful" if self.worries else "good"


@dataclass
class QualityGauge:
    """Gathers sweep by sweep; keeps the last few."""

    poses: list[RigidTransform] = field(default_factory=list)
    times_ns: list[int] = field(default_factory=list)
    _recent: deque[Landmarks] = field(default_factory=lambda: deque(maxlen=LATER))
    _next_to: list[Fit] = field(default_factory=list)
    _unmoved: list[Fit] = field(default_factory=list)
    _later: list[Fit] = field(default_factory=list)

    def add(self, landmarks: Landmarks, world_from_lidar: RigidTransform, timestamp_ns: int) -> None:
        """The next sweep and its pose."""
        if self.poses:
            past_from_now = self.poses[-1].inverse() @ world_from_lidar
            self._next_to.append(fit(landmarks, self._recent[-1], past_from_now))
            self._unmoved.append(fit(landmarks, self._recent[-1], RigidTransform.identity()))
        if len(self.poses) >= LATER:
            self._later.append(fit(landmarks, self._recent[0], self.poses[-LATER].inverse() @ world_from_lidar))
        self._recent.append(landmarks)
        self.poses.append(world_from_lidar)
        self.times_ns.append(timestamp_ns)

    def revisits(self) -> list[tuple[int, int]]:
        """Pairs of sweeps at the same place with a way between them, spread over the drive, at most `MOST_REVISITS`."""
        places_m = self._places_m()
        way_m = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(places_m, axis=0), axis=1))])
        found = []
        for now in range(len(places_m)):
            earlier = np.flatnonzero(way_m[now] - way_m[:now] > AWAY_M)
            if len(earlier):
                near_m = np.linalg.norm(places_m[earlier] - places_m[now], axis=1)
                if near_m.min() < SAME_PLACE_M:
                    found.append((int(earlier[near_m.argmin()]), now))
        return found[:: max(1, -(-len(found) // MOST_REVISITS))]

    def quality(self, revisited: list[Fit]) -> Quality:
        """What has been gathered, and the fits at `revisits()`."""
        acceleration_mps2, turn_deg_s = self._motion()
        lost = tuple(row + 1 for row, one in enumerate(self._next_to) if one.matched < LOST_SHARE)
        next_to, later = _median(self._next_to), _median(self._later)
        again = _median(revisited) if revisited else None
        return Quality(
            sweeps=len(self.poses),
            length_m=float(np.linalg.norm(np.diff(self._places_m(), axis=0), axis=1).sum()),
            next_to=next_to,
            unmoved=_median(self._unmoved),
            later=later,
            lost=lost,
            max_acceleration_mps2=acceleration_mps2,
            max_turn_deg_s=turn_deg_s,
            revisits=len(revisited),
            revisited=again,
            worries=tuple(_worries(lost, next_to, acceleration_mps2, turn_deg_s, again)),
        )

    def _places_m(self) -> Float64[np.ndarray, "sweeps 3"]:
        return np.stack([pose.translation_m.numpy() for pose in self.poses])

    def _motion(self) -> tuple[float, float]:
        """The greatest acceleration and the fastest turn between sweeps."""
        if len(self.poses) < 2:
            return 0.0, 0.0
        step_s: Float64[np.ndarray, "steps"] = np.diff(np.array(self.times_ns, dtype=np.int64)) * 1e-9
        velocity = np.diff(self._places_m(), axis=0) / step_s[:, None]
        usual_s = (step_s[1:] + step_s[:-1]) / 2
        beside_m = np.linalg.norm(np.diff(velocity, axis=0), axis=1) * usual_s
        change = np.maximum(beside_m - JITTER_M, 0) / usual_s**2
        rotations = np.stack([pose.rotation.numpy() for pose in self.poses])
        turned = np.einsum("pji,pjk->pik", rotations[:-1], rotations[1:])
        cosine = np.clip((np.trace(turned, axis1=1, axis2=2) - 1) / 2, -1, 1)
        return float(change.max(initial=0.0)), float((np.degrees(np.arccos(cosine)) / step_s).max())


def _median(fits: list[Fit]) -> Fit:
    if not fits:
        return Fit(float("nan"), float("nan"))
    distances_m = [one.distance_m for one in fits if np.isfinite(one.distance_m)]
    return Fit(
        float(np.median([one.matched for one in fits])), float(np.median(distances_m)) if distances_m else float("nan")
    )


def _worries(
    lost: tuple[int, ...], next_to: Fit, acceleration_mps2: float, turn_deg_s: float, revisited: Fit | None
) -> list[str]:
    found = []
    if lost:
        found.append(
            f"{len(lost)} sweeps hardly lie on the one before (the first is sweep {lost[0]}): the way was lost"
        )
    elif next_to.matched < WEAK_SHARE:
        found.append(f"only {next_to.matched:.0%} of the points lie on the sweep before")
    if acceleration_mps2 > MAX_ACCELERATION_MPS2:
        found.append(f"an acceleration of {acceleration_mps2:.0f} m/s²: a jump")
    if turn_deg_s > MAX_TURN_DEG_S:
        found.append(f"a turn of {turn_deg_s:.0f} degrees a second: a jump")
    if revisited is not None and revisited.matched < SLIPPED_SHARE * next_to.matched:
        found.append(f"where a place was visited again only {revisited.matched:.0%} of the points fit: it has drifted")
    return found
