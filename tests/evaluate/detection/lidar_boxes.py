"""Boxes on a map, far enough from each other that none hides another's peak."""

from __future__ import annotations

import math

import torch

from lima.evaluate.detection.bev_map import BevMap
from lima.evaluate.detection.lidar_boxes import LidarBoxes

BEV = BevMap((-16.0, -12.0), (0.8, 0.8), rows=30, cols=40)


def spread_boxes(seed: int = 0) -> LidarBoxes:
    """One box of every class, and two cars more, at random places of a grid; the last car's velocity is unknown."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.cartesian_prod(torch.arange(4), torch.arange(3))[torch.randperm(12, generator=generator)]
    centres = places * torch.tensor([8.0, 8.0]) + torch.tensor([-12.0, -8.0])
    centres = centres + torch.rand(12, 2, generator=generator) * 2 - 1
    classes = torch.tensor([*range(10), 0, 0])
    sizes = 0.8 + 2.5 * torch.rand(12, 3, generator=generator)
    yaws = (torch.rand(12, 1, generator=generator) * 2 - 1) * math.pi
    velocities = torch.randn(12, 2, generator=generator)
    velocities[-1] = math.nan
    heights = torch.rand(12, 1, generator=generator) - 1
    return LidarBoxes(torch.cat([centres, heights, sizes, yaws, velocities], dim=1), classes, torch.ones(12))


def same_boxes(found: LidarBoxes, wanted: LidarBoxes, atol: float = 1e-4) -> bool:
    """Whether both hold the same boxes in whatever order, yaws modulo a full turn; unknown velocities are left out."""
    if len(found) != len(wanted):
        return False
    used = set()
    for row in range(len(wanted)):
        away = (found.values[:, :2] - wanted.values[row, :2]).norm(dim=1) + 100 * (found.classes != wanted.classes[row])
        near = int(away.argmin())
        used.add(near)
        difference = found.values[near] - wanted.values[row]
        difference[6] = torch.remainder(difference[6] + math.pi, 2 * math.pi) - math.pi
        if float(difference.nan_to_num().abs().max()) > atol:
            return False
    return len(used) == len(wanted)
