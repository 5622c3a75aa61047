"""Sweeps whose every beam is known: a spinning LiDAR on level ground with poles around it, standing or driving."""

from __future__ import annotations

import math

import torch

from lima.evaluate.corruptions.corrupted import KnownClasses
from lima.geometry.rigid import RigidTransform
from lima.scene import Sweep

CLASS_NAMES = ("ignored", "driveable_surface", "car", "manmade")
ROAD, CAR, WALL = 1, 2, 3
HEIGHT_M = 1.8


def spinning(
    beams: int = 32, columns: int = 360, travel_m: float = 0.0, seed: int = 0, with_ring: bool = True
) -> tuple[Sweep, KnownClasses]:
    """Every beam meets the ground 1.8 m below, or before that a car of 8 m range ahead, or a wall 10 … 60 m away.

    travel_m: how far the vehicle drove along x during the turn, which began behind it; the points are shown from where
    the turn ended, as a compensated sweep shows them. Points run up the beams of one column after the other.
    """
    draw = torch.Generator().manual_seed(seed)
    elevation = torch.deg2rad(torch.linspace(-30, 10, beams))[None].expand(columns, beams)
    azimuth = (torch.arange(columns) / columns * 2 * math.pi + math.pi)[:, None].expand(columns, beams)
    wall_m = (10 + 50 * torch.rand(columns, generator=draw))[:, None].expand(columns, beams)
    ground_m = torch.where(elevation < 0, HEIGHT_M / torch.tan(-elevation).clamp(min=1e-6), torch.inf)
    car_m = torch.where((azimuth - 2 * math.pi).abs() < 0.4, 8.0, torch.inf)
    level_m = torch.stack([ground_m, car_m, wall_m]).min(dim=0)
    across_m = level_m.values
    points = torch.stack(
        [across_m * torch.cos(azimuth), across_m * torch.sin(azimuth), across_m * torch.tan(elevation)], dim=2
    )
    turned = (torch.arange(columns) / columns)[:, None].expand(columns, beams)
    points[..., 0] -= travel_m * (1 - turned)
    labels = torch.tensor([ROAD, CAR, WALL])[level_m.indices]
    still = RigidTransform(torch.eye(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64))
    ring = torch.arange(beams)[None].expand(columns, beams).reshape(-1)
    sweep = Sweep(
        points_lidar=points.reshape(-1, 3).contiguous(),
        intensity=0.05 + 0.4 * torch.rand(columns * beams, generator=draw),
        timestamp_ns=0,
        ego_from_lidar=still,
        world_from_ego=still,
        ring=ring if with_ring else None,
    )
    return sweep, KnownClasses(labels.reshape(-1), CLASS_NAMES)


def rings(sweep: Sweep) -> torch.Tensor:
    """The numbers of the beams, which this sweep is known to have."""
    assert sweep.ring is not None
    return sweep.ring


def draw(seed: int = 0) -> torch.Generator:
    """A fresh generator."""
    return torch.Generator().manual_seed(seed)
