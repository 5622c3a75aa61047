"""What is done to a student's points, and to nothing else: targets stay with the sequence and travel along."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float32, Float64
from torch import Tensor

SCALE_RANGE = (0.95, 1.05)


def random_augmentation(
    generator: torch.Generator, scale_range: tuple[float, float] = SCALE_RANGE
) -> Float64[Tensor, "3 3"]:
    """A random flip, rotation about the vertical and scale, as one matrix: augmented = matrix @ point.

    x and y each change sign with probability one half, then everything turns by a uniform angle and is scaled by a
    factor from `scale_range`, 0.95 to 1.05 (the settings of the base code that the paper's authors build on).
    """
    flip_x, flip_y, turn, size = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
    angle = 2 * math.pi * turn
    scale = scale_range[0] + (scale_range[1] - scale_range[0]) * size
    rotation = torch.tensor(
        [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]], dtype=torch.float64
    )
    flips = torch.diag(torch.tensor([-1 if flip_x < 0.5 else 1, -1 if flip_y < 0.5 else 1, 1], dtype=torch.float64))
    return scale * rotation @ flips


def augment(
    points_lidar: Float32[Tensor, "points 3"],
    generator: torch.Generator,
    scale_range: tuple[float, float] = SCALE_RANGE,
) -> Float32[Tensor, "points 3"]:
    """The points under a random augmentation, in metres about the sensor, in their order; `generator` is on the CPU."""
    matrix = random_augmentation(generator, scale_range).to(points_lidar)
    return points_lidar @ matrix.T
