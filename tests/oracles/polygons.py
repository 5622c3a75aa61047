"""Polygons by definition: a point is inside if a ray from it crosses the outline an odd number of times."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def is_inside(outline: Array, x: float, y: float) -> bool:
    """Whether (x, y) lies inside a closed outline (points, 2)."""
    inside = False
    for (x0, y0), (x1, y1) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            inside = not inside
    return inside


def rectangle(x: float, y: float, yaw: float, half_length: float, half_width: float) -> Array:
    """(4, 2) corners, counter-clockwise."""
    corners = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)]) * [half_length, half_width]
    turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
    return corners @ turn.T + [x, y]


def overlap_area(first: Array, second: Array) -> float:
    """Area that two convex counter-clockwise polygons share: one is cut by every side of the other."""
    rest = list(first)
    for a, b in zip(second, np.roll(second, -1, axis=0), strict=True):
        depth = [float((b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])) for p in rest]
        cut = []
        for k, point in enumerate(rest):
            after, d0, d1 = rest[(k + 1) % len(rest)], depth[k], depth[(k + 1) % len(rest)]
            if d0 >= 0:
                cut.append(point)
            if (d0 >= 0) != (d1 >= 0):
                cut.append(point + (after - point) * d0 / (d0 - d1))
        rest = cut
        if len(rest) < 3:
            return 0.0
    x, y = np.array(rest).T
    return float(0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))
