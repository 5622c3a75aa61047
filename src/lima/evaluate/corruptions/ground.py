"""The ground of a sweep, and what its echoes tell of the sensor: how strongly it shines and what it can still hear."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from lima.evaluate.corruptions.corrupted import KnownClasses
from lima.scene import Sweep

GROUND = (
    "driveable_surface", "other_flat", "sidewalk",  # nuScenes
    "road", "parking", "other_ground", "ground", "surface", "road_line", "asphalt", "concrete",  # others
    "lane_marker", "curb", "road_marking", "driveway",  # Waymo, PandaSet
)  # fmt: skip
"""hard ground, on which water stands; grass and earth drink it, also where Waymo calls a grassy hill walkable"""
STEEPEST = 0.01
"""smallest cosine of the angle of incidence: beyond it the ground is seen edge-on and hills decide"""
BIN_M = 2.0
BIN_POINTS = 10
FAINT = 0.05
PLANE_WITHIN_M = 0.2


@dataclass(frozen=True, eq=False)
class GroundEchoes:
    """Echoes of the ground. on: which points of the sweep they are; the others belong to these points in order.

    normalised: intensity over the cosine of the angle of incidence, what upright ground would send back.
    """

    on: Bool[Tensor, "points"]
    range_m: Float64[Tensor, "ground"]
    cos_incidence: Float64[Tensor, "ground"]
    normalised: Float64[Tensor, "ground"]


def ground_echoes(sweep: Sweep, known: KnownClasses | None) -> GroundEchoes:
    """The points of hard ground by their classes or, where no class is ground, those at a plane fitted to the sweep.

    Angles of incidence as on flat ground below an upright sensor, as Hahner et al. (LiDAR Snowfall Simulation, 2022)
    take them too.
    """
    if known is not None and known.positions_of(GROUND):
        on = known.mask_of(GROUND)
    else:
        on = _at_plane(sweep.points_lidar.double())
    points = sweep.points_lidar[on].double()
    range_m = points.norm(dim=1).clamp(min=1e-3)
    cos_incidence = (-points[:, 2] / range_m).clamp(min=STEEPEST)
    return GroundEchoes(on, range_m, cos_incidence, sweep.intensity[on].double() / cos_incidence)


def emitted(echoes: GroundEchoes, mean_reflectance: float) -> Float64[Tensor, "ground"]:
    """What a white wall would send back from every ground point's range, if the ground's mean reflectance is that.

    A line over range fitted to the normalised intensities, as in the paper; never below a tenth of their mean.
    """
    line = _line(echoes.range_m, echoes.normalised, torch.ones_like(echoes.range_m))
    at = torch.stack([torch.ones_like(echoes.range_m), echoes.range_m], dim=1) @ line
    return at.clamp(min=0.1 * float(echoes.normalised.mean())) / mean_reflectance


def faintest(echoes: GroundEchoes) -> Float64[Tensor, "2"]:
    """Intercept and slope over range of the faintest normalised intensities that the sensor still reports.

    The line goes through the 5th percentiles of slices of 2 m with ten points or more (the paper takes the rarest
    values of a histogram); zero everywhere where there are fewer than three such slices.
    """
    slices = (echoes.range_m / BIN_M).long()
    counts = torch.bincount(slices)
    full = torch.nonzero(counts >= BIN_POINTS)[:, 0]
    if len(full) < 3:
        return torch.zeros(2, dtype=torch.float64)
    order = torch.argsort(echoes.normalised, stable=True)
    order = order[torch.argsort(slices[order], stable=True)]
    first = torch.cumsum(counts, dim=0) - counts
    low = echoes.normalised[order][first[full] + (FAINT * counts[full]).long()]
    return _line((full + 0.5).double() * BIN_M, low, counts[full].double())


def threshold(line: Float64[Tensor, "2"], range_m: Float64[Tensor, "points"]) -> Float64[Tensor, "points"]:
    """The line's value at every range, zero where it falls below."""
    return (line[0] + line[1] * range_m).clamp(min=0)


def _line(
    x: Float64[Tensor, "values"], y: Float64[Tensor, "values"], weights: Float64[Tensor, "values"]
) -> Float64[Tensor, "2"]:
    """Intercept and slope by weighted least squares; level where all x are one."""
    total = weights.sum()
    mean_x, mean_y = (weights * x).sum() / total, (weights * y).sum() / total
    spread = (weights * (x - mean_x).square()).sum()
    slope = (weights * (x - mean_x) * (y - mean_y)).sum() / spread.clamp(min=1e-12)
    return torch.stack([mean_y - slope * mean_x, slope])


def _at_plane(points: Float64[Tensor, "points 3"]) -> Bool[Tensor, "points"]:
    """Points within 0.2 m of a plane through the lowest of the sweep: least squares, narrowed down step by step."""
    around = (points[:, :2].abs() < 40).all(dim=1) & (points[:, 2] < 0)
    if int(around.sum()) < 3:
        return torch.zeros(len(points), dtype=torch.bool)
    near = points[around]
    cell = (near[:, :2] / 2).floor().long() + 20
    number = cell[:, 0] * 40 + cell[:, 1]
    lowest = torch.full((1640,), torch.inf, dtype=torch.float64).scatter_reduce(0, number, near[:, 2], "amin")
    near = near[near[:, 2] < lowest[number] + PLANE_WITHIN_M]
    level = near[:, 2].median()
    plane = torch.stack([torch.zeros_like(level), torch.zeros_like(level), level])
    for within_m in (1.0, 0.5, PLANE_WITHIN_M, PLANE_WITHIN_M):
        taken = near[(near[:, 2] - _height(near, plane)).abs() < within_m]
        if len(taken) < 3:
            break
        sides = torch.cat([taken[:, :2], torch.ones(len(taken), 1, dtype=torch.float64)], dim=1)
        plane = torch.linalg.lstsq(sides, taken[:, 2:], driver="gelsd").solution[:, 0]
    return (points[:, 2] - _height(points, plane)).abs() < PLANE_WITHIN_M


def _height(points: Float64[Tensor, "points 3"], plane: Float64[Tensor, "3"]) -> Float64[Tensor, "points"]:
    return points[:, :2] @ plane[:2] + plane[2]
