"""Smooth lines in the world, measured by arc length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
STEP_M = 0.5
"""Distance between neighbouring points of a path."""
SIDEWAYS_MPS2 = 2.2
BRAKING_MPS2 = 1.6


@dataclass(frozen=True)
class Path:
    """Points (points, 2) in the world, `STEP_M` apart along the line."""

    points_m: Array

    @property
    def length_m(self) -> float:
        return STEP_M * (len(self.points_m) - 1)

    def at(self, arc_m: ArrayLike) -> Array:
        """(..., 2) positions at arc lengths; clamped at both ends."""
        arc = np.asarray(arc_m, float) / STEP_M
        place = np.arange(len(self.points_m))
        return np.stack([np.interp(arc, place, column) for column in self.points_m.T], -1)

    def speed_limits_mps(self) -> Array:
        """(points,) speed that keeps sideways acceleration comfortable, braking for curves in time."""
        ahead = np.diff(self.points_m, axis=0)
        heading = np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))
        curvature = np.abs(np.gradient(heading)) / STEP_M
        curvature = np.convolve(np.pad(curvature, 3, mode="edge"), np.ones(7) / 7, "valid")
        limits = np.sqrt(SIDEWAYS_MPS2 / np.maximum(np.append(curvature, curvature[-1]), 1e-3))
        for k in range(len(limits) - 2, -1, -1):
            limits[k] = min(limits[k], np.sqrt(limits[k + 1] ** 2 + 2 * BRAKING_MPS2 * STEP_M))
        return limits


def path_through(points_m: Array) -> Path:
    """The path along a polyline (points, 2), resampled."""
    steps = np.linalg.norm(np.diff(points_m, axis=0), axis=1)
    points_m = points_m[np.append(True, steps > 1e-6)]
    arc = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(points_m, axis=0), axis=1)))
    even = np.arange(0, arc[-1], STEP_M)
    return Path(np.stack([np.interp(even, arc, column) for column in points_m.T], -1))


def shifted_right(path: Path, offset_m: float) -> Path:
    """A parallel of the path."""
    along = np.gradient(path.points_m, axis=0)
    right = np.stack([along[:, 1], -along[:, 0]], -1) / np.linalg.norm(along, axis=1, keepdims=True)
    return path_through(path.points_m + offset_m * right)
