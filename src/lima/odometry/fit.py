"""How well sweeps lie on each other under given poses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from lima.geometry.rigid import RigidTransform

WITHIN_M = 0.5
SAMPLES, REFERENCE = 1000, 20_000
NEAREST_M, FARTHEST_M = 3.0, 40.0
UPRIGHT_M = -1.2  # in the LiDAR's frame: below lies the road, whose rings ride along with the vehicle
FEWEST = 200


@dataclass(frozen=True)
class Fit:
    """matched: the share of points with a neighbour within `WITHIN_M`. distance_m: the median distance of these."""

    matched: float
    distance_m: float


@dataclass(frozen=True, eq=False)
class Landmarks:
    """What of a sweep is compared: points off the road, not the vehicle itself, not too far."""

    points_lidar: Float32[Tensor, "points 3"]

    @staticmethod
    def of(xyz_m: Float32[np.ndarray, "points 3"]) -> Landmarks:
        """Of a sweep. Where little stands upright, all points near enough."""
        points = torch.from_numpy(xyz_m)
        range_m = points[:, :2].norm(dim=1)
        near = (range_m > NEAREST_M) & (range_m < FARTHEST_M)
        upright = near & (points[:, 2] > UPRIGHT_M)
        return Landmarks(points[upright if int(upright.sum()) >= FEWEST else near])


def fit(now: Landmarks, past: Landmarks, past_from_now: RigidTransform) -> Fit:
    """How the points of one sweep lie on those of another. Every so manieth point is asked; the same every time."""
    samples, reference = _thinned(now.points_lidar, SAMPLES), _thinned(past.points_lidar, REFERENCE)
    if len(samples) == 0 or len(reference) == 0:
        return Fit(0.0, float("nan"))
    moved = past_from_now.apply(samples)
    distance_m = torch.cdist(moved, reference, compute_mode="donot_use_mm_for_euclid_dist").min(dim=1).values
    matched = distance_m < WITHIN_M
    median_m = float(distance_m[matched].median()) if bool(matched.any()) else float("nan")
    return Fit(float(matched.float().mean()), median_m)


def _thinned(points: Float32[Tensor, "points 3"], most: int) -> Float32[Tensor, "kept 3"]:
    return points[:: -(-len(points) // most)] if len(points) > most else points
