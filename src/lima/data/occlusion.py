"""Which points a camera cannot see, although the LiDAR could: judged from the sweep itself."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float32
from torch import Tensor


def hidden_points(points_cam: Float32[Tensor, "points 3"]) -> Bool[Tensor, "points"]:
    """Placeholder to be measured."""
    return torch.zeros(len(points_cam), dtype=torch.bool)
