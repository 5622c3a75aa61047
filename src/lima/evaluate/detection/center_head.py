"""CenterPoint's head: a map of centres for every class, and the box at each cell (Yin et al., arXiv 2006.11275)."""

from __future__ import annotations

import math
from collections.abc import Sequence as Series

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lima.evaluate.detection.bev_map import BevMap
from lima.evaluate.detection.center_targets import CenterTargets, boxes_from_codes, center_targets
from lima.evaluate.detection.classes import DETECTION_CLASSES, GROUPS
from lima.evaluate.detection.lidar_boxes import LidarBoxes
from lima.train.processes import ALONE, Processes

SHARED_DIM = 64
BRANCHES = {"center": 2, "center_z": 1, "dim": 3, "rot": 2, "vel": 2}
FIRST_SHARE = 0.1  # of the cells, what a fresh map of centres says
BOX_WEIGHT = 0.25
CODE_WEIGHTS = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.2, 0.2)
"""velocities count a fifth, as in CenterPoint; OpenPCDet's list of weights has another order than its codes, so that
its fifth falls on the yaw"""
CANDIDATES = 500


class GroupHead(nn.Module):
    """Of one group of classes: two convolutions each for the map of centres and for the parts of the box."""

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        for name, out_dim in BRANCHES.items():
            self.add_module(name, _branch(dim, out_dim))
        self.hm = _branch(dim, classes)
        last = self.hm[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.constant_(last.bias, math.log(FIRST_SHARE / (1 - FIRST_SHARE)))

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """The logits of the map of centres (sweeps, classes, rows, cols) and the codes (sweeps, 10, rows, cols)."""
        return self.hm(maps), torch.cat([getattr(self, name)(maps) for name in BRANCHES], dim=1)


class CenterHead(nn.Module):
    """Heads for the groups of `GROUPS` behind one shared convolution of `shared_dim` channels."""

    def __init__(self, in_dim: int, bev: BevMap, shared_dim: int = SHARED_DIM, box_weight: float = BOX_WEIGHT) -> None:
        super().__init__()
        if shared_dim < 1:
            raise ValueError(f"a centerpoint head has at least one channel, got head_channels = {shared_dim}")
        self.bev, self.box_weight = bev, box_weight
        self.shared_conv = nn.Sequential(
            nn.Conv2d(in_dim, shared_dim, 3, padding=1), nn.BatchNorm2d(shared_dim), nn.ReLU()
        )
        self.heads_list = nn.ModuleList([GroupHead(shared_dim, len(group)) for group in GROUPS])
        self.classes = [[DETECTION_CLASSES.index(name) for name in group] for group in GROUPS]

    def forward(self, maps: Float[Tensor, "sweeps dim rows cols"]) -> list[tuple[Tensor, Tensor]]:
        """For every group logits and codes."""
        shared = self.shared_conv(maps)
        return [head(shared) for head in self.heads_list]

    def loss(
        self, found: Series[tuple[Tensor, Tensor]], boxes: Series[LidarBoxes], processes: Processes = ALONE
    ) -> dict[str, Float[Tensor, ""]]:
        """Focal loss per centre and L1 per box, each summed over the groups; of several processes, this one's share.

        A group's centres are counted over the sweeps of all processes, cells that two boxes share once; so are boxes.
        """
        device = found[0][0].device
        targets = [center_targets(boxes, classes, self.bev, device) for classes in self.classes]
        centres = processes.total(torch.stack([of_group.is_centre.sum() for of_group in targets])).clamp(min=1)
        count = processes.total(torch.tensor([len(of_group.cells) for of_group in targets], device=device)).clamp(min=1)
        heat, box = torch.zeros((), device=device), torch.zeros((), device=device)
        for group, (logits, codes) in enumerate(found):
            wide = torch.promote_types(logits.dtype, torch.float32)
            heat = heat + centre_focal_loss(logits.to(wide), targets[group].heat) / centres[group]
            box = box + _box_loss(codes.to(wide), targets[group]) / count[group]
        return {"heat": heat, "box": self.box_weight * box}

    def candidates(self, found: Series[tuple[Tensor, Tensor]], min_score: float) -> list[LidarBoxes]:
        """For every sweep the boxes at the peaks (none of the eight cells around is higher), before suppression."""
        per_group = []
        for (logits, codes), classes in zip(found, self.classes, strict=True):
            scores = logits.float().sigmoid()
            peak = F.max_pool2d(scores, 3, stride=1, padding=1) == scores
            scores = (scores * peak).flatten(2)
            best, cell = scores.topk(min(CANDIDATES, scores.shape[2]), dim=2)
            per_group.append((best, cell, codes.float().flatten(2), classes))
        return [self._of_sweep(sweep, per_group, min_score) for sweep in range(len(found[0][0]))]

    def _of_sweep(self, sweep: int, groups: Series[tuple[Tensor, Tensor, Tensor, list[int]]], low: float) -> LidarBoxes:
        parts = []
        for best, cell, codes, classes in groups:
            for channel, cls in enumerate(classes):
                kept = best[sweep, channel] > low
                cells, scores = cell[sweep, channel][kept], best[sweep, channel][kept]
                values = boxes_from_codes(codes[sweep][:, cells].T, cells, self.bev)
                parts.append(LidarBoxes(values, torch.full_like(cells, cls), scores))
        return LidarBoxes.concatenate(parts)


def centre_focal_loss(logits: Float[Tensor, "*axes"], heat: Float[Tensor, "*axes"]) -> Float[Tensor, ""]:
    """CornerNet's focal loss, summed: cells at a peak count as positives, those near one less as negatives.

    Where target = 1: -(1 - p)² log p; elsewhere -(1 - target)⁴ p² log(1 - p). To be divided by the number of centres.
    """
    p = logits.sigmoid()
    at_peak = -((1 - p) ** 2) * F.logsigmoid(logits)
    elsewhere = -((1 - heat) ** 4) * p**2 * F.logsigmoid(-logits)
    return torch.where(heat == 1, at_peak, elsewhere).sum()


def _box_loss(codes: Float[Tensor, "sweeps 10 rows cols"], targets: CenterTargets) -> Float[Tensor, ""]:
    """L1 over all boxes, weighted by code; an unknown velocity does not count."""
    at = codes.flatten(2)[targets.sweeps, :, targets.cells]
    known = torch.isfinite(targets.codes)
    away = torch.where(known, (at - targets.codes.nan_to_num()).abs(), torch.zeros_like(at))
    return (away * away.new_tensor(CODE_WEIGHTS)).sum()


def _branch(dim: int, out_dim: int) -> nn.Sequential:
    hidden = nn.Sequential(nn.Conv2d(dim, dim, 3, padding=1), nn.BatchNorm2d(dim), nn.ReLU())
    return nn.Sequential(hidden, nn.Conv2d(dim, out_dim, 3, padding=1))
