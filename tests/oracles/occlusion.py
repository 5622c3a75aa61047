"""The occlusion test by its definition: for every point, look at every other."""

from __future__ import annotations

import math

from torch import Tensor


def slow_hidden_points(points_cam: Tensor) -> list[bool]:
    cells = []
    for x, y, z in points_cam.tolist():
        azimuth, elevation = math.degrees(math.atan2(x, z)), math.degrees(math.atan2(y, math.hypot(x, z)))
        cells.append((math.floor(azimuth / 0.2), math.floor(elevation / 0.2), math.sqrt(x * x + y * y + z * z)))
    return [
        any(
            abs(other_column - column) <= 1
            and abs(other_row - row) <= 4
            and other_m < distance_m - 0.5
            and 1 / other_m - 1 / distance_m > 0.012
            for other_column, other_row, other_m in cells
        )
        for column, row, distance_m in cells
    ]
