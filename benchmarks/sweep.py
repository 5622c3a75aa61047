"""Sweeps for measuring: rays of a spinning LiDAR against a street of boxes, poles and tree crowns."""

from __future__ import annotations

import math

import torch
from torch import Tensor

SENSOR_HEIGHT_M = 1.84
MAX_RANGE_M = 100.0


def street_sweep(beams: int, azimuths: int, lowest_deg: float, highest_deg: float, seed: int = 0) -> Tensor:
    """(points, 4): x, y, z in metres in the LiDAR's frame and an intensity without meaning, in 0 … 1."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(count: int, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    def beside_the_road(count: int, nearest_m: float, farthest_m: float) -> Tensor:
        side = torch.randint(0, 2, (count,), generator=generator) * 2 - 1
        return torch.stack([uniform(count, -70, 70), side * uniform(count, nearest_m, farthest_m)], dim=1)

    elevation = torch.deg2rad(torch.linspace(lowest_deg, highest_deg, beams))
    azimuth = torch.arange(azimuths) / azimuths * 2 * math.pi
    elevation, azimuth = (angle.flatten() for angle in torch.meshgrid(elevation, azimuth, indexing="ij"))
    rays = torch.stack(
        [elevation.cos() * azimuth.cos(), elevation.cos() * azimuth.sin(), elevation.sin()], dim=1
    )  # fmt: skip
    rays = rays + torch.randn(rays.shape, generator=generator) * 1e-4
    distance = torch.where(rays[:, 2] < 0, -SENSOR_HEIGHT_M / rays[:, 2], math.inf)
    kerb = (distance * rays[:, 1]).abs() > 6.5
    distance = torch.where(kerb, distance * (1 - 0.15 / SENSOR_HEIGHT_M), distance)

    boxes = [  # centre, half length, half width, height
        (beside_the_road(60, 3, 14), uniform(60, 1.9, 2.6), uniform(60, 0.8, 1.1), uniform(60, 1.4, 2.2)),
        (beside_the_road(26, 18, 40), uniform(26, 5, 16), uniform(26, 4, 9), uniform(26, 4, 18)),
        (beside_the_road(60, 6, 16), uniform(60, 0.1, 0.15), uniform(60, 0.1, 0.15), uniform(60, 2.5, 8)),
        (beside_the_road(40, 4, 16), uniform(40, 0.2, 1.2), uniform(40, 0.2, 0.5), uniform(40, 0.8, 1.9)),
    ]
    for centres, lengths, widths, heights in boxes:
        for centre, length, width, height in zip(centres, lengths, widths, heights, strict=True):
            middle = torch.tensor([float(centre[0]), float(centre[1]), float(height) / 2 - SENSOR_HEIGHT_M])
            half = torch.tensor([float(length), float(width), float(height) / 2])
            sides = torch.stack([(middle - half) / rays, (middle + half) / rays])
            enter, leave = sides.amin(dim=0).amax(dim=1), sides.amax(dim=0).amin(dim=1)
            distance = torch.where((enter <= leave) & (enter > 0), torch.minimum(distance, enter), distance)
    for centre, radius in zip(beside_the_road(40, 7, 30), uniform(40, 1.2, 3.2), strict=True):
        middle = torch.tensor([float(centre[0]), float(centre[1]), 3.0])
        along = rays @ middle
        inside = radius**2 - middle.square().sum() + along**2
        depth = torch.empty(len(rays)).exponential_(float(1.25 / radius), generator=generator)
        hit = along - inside.clamp(min=0).sqrt() + depth
        crown = (inside > 0) & (hit > 0) & (depth < 2 * inside.clamp(min=0).sqrt())
        distance = torch.where(crown, torch.minimum(distance, hit), distance)

    kept = (distance < MAX_RANGE_M) & (distance > 1) & (torch.rand(len(rays), generator=generator) > 0.03)
    distance = distance + torch.randn(len(rays), generator=generator) * 0.015
    return torch.cat([rays * distance[:, None], torch.rand(len(rays), 1, generator=generator)], dim=1)[kept]


def sweep_32_beams(seed: int = 0) -> Tensor:
    """Like an HDL-32E on a car's roof (nuScenes)."""
    return street_sweep(32, 1090, -30.67, 10.67, seed)


def sweep_64_beams(seed: int = 0) -> Tensor:
    """Like an HDL-64E (SemanticKITTI)."""
    return street_sweep(64, 2083, -24.8, 2.0, seed)
