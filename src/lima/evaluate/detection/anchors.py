"""Anchors: boxes at every cell of the map that a SECOND head shifts and turns, and which stands for which true box."""

from __future__ import annotations

import math
from collections.abc import Sequence as Series
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lima.evaluate.detection.bev_map import BevMap
from lima.evaluate.detection.classes import DETECTION_CLASSES
from lima.evaluate.detection.lidar_boxes import LENGTH, VX, WIDTH, YAW, LidarBoxes, X, Y, Z

YAWS = (0.0, math.pi / 2)
GROUND_M = -1.84  # nuScenes's LiDAR stands so high above the road
NONE, UNSURE = -1, -2


@dataclass(frozen=True)
class AnchorKind:
    """size_m: length, width, height. positive: an anchor that overlaps a box of its class by so much stands for it.
    negative: one that overlaps none by so much is empty; between the two it is left out of the loss."""

    size_m: tuple[float, float, float]
    positive: float
    negative: float


KINDS: dict[str, AnchorKind] = {
    "car": AnchorKind((4.63, 1.97, 1.74), 0.6, 0.45),
    "truck": AnchorKind((6.93, 2.51, 2.84), 0.55, 0.4),
    "bus": AnchorKind((10.5, 2.94, 3.47), 0.55, 0.4),
    "trailer": AnchorKind((12.29, 2.90, 3.87), 0.5, 0.35),
    "construction_vehicle": AnchorKind((6.37, 2.85, 3.19), 0.5, 0.35),
    "pedestrian": AnchorKind((0.73, 0.67, 1.77), 0.6, 0.4),
    "motorcycle": AnchorKind((2.11, 0.77, 1.47), 0.5, 0.3),
    "bicycle": AnchorKind((1.70, 0.60, 1.28), 0.5, 0.35),
    "traffic_cone": AnchorKind((0.41, 0.41, 1.07), 0.6, 0.4),
    "barrier": AnchorKind((0.50, 2.53, 0.98), 0.55, 0.4),
}
"""mean sizes of nuScenes and thresholds of overlap, from OpenPCDet's configurations"""


def usual_shapes() -> Float[Tensor, "classes 4"]:
    """Of every class the length, width and height of its anchors, and the height of their middle: nuScenes's means."""
    sizes = torch.tensor([KINDS[name].size_m for name in DETECTION_CLASSES])
    return torch.cat([sizes, GROUND_M + sizes[:, 2:] / 2], dim=1)


def measured_shapes(boxes: Series[LidarBoxes]) -> Float[Tensor, "classes 4"]:
    """The means of the boxes that are learned from; nuScenes's for a class that has none."""
    shapes, all_boxes = usual_shapes(), LidarBoxes.concatenate(boxes)
    for cls in torch.unique(all_boxes.classes).tolist():
        of_class = all_boxes.values[all_boxes.classes == cls]
        shapes[cls] = of_class[:, [LENGTH, WIDTH, LENGTH + 2, Z]].mean(dim=0)
    return shapes


def anchors_on(bev: BevMap, shapes: Float[Tensor, "classes 4"]) -> Float[Tensor, "cells classes yaws 7"]:
    """x, y, z, length, width, height, yaw of the anchors at every cell (row * cols + col), at both yaws."""
    centres = bev.cell_centres(shapes.device).view(-1, 1, 1, 2)
    yaws = shapes.new_tensor(YAWS).view(1, 1, -1, 1)
    cells, classes = len(centres), len(shapes)
    wide = (cells, classes, len(YAWS))
    heights, sizes = shapes[None, :, None, 3:], shapes[None, :, None, :3]
    parts = [centres.expand(*wide, 2), heights.expand(*wide, 1), sizes.expand(*wide, 3), yaws.expand(*wide, 1)]
    return torch.cat(parts, dim=3)


def upright_iou(first: Float[Tensor, "boxes 5"], second: Float[Tensor, "others 5"]) -> Float[Tensor, "boxes others"]:
    """Overlap of rectangles (x, y, length, width, yaw) after each is turned to the nearest axis: quick, and near enough
    to say which anchor is meant."""
    (low, high, area), (low_other, high_other, area_other) = _upright(first), _upright(second)
    side = torch.minimum(high[:, None], high_other[None]) - torch.maximum(low[:, None], low_other[None])
    shared = side.clamp(min=0).prod(dim=2)
    return shared / (area[:, None] + area_other[None] - shared)


def _upright(rectangles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    across = rectangles[:, 4].sin().abs() > rectangles[:, 4].cos().abs()
    sides = torch.where(across[:, None], rectangles[:, [3, 2]], rectangles[:, [2, 3]])
    return rectangles[:, :2] - sides / 2, rectangles[:, :2] + sides / 2, sides.prod(dim=1)


def assign(overlap: Float[Tensor, "anchors boxes"], positive: float, negative: float) -> Int64[Tensor, "anchors"]:
    """For every anchor the box it stands for, `NONE` or `UNSURE`. Every box has the anchor that overlaps it best."""
    if overlap.shape[1] == 0:
        return torch.full((len(overlap),), NONE, device=overlap.device)
    best, box = overlap.max(dim=1)
    found = torch.where(best >= positive, box, torch.where(best < negative, NONE, UNSURE))
    highest, anchor = overlap.max(dim=0)
    for number in torch.nonzero(highest > 0)[:, 0].tolist():
        found[anchor[number]] = number
    return found


def encode(boxes: Float[Tensor, "boxes 9"], anchors: Float[Tensor, "boxes 7"]) -> Float[Tensor, "boxes 9"]:
    """What a head must say to make these boxes of these anchors (SECOND): shifts in diagonals and heights, logarithms
    of size, turn, velocity."""
    diagonal = anchors[:, [LENGTH, WIDTH]].norm(dim=1, keepdim=True)
    shift = (boxes[:, :2] - anchors[:, :2]) / diagonal
    rise = (boxes[:, Z : Z + 1] - anchors[:, Z : Z + 1]) / anchors[:, LENGTH + 2 : YAW]
    growth = (boxes[:, LENGTH:YAW] / anchors[:, LENGTH:YAW]).log()
    return torch.cat([shift, rise, growth, boxes[:, YAW : YAW + 1] - anchors[:, YAW:], boxes[:, VX:]], dim=1)


def decode(codes: Float[Tensor, "boxes 9"], anchors: Float[Tensor, "boxes 7"]) -> Float[Tensor, "boxes 9"]:
    """The inverse of `encode`; sizes are held below e⁴ times the anchor's."""
    diagonal = anchors[:, [LENGTH, WIDTH]].norm(dim=1, keepdim=True)
    centre = codes[:, [X, Y]] * diagonal + anchors[:, [X, Y]]
    height = codes[:, Z : Z + 1] * anchors[:, LENGTH + 2 : YAW] + anchors[:, Z : Z + 1]
    sizes = codes[:, LENGTH:YAW].clamp(max=4.0).exp() * anchors[:, LENGTH:YAW]
    return torch.cat([centre, height, sizes, codes[:, YAW : YAW + 1] + anchors[:, YAW:], codes[:, VX:]], dim=1)
