"""SECOND's head: for every anchor whether it stands for a box, how that differs from it, and which way it faces.

Yan et al., SECOND, 2018, in the shape of OpenPCDet's `AnchorHeadSingle`, but an anchor of one class answers for that
class alone, as in its multi-head (Zhu et al., arXiv 1908.09492).
"""

from __future__ import annotations

import math
from collections.abc import Sequence as Series

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from lima.evaluate.detection.anchors import (
    KINDS,
    NONE,
    UNSURE,
    YAWS,
    anchors_on,
    assign,
    decode,
    encode,
    upright_iou,
    usual_shapes,
)
from lima.evaluate.detection.bev_map import BevMap
from lima.evaluate.detection.classes import DETECTION_CLASSES
from lima.evaluate.detection.lidar_boxes import LENGTH, VX, WIDTH, YAW, LidarBoxes, X, Y
from lima.train.processes import ALONE, Processes

CODES = 9
FIRST_SHARE = 0.01
BOX_WEIGHT, DIRECTION_WEIGHT, VELOCITY_WEIGHT = 2.0, 0.2, 0.2
SMOOTH_BELOW = 1 / 9
FOCAL_ALPHA = 0.25
CANDIDATES = 500
DIRECTION_OFFSET = math.pi / 4
"""where the full turn is cut into two halves: far from the yaws along a street"""

Answers = tuple[Tensor, Tensor, Tensor]
"""of the anchors of every sweep: logits (sweeps, anchors), codes (sweeps, anchors, 9), directions (sweeps, anchors, 2);
anchors by cell, class and yaw"""


class AnchorHead(nn.Module):
    """Three 1² convolutions on the map. shapes: of the anchors, part of the weights; see `anchors.measured_shapes`."""

    shapes: Tensor

    def __init__(self, in_dim: int, bev: BevMap, box_weight: float = BOX_WEIGHT) -> None:
        super().__init__()
        self.bev, self.box_weight = bev, box_weight
        per_cell = len(DETECTION_CLASSES) * len(YAWS)
        self.conv_cls = nn.Conv2d(in_dim, per_cell, 1)
        self.conv_box = nn.Conv2d(in_dim, per_cell * CODES, 1)
        self.conv_dir_cls = nn.Conv2d(in_dim, per_cell * 2, 1)
        self.register_buffer("shapes", usual_shapes())
        assert self.conv_cls.bias is not None
        nn.init.constant_(self.conv_cls.bias, math.log(FIRST_SHARE / (1 - FIRST_SHARE)))
        nn.init.normal_(self.conv_box.weight, std=0.001)

    def forward(self, maps: Float[Tensor, "sweeps dim rows cols"]) -> Answers:
        def by_anchor(answers: Tensor, width: int) -> Tensor:
            anchors = answers.shape[1:].numel() // width
            wide = answers.to(torch.promote_types(answers.dtype, torch.float32))
            return wide.permute(0, 2, 3, 1).reshape(len(answers), anchors, width)

        logits = by_anchor(self.conv_cls(maps), 1)[..., 0]
        return logits, by_anchor(self.conv_box(maps), CODES), by_anchor(self.conv_dir_cls(maps), 2)

    def loss(
        self, found: Answers, boxes: Series[LidarBoxes], processes: Processes = ALONE
    ) -> dict[str, Float[Tensor, ""]]:
        """Focal loss of what stands for a box, smooth L1 of the boxes, cross-entropy of their directions.

        Each per anchor that stands for a box, of those of all processes; of several, this one's share.
        """
        logits, codes, directions = found
        anchors = anchors_on(self.bev, self.shapes)
        stands_for = torch.full(logits.shape, NONE, device=logits.device)
        targets = torch.zeros(0, 9, device=logits.device)
        for row, of_sweep in zip(stands_for, boxes, strict=True):
            row[:] = self.assignment(anchors, of_sweep)
            targets = torch.cat([targets, of_sweep.values[row[row >= 0]]])
        hit = stands_for >= 0
        count = processes.total(hit.sum()).clamp(min=1)
        own = anchors.view(1, -1, 7).expand(len(boxes), -1, -1)[hit]
        box = box_loss(codes[hit], encode(targets, own)) / count
        direction = F.cross_entropy(directions[hit], direction_of(targets[:, YAW]), reduction="sum") / count
        score = focal_loss(logits, hit)[stands_for != UNSURE].sum() / count
        return {"score": score, "box": self.box_weight * box, "direction": DIRECTION_WEIGHT * direction}

    def assignment(self, anchors: Tensor, boxes: LidarBoxes) -> Int64[Tensor, "anchors"]:
        """For every anchor, by cell, class and yaw, the row of its box, `NONE` or `UNSURE`."""
        cells, classes, yaws, _ = anchors.shape
        found = torch.full((cells, classes, yaws), NONE, device=anchors.device)
        seen_from_above = [X, Y, LENGTH, WIDTH, YAW]
        for cls in torch.unique(boxes.classes).tolist():
            rows = torch.nonzero(boxes.classes == cls)[:, 0]
            of_class = anchors[:, cls].reshape(-1, 7)[:, seen_from_above]
            kind = KINDS[DETECTION_CLASSES[cls]]
            overlap = upright_iou(of_class, boxes.values[rows][:, seen_from_above])
            own = assign(overlap, kind.positive, kind.negative)
            found[:, cls] = torch.where(own >= 0, rows[own.clamp(min=0)], own).view(cells, yaws)
        return found.flatten()

    def candidates(self, found: Answers, min_score: float) -> list[LidarBoxes]:
        """For every sweep the best boxes of every class, before suppression."""
        logits, codes, directions = found
        anchors = anchors_on(self.bev, self.shapes)
        cells, classes, yaws, _ = anchors.shape
        of_class = anchors.transpose(0, 1).reshape(classes, -1, 7)
        result = []
        for sweep in range(len(logits)):
            parts = []
            for cls in range(classes):

                def own(answers: Tensor, cls: int = cls) -> Tensor:
                    return answers.view(cells, classes, yaws, -1)[:, cls].flatten(0, 1)

                scores, rows = own(logits[sweep]).squeeze(1).sigmoid().topk(min(CANDIDATES, cells * yaws))
                rows, scores = rows[scores > min_score], scores[scores > min_score]
                values = decode(own(codes[sweep])[rows], of_class[cls, rows])
                values[:, YAW] = facing(values[:, YAW], own(directions[sweep])[rows].argmax(dim=1))
                parts.append(LidarBoxes(values, torch.full_like(rows, cls), scores))
            result.append(LidarBoxes.concatenate(parts))
        return result


def focal_loss(logits: Float[Tensor, "*axes"], positive: Tensor) -> Float[Tensor, "*axes"]:
    """-α (1 - p)² log p for a positive, -(1 - α) p² log(1 - p) for a negative (Lin et al., arXiv 1708.02002)."""
    p = logits.sigmoid()
    right = -FOCAL_ALPHA * (1 - p) ** 2 * F.logsigmoid(logits)
    wrong = -(1 - FOCAL_ALPHA) * p**2 * F.logsigmoid(-logits)
    return torch.where(positive, right, wrong)


def box_loss(said: Float[Tensor, "boxes 9"], wanted: Float[Tensor, "boxes 9"]) -> Float[Tensor, ""]:
    """Smooth L1 summed over the codes; of the turn its sine, blind to half turns; an unknown velocity is left out."""
    known = torch.isfinite(wanted)
    away = said - wanted.nan_to_num()
    away = torch.cat([away[:, :YAW], away[:, YAW : YAW + 1].sin(), VELOCITY_WEIGHT * away[:, VX:]], dim=1)
    size = torch.where(known, away, torch.zeros_like(away)).abs()
    return torch.where(size < SMOOTH_BELOW, size**2 / (2 * SMOOTH_BELOW), size - SMOOTH_BELOW / 2).sum()


def direction_of(yaws: Float[Tensor, "boxes"]) -> Int64[Tensor, "boxes"]:
    """In which half of the turn from π/4 a yaw lies: 0 from π/4 to 5π/4, 1 beyond."""
    return ((yaws - DIRECTION_OFFSET) % (2 * math.pi) >= math.pi).long()


def facing(yaws: Float[Tensor, "boxes"], directions: Int64[Tensor, "boxes"]) -> Float[Tensor, "boxes"]:
    """The yaw, or the one half a turn away, that lies in the given half."""
    return (yaws - DIRECTION_OFFSET) % math.pi + DIRECTION_OFFSET + math.pi * directions
