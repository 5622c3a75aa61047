"""Where a sweep's depth jumps: the outlines of things, which a camera should see as edges of its image.

Between two neighbouring beams of which one meets a near thing and the other what is behind it, the outline of the near
thing passes somewhere, at the near thing's distance. So every jump becomes a short stretch of directions, sampled at
that distance, whatever the sensor's resolution (Levinson and Thrun 2013 take the near point alone).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor

from lima.doctor.facts import rings_rise
from lima.scene import Sweep

SAMPLES = 5
NEAREST_M = 2.5  # nearer points are the vehicle
FARTHEST_ACROSS_M, FARTHEST_ALONG_M = 60.0, 40.0
JUMP_M, JUMP_SHARE = 0.5, 0.1
SMOOTH_SHARE = 0.5  # of a jump: so little may the near thing's own neighbour differ
STEEP = 0.8  # rise over run: the near thing is no ground
LEVEL_M = 0.2
"""Tops are looked for above the sensor and undersides below it, more or less. Of a roof seen from above its near
rim and the far one lie between the same two beams, so the near one is nearer to the lower beam than chance would have
it: on the simulator this alone moved the best pitch by 0.1 degrees."""
FULL_TURN = 2 * math.pi


@dataclass(frozen=True, eq=False)
class DepthEdges:
    """The outlines in one sweep.

    stretches_lidar: places between two beams, at the near thing's distance, the first of them the near point itself.
    point: the near point's number in the sweep.
    """

    stretches_lidar: Float32[Tensor, "edges samples 3"]
    point: Int64[Tensor, "edges"]

    def __len__(self) -> int:
        return len(self.point)


@dataclass(frozen=True, eq=False)
class RangeImage:
    """A sweep as rows of beams and columns of azimuth. point: which point a cell shows, -1 for none.

    range_m: infinite where there is none. elevation_rad: of every row; NaN where it is empty.
    """

    point: Int64[Tensor, "rows columns"]
    range_m: Float64[Tensor, "rows columns"]
    elevation_rad: Float64[Tensor, "rows"]
    step_rad: float


def depth_edges(sweep: Sweep) -> DepthEdges:
    """All outlines of a sweep: across rows (upright outlines) and from row to row (lying ones)."""
    points = sweep.points_lidar.double()
    image = range_image(sweep)
    if image is None:
        return DepthEdges(torch.zeros(0, SAMPLES, 3), torch.zeros(0, dtype=torch.int64))
    found = [_across(image, points, step) for step in (1, -1)] + [_along(image, points, step) for step in (1, -1)]
    near = torch.cat([near for near, _ in found])
    next_beam = torch.cat([direction for _, direction in found])
    distance_m = points[near].norm(dim=1)
    share = torch.linspace(0, 1, SAMPLES, dtype=torch.float64)[None, :, None]
    directions = (points[near] / distance_m[:, None])[:, None] * (1 - share) + next_beam[:, None] * share
    directions = directions / directions.norm(dim=2, keepdim=True)
    return DepthEdges((directions * distance_m[:, None, None]).float(), near)


def range_image(sweep: Sweep) -> RangeImage | None:
    """The nearest point of every cell; None for a sweep too small to have neighbours."""
    points = sweep.points_lidar.double()
    distance_m = points.norm(dim=1)
    kept = torch.nonzero(distance_m > NEAREST_M).flatten()
    if len(kept) < 100:
        return None
    azimuth = torch.atan2(points[:, 1], points[:, 0])
    elevation = torch.atan2(points[:, 2], points[:, :2].norm(dim=1))
    row = _rows(sweep.ring if rings_rise(sweep) else None, azimuth, elevation, kept)
    step_rad = _usual_step(row[kept], azimuth[kept])
    columns = min(max(round(FULL_TURN / step_rad), 8), 8192)
    column = ((azimuth + math.pi) * (columns / FULL_TURN)).floor().long().clamp(0, columns - 1)
    rows = int(row[kept].max()) + 1
    far_first = kept[torch.argsort(distance_m[kept], descending=True, stable=True)]
    point = torch.full((rows * columns,), -1, dtype=torch.int64)
    point[row[far_first] * columns + column[far_first]] = far_first
    range_m = torch.where(point >= 0, distance_m[point.clamp(min=0)], math.inf)
    return RangeImage(
        point.view(rows, columns),
        range_m.view(rows, columns),
        _medians(elevation[kept], row[kept], rows),
        FULL_TURN / columns,
    )


def _across(image: RangeImage, points: Tensor, step: int) -> tuple[Int64[Tensor, "edges"], Float64[Tensor, "edges 3"]]:
    """Jumps between neighbours in a row: the near points, and the next beam's directions."""
    after, skipped = _neighbour(image.range_m, step)
    before, _ = _neighbour(image.range_m, -step)
    jump = _jump_m(image.range_m)
    is_edge = torch.isfinite(after) & (after - image.range_m > jump) & (image.range_m < FARTHEST_ACROSS_M)
    is_edge &= (before - image.range_m).abs() < SMOOTH_SHARE * jump
    near = image.point[is_edge]
    azimuth = torch.atan2(points[near, 1], points[near, 0])
    azimuth = azimuth + step * image.step_rad * torch.where(skipped[is_edge], 2.0, 1.0)
    elevation = torch.atan2(points[near, 2], points[near, :2].norm(dim=1))
    return near, _directions(azimuth, elevation)


def _along(image: RangeImage, points: Tensor, step: int) -> tuple[Int64[Tensor, "edges"], Float64[Tensor, "edges 3"]]:
    """Jumps from a row to the next one, where the near thing is steep: a ring on the ground ends nothing."""
    rows = len(image.range_m)
    here = torch.arange(1, max(rows - 1, 1))
    range_m = image.range_m[here]
    beyond = image.range_m[here + step]
    beyond = torch.minimum(beyond, torch.minimum(beyond.roll(1, dims=1), beyond.roll(-1, dims=1)))
    is_edge = torch.isfinite(beyond) & (beyond - range_m > _jump_m(range_m)) & (range_m < FARTHEST_ALONG_M)
    is_edge &= (image.point[here - step] >= 0) & torch.isfinite(image.elevation_rad[here + step])[:, None]
    is_edge &= (step * points[image.point[here].clamp(min=0), 2]) > -LEVEL_M
    near, before = image.point[here][is_edge], image.point[here - step][is_edge]
    rise_m = (points[near, 2] - points[before, 2]).abs()
    steep = rise_m > STEEP * (points[near, :2] - points[before, :2]).norm(dim=1)
    elevation = image.elevation_rad[here + step][:, None].expand_as(range_m)[is_edge][steep]
    near = near[steep]
    return near, _directions(torch.atan2(points[near, 1], points[near, 0]), elevation)


def _jump_m(range_m: Float64[Tensor, "*cells"]) -> Float64[Tensor, "*cells"]:
    """How much farther a neighbour must be to lie behind an outline."""
    return (JUMP_SHARE * range_m).clamp(min=JUMP_M)


def _neighbour(
    range_m: Float64[Tensor, "rows columns"], step: int
) -> tuple[Float64[Tensor, "rows columns"], Bool[Tensor, "rows columns"]]:
    """The range one column on, or two where that cell is empty; and where it was."""
    after = range_m.roll(-step, dims=1)
    skipped = torch.isinf(after)
    return torch.where(skipped, range_m.roll(-2 * step, dims=1), after), skipped


def _directions(azimuth: Float64[Tensor, "n"], elevation: Float64[Tensor, "n"]) -> Float64[Tensor, "n 3"]:
    flat = elevation.cos()
    return torch.stack([flat * azimuth.cos(), flat * azimuth.sin(), elevation.sin()], dim=1)


def _rows(
    ring: Int64[Tensor, "points"] | None,
    azimuth: Float64[Tensor, "points"],
    elevation: Float64[Tensor, "points"],
    kept: Int64[Tensor, "kept"],
) -> Int64[Tensor, "points"]:
    """The beam of every point: the sensor's own number, or else its elevation in steps of the usual one."""
    if ring is not None:
        return ring - ring[kept].min()
    column = torch.floor(azimuth[kept] / math.radians(0.2))
    order = kept[_order(column, elevation[kept])]
    rise = elevation[order].diff()
    same = torch.floor(azimuth[order] / math.radians(0.2)).diff() == 0
    rise = rise[same & (rise > math.radians(0.05))]
    step = float(rise.median().clamp(math.radians(0.1), math.radians(3))) if len(rise) else math.radians(1)
    return torch.floor((elevation - elevation[kept].min()) / step).long().clamp(min=0)


def _usual_step(row: Int64[Tensor, "kept"], azimuth: Float64[Tensor, "kept"]) -> float:
    """The usual step of azimuth between neighbours in a row."""
    order = _order(row.double(), azimuth)
    steps = azimuth[order].diff()[row[order].diff() == 0]
    return max(float(steps.median()) if len(steps) else 0.01, 1e-4)


def _order(first: Float64[Tensor, "n"], second: Float64[Tensor, "n"]) -> Int64[Tensor, "n"]:
    """Sorted by the first, then by the second."""
    by_second = torch.argsort(second, stable=True)
    return by_second[torch.argsort(first[by_second], stable=True)]


def _medians(values: Float64[Tensor, "n"], group: Int64[Tensor, "n"], groups: int) -> Float64[Tensor, "groups"]:
    """The median of every group, NaN where it is empty."""
    order = _order(group.double(), values)
    counts = torch.bincount(group, minlength=groups)
    first = counts.cumsum(0) - counts
    middle = values[order][(first + counts // 2).clamp(max=len(values) - 1)]
    return torch.where(counts > 0, middle, math.nan)
