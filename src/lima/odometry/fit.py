"""How well sweeps lie on each other under given poses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64

from lima.geometry.rigid import RigidTransform
from lima.geometry.voxels import keys_from_voxels, voxels_from_points

WITHIN_M = 0.5
SAMPLES = 1000
NEAREST_M, FARTHEST_M = 3.0, 40.0
UPRIGHT_M = -1.2  # in the LiDAR's frame: below lies the road, whose rings ride along with the vehicle
FEWEST = 200
_AROUND = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(1, 27, 3)


@dataclass(frozen=True)
class Fit:
    """matched: the share of points with a neighbour within `WITHIN_M`. distance_m: the median distance of these."""

    matched: float
    distance_m: float


@dataclass(frozen=True, eq=False)
class Landmarks:
    """What of a sweep is compared: points off the road, not the vehicle itself, not too far."""

    points_lidar: Float32[np.ndarray, "points 3"]

    @staticmethod
    def of(xyz_m: Float32[np.ndarray, "points 3"]) -> Landmarks:
        """Of a sweep. Where little stands upright, all points near enough."""
        range_m = np.linalg.norm(xyz_m[:, :2], axis=1)
        near = (range_m > NEAREST_M) & (range_m < FARTHEST_M)
        upright = near & (xyz_m[:, 2] > UPRIGHT_M)
        return Landmarks(xyz_m[upright if int(upright.sum()) >= FEWEST else near])

    @cached_property
    def _cells(self) -> tuple[Int64[np.ndarray, "points"], Float64[np.ndarray, "points 3"]]:
        """Keys of cells of `WITHIN_M`, ascending, and the points in that order."""
        points = self.points_lidar.astype(np.float64)
        keys = _keys(_cell(points))
        order = np.argsort(keys)
        return keys[order], points[order]

    def nearest_m(self, others: Float64[np.ndarray, "others 3"]) -> Float64[np.ndarray, "others"]:
        """How far each of the others is from the nearest point; infinite where that is farther than `WITHIN_M`."""
        keys, points = self._cells
        wanted = _keys((_cell(others)[:, None] + _AROUND).reshape(-1, 3))
        first = np.searchsorted(keys, wanted)
        count = np.searchsorted(keys, wanted, side="right") - first
        other_of_pair = np.repeat(np.arange(len(wanted)) // _AROUND.shape[1], count)
        point_of_pair = np.arange(count.sum()) + np.repeat(first - (np.cumsum(count) - count), count)
        distance_m = np.linalg.norm(others[other_of_pair] - points[point_of_pair], axis=1)
        nearest = np.full(len(others), np.inf)
        np.minimum.at(nearest, other_of_pair, distance_m)
        nearest[nearest >= WITHIN_M] = np.inf
        return nearest


def fit(now: Landmarks, past: Landmarks, past_from_now: RigidTransform) -> Fit:
    """How the points of one sweep lie on those of another. Every so manieth point is asked; the same every time."""
    samples = now.points_lidar[:: max(1, -(-len(now.points_lidar) // SAMPLES))].astype(np.float64)
    if len(samples) == 0 or len(past.points_lidar) == 0:
        return Fit(0.0, float("nan"))
    moved = samples @ past_from_now.rotation.numpy().T + past_from_now.translation_m.numpy()
    nearest_m = past.nearest_m(moved)
    matched = np.isfinite(nearest_m)
    return Fit(float(matched.mean()), float(np.median(nearest_m[matched])) if matched.any() else float("nan"))


def _cell(points: Float64[np.ndarray, "points 3"]) -> Int64[np.ndarray, "points 3"]:
    return voxels_from_points(torch.from_numpy(points), torch.full((3,), WITHIN_M)).numpy()


def _keys(cells: Int64[np.ndarray, "cells 3"]) -> Int64[np.ndarray, "cells"]:
    return keys_from_voxels(torch.from_numpy(cells)).numpy()
