"""Motion blur: the sweep is displaced as a whole and every point trembles, as on a rough road (Robo3D)."""

from __future__ import annotations

import torch

from lima.evaluate.corruptions.corrupted import Corrupted, Severity, moved
from lima.scene import Sweep

SPREAD_M = {"light": 0.20, "moderate": 0.25, "heavy": 0.30}
TREMBLE = (0.1, 0.1, 0.05)
"""of x, y and z, as shares of the spread"""


def motion_blur(sweep: Sweep, severity: Severity, generator: torch.Generator) -> Corrupted:
    """The sweep blurred with Robo3D's spreads. Points stay what they are, so their labels hold."""
    return blurred(sweep, SPREAD_M[severity], generator)


def blurred(sweep: Sweep, spread_m: float, generator: torch.Generator) -> Corrupted:
    """One shift N(0, spread)^3 for all points; N(0, 0.1, 0.1, 0.05 of the spread) for each, cut at 3 x spread."""
    shift = spread_m * torch.randn(3, generator=generator)
    tremble = spread_m * torch.tensor(TREMBLE) * torch.randn(sweep.points_lidar.shape, generator=generator)
    points = sweep.points_lidar + shift + tremble.clamp(-3 * spread_m, 3 * spread_m)
    return moved(sweep, points, sweep.intensity, torch.zeros(len(points), dtype=torch.bool))
