"""Two trajectories of the same sweeps beside each other: how far one drifts from the other."""

from __future__ import annotations

from collections.abc import Sequence as Series
from dataclasses import dataclass

import numpy as np

from lima.geometry.rigid import RigidTransform

STRETCHES_M = (10.0, 20.0, 50.0, 100.0, 200.0, 400.0, 800.0)


@dataclass(frozen=True)
class Drift:
    """Averages over all stretches of `STRETCHES_M` that begin at any sweep, as KITTI's odometry benchmark measures.

    share: of the way. turn_deg_per_100m. farthest_m: the greatest distance when both begin at the same place.
    """

    share: float
    turn_deg_per_100m: float
    farthest_m: float
    stretches: int


def drift(found: Series[RigidTransform], known: Series[RigidTransform]) -> Drift:
    """`found` against `known`, pose by pose. NaN where the drive is shorter than the shortest stretch."""
    one = np.stack([pose.matrix().numpy() for pose in found])
    other = np.stack([pose.matrix().numpy() for pose in known])
    way_m = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(other[:, :3, 3], axis=0), axis=1))])
    shares, turns = [], []
    for stretch_m in STRETCHES_M:
        ends = np.searchsorted(way_m, way_m + stretch_m)
        for begin in np.flatnonzero(ends < len(way_m)):
            end = ends[begin]
            step = np.linalg.inv(one[begin]) @ one[end]
            error = np.linalg.inv(np.linalg.inv(other[begin]) @ other[end]) @ step
            shares.append(float(np.linalg.norm(error[:3, 3])) / stretch_m)
            turns.append(_angle_deg(error) / stretch_m * 100)
    both_from_start = np.linalg.inv(one[0]) @ one, np.linalg.inv(other[0]) @ other
    apart_m = np.linalg.norm(both_from_start[0][:, :3, 3] - both_from_start[1][:, :3, 3], axis=1)
    return Drift(
        float(np.mean(shares)) if shares else float("nan"),
        float(np.mean(turns)) if turns else float("nan"),
        float(apart_m.max()),
        len(shares),
    )


def _angle_deg(error: np.ndarray) -> float:
    """The angle of a rotation, exact for small ones too."""
    skew = error[:3, :3] - error[:3, :3].T
    sine = np.linalg.norm([skew[2, 1], skew[0, 2], skew[1, 0]]) / 2
    return float(np.degrees(np.arctan2(sine, (np.trace(error[:3, :3]) - 1) / 2)))
