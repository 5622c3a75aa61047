"""Overlap of rotated rectangles and non-maximum suppression, in plain torch: any device, no compiler."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from lima.evaluate.detection.lidar_boxes import bev_corners

EDGE = 1e-6  # m: a corner this near to an edge lies on it
PAIRS_AT_ONCE = 1 << 16


def intersection_area(first: Float[Tensor, "pairs 5"], second: Float[Tensor, "pairs 5"]) -> Float[Tensor, "pairs"]:
    """The area that two rectangles (x, y, length, width, yaw) share, pair by pair.

    The corners of the shared polygon are the corners of each that lie in the other and the points where edges cross;
    sorted by angle around their mean they give the area. Computed in double precision about the first's centre.
    """
    first, second = first.double(), second.double()
    origin = first[:, :2].clone()
    first = torch.cat([first[:, :2] - origin, first[:, 2:]], dim=1)
    second = torch.cat([second[:, :2] - origin, second[:, 2:]], dim=1)
    a, b = bev_corners(first), bev_corners(second)
    crossings, cross = _crossings(a, b)
    points = torch.cat([a, b, crossings], dim=1)
    used = torch.cat([_inside(a, second), _inside(b, first), cross], dim=1)
    count = used.sum(dim=1)
    centre = (points * used[..., None]).sum(dim=1) / count.clamp(min=1)[:, None]
    around = points - centre[:, None]
    angle = torch.atan2(around[..., 1], around[..., 0]).masked_fill(~used, torch.inf)
    order = angle.argsort(dim=1)
    around = around.gather(1, order[..., None].expand_as(around))
    last = torch.arange(points.shape[1], device=points.device)[None] >= count[:, None]
    around = torch.where(last[..., None], around[:, :1], around)  # what is left over repeats the first corner
    after = around.roll(-1, dims=1)
    area = (around[..., 0] * after[..., 1] - around[..., 1] * after[..., 0]).sum(dim=1).abs() / 2
    return torch.where(count >= 3, area, torch.zeros_like(area))


def _inside(corners: Tensor, rectangles: Tensor) -> Bool[Tensor, "pairs 4"]:
    away = corners - rectangles[:, None, :2]
    cos, sin = rectangles[:, 4, None].cos(), rectangles[:, 4, None].sin()
    along, across = away[..., 0] * cos + away[..., 1] * sin, away[..., 1] * cos - away[..., 0] * sin
    return (along.abs() <= rectangles[:, 2, None] / 2 + EDGE) & (across.abs() <= rectangles[:, 3, None] / 2 + EDGE)


def _crossings(a: Tensor, b: Tensor) -> tuple[Tensor, Bool[Tensor, "pairs 16"]]:
    """Where each edge of one meets each edge of the other; parallel edges meet nowhere."""
    start, other = a[:, :, None], b[:, None]
    along, across = a.roll(-1, dims=1)[:, :, None] - start, b.roll(-1, dims=1)[:, None] - other
    determinant = along[..., 0] * across[..., 1] - along[..., 1] * across[..., 0]
    parallel = determinant.abs() < 1e-12
    safe = torch.where(parallel, torch.ones_like(determinant), determinant)
    gap = other - start
    t = (gap[..., 0] * across[..., 1] - gap[..., 1] * across[..., 0]) / safe
    u = (gap[..., 0] * along[..., 1] - gap[..., 1] * along[..., 0]) / safe
    met = ~parallel & (t >= 0) & (t <= 1) & (u >= 0) & (u <= 1)
    return (start + t[..., None] * along).flatten(1, 2), met.flatten(1)


def rotated_iou(first: Float[Tensor, "boxes 5"], second: Float[Tensor, "others 5"]) -> Float[Tensor, "boxes others"]:
    """Intersection over union of all pairs of rectangles (x, y, length, width, yaw), seen from above."""
    areas = torch.zeros(len(first), len(second), dtype=torch.float64, device=first.device)
    reach = first[:, None, 2:4].norm(dim=-1) / 2 + second[None, :, 2:4].norm(dim=-1) / 2
    rows, cols = torch.nonzero(torch.cdist(first[:, :2], second[:, :2]) < reach, as_tuple=True)
    for row, col in zip(rows.split(PAIRS_AT_ONCE), cols.split(PAIRS_AT_ONCE), strict=True):
        areas[row, col] = intersection_area(first[row], second[col])
    own, others = (rectangles[:, 2].double() * rectangles[:, 3].double() for rectangles in (first, second))
    return (areas / (own[:, None] + others[None] - areas).clamp(min=1e-12)).to(first.dtype)


def rotated_nms(
    rectangles: Float[Tensor, "boxes 5"], scores: Float[Tensor, "boxes"], max_iou: float
) -> Int64[Tensor, "kept"]:
    """Rows that are kept, the best first: one after another, each unless it overlaps a better kept one by more.

    Equal scores in the order given.
    """
    order = torch.argsort(scores, descending=True, stable=True)
    overlaps = (rotated_iou(rectangles[order], rectangles[order]) > max_iou).cpu()
    kept: list[int] = []
    suppressed = torch.zeros(len(order), dtype=torch.bool)
    for row in range(len(order)):
        if not bool(suppressed[row]):
            kept.append(row)
            suppressed |= overlaps[row]
    return order[torch.tensor(kept, dtype=torch.int64, device=order.device)]
