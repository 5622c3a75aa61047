"""Crosstalk: echoes of other LiDARs' pulses, received as if they were the sensor's own (Robo3D)."""

from __future__ import annotations

import torch

from lima.evaluate.corruptions.beams import beam_of_point
from lima.evaluate.corruptions.corrupted import Corrupted, Severity, moved
from lima.scene import Sweep

SHARE = {"light": 0.03, "moderate": 0.07, "heavy": 0.12}
"""of the points, for sensors with few beams: those of nuScenes-C"""
SHARE_OF_MANY_BEAMS = {"light": 0.006, "moderate": 0.008, "heavy": 0.010}
"""those of SemanticKITTI-C"""
MANY_BEAMS = 48
"""half-way between the 32 beams of the one and the 64 of the other, which we chose"""
NOISE_M = 3.0
NOISE_OF_INTENSITY = 3.0 / 255
"""the published sets add 3 N(0, 1) to the intensity in the file's own unit, 0 … 255 in nuScenes and 0 … 1 in KITTI; we
take nuScenes' for every sensor, and keep the intensity within 0 … 1"""


def crosstalk(sweep: Sweep, severity: Severity, generator: torch.Generator) -> Corrupted:
    """The sweep with a share of its points elsewhere; these are unreal. The share depends on the number of beams."""
    many = int(beam_of_point(sweep).max()) + 1 >= MANY_BEAMS
    return disturbed(sweep, (SHARE_OF_MANY_BEAMS if many else SHARE)[severity], generator)


def disturbed(sweep: Sweep, share: float, generator: torch.Generator) -> Corrupted:
    """Adds 3 N(0, 1) metres to x, y and z of floor(share x points) points drawn at random, and noise to intensity."""
    count = len(sweep.points_lidar)
    chosen = torch.randperm(count, generator=generator)[: int(share * count)]
    points, intensity = sweep.points_lidar.clone(), sweep.intensity.clone()
    points[chosen] += NOISE_M * torch.randn(len(chosen), 3, generator=generator)
    noise = NOISE_OF_INTENSITY * torch.randn(len(chosen), generator=generator)
    intensity[chosen] = (intensity[chosen] + noise).clamp(0, 1)
    unreal = torch.zeros(count, dtype=torch.bool)
    unreal[chosen] = True
    return moved(sweep, points, intensity, unreal)
