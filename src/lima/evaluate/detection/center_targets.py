"""What a CenterPoint head is to say: a peak on the map at every centre, and the rest of the box at that cell."""

from __future__ import annotations

import math
from collections.abc import Sequence as Series
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from lima.evaluate.detection.bev_map import BevMap
from lima.evaluate.detection.lidar_boxes import HEIGHT, LENGTH, VX, WIDTH, YAW, LidarBoxes, Z

MIN_OVERLAP = 0.1
MIN_RADIUS = 2
CODES = ("dx", "dy", "z", "log_length", "log_width", "log_height", "cos", "sin", "vx", "vy")


@dataclass(frozen=True, eq=False)
class CenterTargets:
    """Of one group of classes over a batch. sweeps, cells: of every box, its sweep and cell (row * cols + col)."""

    heat: Float[Tensor, "sweeps classes rows cols"]
    sweeps: Int64[Tensor, "boxes"]
    cells: Int64[Tensor, "boxes"]
    codes: Float[Tensor, "boxes 10"]

    @property
    def is_centre(self) -> Bool[Tensor, "sweeps classes rows cols"]:
        """The cells that hold the centre of a box."""
        return self.heat == 1


def center_targets(
    boxes: Series[LidarBoxes], classes: Series[int], bev: BevMap, device: torch.device | str = "cpu"
) -> CenterTargets:
    """The targets of the boxes of these classes (positions in `DETECTION_CLASSES`).

    Boxes whose centre lies outside of the map are left out. A peak is a Gaussian whose radius lets a box moved by it
    still overlap by a tenth, at least two cells, cut off beyond (CenterPoint, arXiv 2006.11275, with OpenPCDet's
    numbers); where peaks meet, the higher counts.
    """
    heat = torch.zeros(len(boxes), len(classes), bev.rows, bev.cols, device=device)
    none = torch.zeros(0, dtype=torch.int64, device=device)
    sweeps, cells, codes = [none], [none], [torch.zeros(0, len(CODES), device=device)]
    for sweep, all_boxes in enumerate(boxes):
        for channel, cls in enumerate(classes):
            values = all_boxes.values[all_boxes.classes == cls]
            position = bev.positions(values[:, :2])
            corner = position.floor()
            inside = ((corner >= 0) & (corner < corner.new_tensor([bev.cols, bev.rows]))).all(dim=1)
            values, position, corner = values[inside], position[inside], corner[inside]
            for (col, row), box in zip(corner.long().tolist(), values.tolist(), strict=True):
                radius = max(MIN_RADIUS, int(gaussian_radius(box[LENGTH] / bev.cell_m[0], box[WIDTH] / bev.cell_m[1])))
                _draw_peak(heat[sweep, channel], row, col, radius)
            sweeps.append(torch.full((len(values),), sweep, device=device))
            cells.append(corner[:, 1].long() * bev.cols + corner[:, 0].long())
            yaw = values[:, YAW]
            parts = [position - corner, values[:, Z : Z + 1], values[:, LENGTH : HEIGHT + 1].log()]
            codes.append(torch.cat([*parts, yaw.cos()[:, None], yaw.sin()[:, None], values[:, VX:]], dim=1))
    return CenterTargets(heat, torch.cat(sweeps), torch.cat(cells), torch.cat(codes))


def boxes_from_codes(codes: Float[Tensor, "boxes 10"], cells: Int64[Tensor, "boxes"], bev: BevMap) -> Tensor:
    """The (boxes, 9) values that the codes at these cells (row * cols + col) say."""
    corner = torch.stack([cells % bev.cols, torch.div(cells, bev.cols, rounding_mode="floor")], dim=1)
    centres = bev.centres(codes[:, :2] + corner)
    yaw = torch.atan2(codes[:, 7], codes[:, 6])
    sizes = codes[:, 3:6].clamp(max=4.0).exp()  # e⁴ m is longer than anything on the road
    return torch.cat([centres, codes[:, 2:3], sizes, yaw[:, None], codes[:, 8:]], dim=1)


def gaussian_radius(length: float, width: float, overlap: float = MIN_OVERLAP) -> float:
    """How far, in cells, both corners of a box may move and it still overlaps itself by `overlap` (CornerNet).

    The smallest of three cases: one corner out and one in, both in, both out.
    """
    total, area = length + width, length * width
    moved = (total - math.sqrt(total**2 - 4 * area * (1 - overlap) / (1 + overlap))) / 2
    inner = (2 * total - math.sqrt(4 * total**2 - 16 * (1 - overlap) * area)) / 8
    outer = (-2 * overlap * total + math.sqrt(4 * overlap**2 * total**2 + 16 * overlap * (1 - overlap) * area)) / (
        8 * overlap
    )
    return min(moved, inner, outer)


def _draw_peak(heat: Tensor, row: int, col: int, radius: int) -> None:
    """Raises the map, in place, to a Gaussian of a sixth of the diameter around the cell."""
    sigma = (2 * radius + 1) / 6
    rows = torch.arange(max(0, row - radius), min(heat.shape[0], row + radius + 1), device=heat.device)
    cols = torch.arange(max(0, col - radius), min(heat.shape[1], col + radius + 1), device=heat.device)
    away = (rows[:, None] - row) ** 2 + (cols[None] - col) ** 2
    part = heat[int(rows[0]) : int(rows[-1]) + 1, int(cols[0]) : int(cols[-1]) + 1]
    torch.maximum(part, torch.exp(-away / (2 * sigma**2)), out=part)
