"""Cross-view aggregation by its definition: point by point, camera by camera, bilinear interpolation by hand."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def bilinear(feature_map: Tensor, u: float, v: float) -> Tensor:
    """The value at (u, v) of a (dim, rows, cols) map over the unit square, border values extended outwards."""
    _, rows, cols = feature_map.shape
    x, y = u * cols - 0.5, v * rows - 0.5
    total = torch.zeros(len(feature_map), dtype=torch.float64)
    for col in (math.floor(x), math.floor(x) + 1):
        for row in (math.floor(y), math.floor(y) + 1):
            weight = (1 - abs(x - col)) * (1 - abs(y - row))
            inside = feature_map[:, min(max(row, 0), rows - 1), min(max(col, 0), cols - 1)]
            total += weight * inside.double()
    return total


def mean(views: list[Tensor], uv: list[tuple[float, float]]) -> Tensor:
    return torch.stack(views).mean(dim=0)


def maximum(views: list[Tensor], uv: list[tuple[float, float]]) -> Tensor:
    return torch.stack(views).amax(dim=0)


def attention(views: list[Tensor], uv: list[tuple[float, float]]) -> Tensor:
    unit = [view / view.norm() for view in views]
    query = sum(min(u, 1 - u, v, 1 - v) * direction for direction, (u, v) in zip(unit, uv, strict=True))
    cosines = [float(direction @ query / query.norm()) for direction in unit]
    weights = [math.exp(cosine / 0.1) for cosine in cosines]
    return sum(weight / sum(weights) * view for weight, view in zip(weights, views, strict=True))


def slow_aggregate_views(image_features: Tensor, uv: Tensor, visible: Tensor, how: str) -> tuple[Tensor, Tensor]:
    """(features in double precision, known) of every point."""
    combine = {"mean": mean, "max": maximum, "attention": attention}[how]
    cams, points = visible.shape
    features = torch.zeros(points, image_features.shape[1], dtype=torch.float64)
    for point in range(points):
        seeing = [cam for cam in range(cams) if visible[cam, point]]
        places = [(float(uv[cam, point, 0]), float(uv[cam, point, 1])) for cam in seeing]
        views = [bilinear(image_features[cam], u, v) for cam, (u, v) in zip(seeing, places, strict=True)]
        if views:
            features[point] = combine(views, places)
    return features, visible.any(dim=0)
