"""Which points a camera cannot see although the LiDAR could, judged from the sweep itself.

The LiDAR stands higher than the cameras and beside them: it looks over a car and sees the road behind, which in the
image is painted with the car. But the sweep knows of the car: its points lie around the others in the image, nearer.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float32
from torch import Tensor

CELL_RAD = math.radians(0.2)
ROWS_AROUND = 4
"""A surface is known above and below every gap between beams: 9 rows are 1.8 degrees, 32 beams are 1.33 apart."""
COLUMNS_AROUND = 1
"""3 columns are 0.6 degrees, returns of one beam 0.2 … 0.35 apart."""
NEARER_M = 0.5
NEARER_PER_M = 0.012
"""Least difference of the inverse distances. The parallax between LiDAR and camera grows with it; and flat ground 1.5 m
below a camera differs from itself by up to this much within the rows, which reach 1 degree."""


def hidden_points(points_cam: Float32[Tensor, "points 3"]) -> Bool[Tensor, "points"]:
    """Which points clearly nearer ones cover, of points of one sweep in front of a camera.

    Space around the camera is cut into cells of 0.2 degrees in azimuth and elevation. A point is hidden where the
    nearest point within 4 rows and 1 column of its own cell, at distance z, is nearer than itself, at r: z < r - 0.5 m
    and 1/z - 1/r > 0.012 / m. Sizes and bounds were chosen on two of the simulator's towns and measured on all
    with `benchmarks/occlusion.py`; docs/method.md has the figures.
    """
    if len(points_cam) == 0:
        return torch.zeros(0, dtype=torch.bool, device=points_cam.device)
    x, y, z = points_cam.unbind(dim=1)
    column = torch.floor(torch.atan2(x, z) / CELL_RAD).long()
    row = torch.floor(torch.atan2(y, torch.hypot(x, z)) / CELL_RAD).long()
    column, row = column - column.min(), row - row.min()
    rows, columns = int(row.max()) + 1, int(column.max()) + 1
    distance_m = points_cam.norm(dim=1)

    nearness = torch.zeros(rows * columns, device=points_cam.device)  # 1 / m; 0 where no point is
    nearness.scatter_reduce_(0, row * columns + column, 1 / distance_m, "amax")
    around = F.max_pool2d(
        nearness.view(1, rows, columns),
        (2 * ROWS_AROUND + 1, 2 * COLUMNS_AROUND + 1),
        stride=1,
        padding=(ROWS_AROUND, COLUMNS_AROUND),
    )[0, row, column]
    return (around - 1 / distance_m > NEARER_PER_M) & (1 / around < distance_m - NEARER_M)
