"""How well one sweep lies on another under the given poses, and the small correction that would lay it on better.

The earlier sweep becomes small planes, one per cell of space; the later one's points are pulled onto the planes of the
cells they lie in (point to plane, Chen and Medioni 1992, with weights that let moving things go). Cells in which a
single ring of the sensor makes a line are no planes: the rings travel with the vehicle and would hold it back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor

from lima.doctor.moves import turn_rad, turned
from lima.geometry.rigid import RigidTransform
from lima.geometry.voxels import keys_from_voxels, voxels_from_points

NEAREST_M, FARTHEST_M = 3.0, 60.0
POINTS = 12_000
CELLS_M = (3.0, 1.5, 1.0)
REACH_M = (0.6, 0.3, 0.15)  # of the weights: residuals so large count a quarter
ROUNDS = 6
LEAST_POINTS = 6
THICKNESS_M = 0.12
WIDTH_SHARE = 0.12  # of the cell: the spread across a plane's narrower direction
CORRELATED = 50.0  # points whose residuals are one: they share cells and beams
LEAST_NOISE_M = 0.01
UNSURE = 0.1  # metres, or a tenth of a radian at `ARM_M`: directions known less well are left alone
ARM_M = 10.0
COMPARED = 1500


@dataclass(frozen=True, eq=False)
class SweepFit:
    """How a later sweep lies on an earlier one.

    correction: what to do to the later sweep, in the earlier one's axes, after the poses have brought it there.
    known: share of the six directions of movement that the surroundings determine. matched: share of the later points
    that lie in a cell with a plane. before_m, after_m: median distance of the later sweep's points to the earlier's
    nearest, without and with the correction.
    """

    correction: RigidTransform
    known: float
    matched: float
    before_m: float
    after_m: float

    @property
    def shift_m(self) -> float:
        return float(self.correction.translation_m.norm())

    @property
    def turn_deg(self) -> float:
        return math.degrees(float(turn_rad(self.correction.rotation).norm()))


@dataclass(frozen=True, eq=False)
class _Planes:
    """keys: sorted, of the cells that hold a plane."""

    cell_m: float
    keys: Int64[Tensor, "planes"]
    centres_m: Float64[Tensor, "planes 3"]
    normals: Float64[Tensor, "planes 3"]


def fit_sweeps(
    earlier: Float32[Tensor, "_ 3"], later: Float32[Tensor, "_ 3"], earlier_from_later: RigidTransform
) -> SweepFit:
    """Both in their own LiDAR's axes; the poses say how the one goes to the other."""
    target = _in_reach(earlier).double()
    moved = earlier_from_later.apply(_in_reach(later).double())
    chosen = moved[some_of(len(moved), POINTS)]
    correction, known, matched = RigidTransform.identity(), 0.0, 0.0
    for cell_m, reach_m in zip(CELLS_M, REACH_M, strict=True):
        planes = _planes(target, cell_m)
        for _ in range(ROUNDS):
            step, known, matched = _pull(planes, correction.apply(chosen), reach_m)
            correction = step @ correction
            if float(step.translation_m.norm()) + ARM_M * float(turn_rad(step.rotation).norm()) < 1e-3:
                break
    compared = moved[some_of(len(moved), COMPARED)]
    return SweepFit(
        correction, known, matched, _nearest_m(compared, target), _nearest_m(correction.apply(compared), target)
    )


def _pull(planes: _Planes, points: Float64[Tensor, "points 3"], reach_m: float) -> tuple[RigidTransform, float, float]:
    """One step towards the planes, along the directions they determine; the share of these, and of points on planes."""
    plane, found = _plane_of(planes, points)
    points, plane = points[found], plane[found]
    if len(points) < 100:
        return RigidTransform.identity(), 0.0, len(points) / max(len(found), 1)
    middle = points.mean(dim=0)
    normals = planes.normals[plane]
    distance_m = ((points - planes.centres_m[plane]) * normals).sum(dim=1)
    weight = 1 / (1 + (distance_m / reach_m).square()).square()
    rows = torch.cat([torch.linalg.cross(points - middle, normals) / ARM_M, normals], dim=1)
    information = rows.T @ (weight[:, None] * rows)
    values, directions = torch.linalg.eigh(information)
    noise_m = max(LEAST_NOISE_M, float((weight * distance_m.square()).sum() / weight.sum()) ** 0.5)
    unsure = noise_m * (CORRELATED / values.clamp(min=1e-9)).sqrt()
    sure = directions[:, unsure < UNSURE]
    step = -sure @ torch.linalg.solve(sure.T @ information @ sure, sure.T @ (rows.T @ (weight * distance_m)))
    turn = turned(step[:3] / ARM_M)
    return RigidTransform(turn, step[3:] + middle - turn @ middle), sure.shape[1] / 6, float(found.double().mean())


def _planes(points: Float64[Tensor, "points 3"], cell_m: float) -> _Planes:
    keys, cell, counts = torch.unique(_keys(points, cell_m), return_inverse=True, return_counts=True)
    centres = torch.zeros(len(keys), 3, dtype=torch.float64).index_add_(0, cell, points) / counts[:, None]
    offset = points - centres[cell]
    spread = torch.zeros(len(keys), 3, 3, dtype=torch.float64)
    spread.index_add_(0, cell, offset[:, :, None] * offset[:, None, :])
    enough = counts >= LEAST_POINTS
    variances, directions = torch.linalg.eigh(spread[enough] / counts[enough, None, None])
    flat = (variances[:, 0] < THICKNESS_M**2) & (variances[:, 1] > (WIDTH_SHARE * cell_m) ** 2)
    return _Planes(cell_m, keys[enough][flat], centres[enough][flat], directions[flat][:, :, 0])


def _plane_of(
    planes: _Planes, points: Float64[Tensor, "points 3"]
) -> tuple[Int64[Tensor, "points"], Bool[Tensor, "points"]]:
    keys = _keys(points, planes.cell_m)
    if len(planes.keys) == 0:
        return torch.zeros_like(keys), torch.zeros_like(keys, dtype=torch.bool)
    place = torch.searchsorted(planes.keys, keys).clamp(max=len(planes.keys) - 1)
    return place, planes.keys[place] == keys


def _keys(points: Float64[Tensor, "points 3"], cell_m: float) -> Int64[Tensor, "points"]:
    return keys_from_voxels(voxels_from_points(points, torch.full((3,), cell_m)))


def _nearest_m(points: Float64[Tensor, "points 3"], target: Float64[Tensor, "_ 3"]) -> float:
    """Median distance to the nearest target."""
    if len(points) == 0 or len(target) == 0:
        return math.nan
    near = target[some_of(len(target), 40_000)].float()
    nearest = torch.cat([torch.cdist(part, near).amin(dim=1) for part in points.float().split(500)])
    return float(nearest.median())


def _in_reach(points: Float32[Tensor, "points 3"]) -> Float32[Tensor, "_ 3"]:
    distance_m = points.norm(dim=1)
    return points[(distance_m > NEAREST_M) & (distance_m < FARTHEST_M)]


def some_of(count: int, wanted: int) -> Int64[Tensor, "chosen"]:
    """`wanted` of `count` numbers, ascending, drawn by chance but the same in every run: every so manieth point could
    be of the same few beams."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))[:wanted].sort().values
