"""How strongly an image changes at every pixel, compared with its surroundings."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float32, UInt8
from torch import Tensor

from lima.geometry.camera import PinholeCamera

PIXELS_PER_DEGREE = 10.0  # finer images are made coarser: neither calibrations nor sweeps are finer
SURROUNDINGS_DEG = 2.0
NOISE = 0.004  # of a grey value's step between two pixels, 1 is from black to white
SHARP_PX = 0.7


@dataclass(frozen=True, eq=False)
class EdgeMap:
    """strength: of changes to the right and downwards, 1 is usual around there. camera: of the map."""

    strength: Float32[Tensor, "2 rows columns"]
    camera: PinholeCamera


def edge_map(pixels: UInt8[Tensor, "3 height width"], camera: PinholeCamera) -> EdgeMap:
    """The grey image's gradients, each divided by its mean within some two degrees, so that contrast does not count."""
    per_degree = camera.fx_px * math.radians(1)
    scale = min(1.0, PIXELS_PER_DEGREE / per_degree)
    camera = camera.resized(max(8, round(camera.width_px * scale)), max(8, round(camera.height_px * scale)))
    size = (camera.height_px, camera.width_px)
    grey = (pixels.float().mean(dim=0) / 255)[None, None]
    if grey.shape[2:] != size:
        grey = F.interpolate(grey, size, mode="area")
    grey = blurred(grey[0], SHARP_PX)[None]
    right = F.pad(grey[..., 2:] - grey[..., :-2], (1, 1, 0, 0)).abs()
    down = F.pad(grey[..., 2:, :] - grey[..., :-2, :], (0, 0, 1, 1)).abs()
    strength = torch.cat([right, down], dim=1)
    coarse = F.avg_pool2d(strength, 4, ceil_mode=True, count_include_pad=False)
    usual = blurred(coarse[0], SURROUNDINGS_DEG * min(PIXELS_PER_DEGREE, per_degree) / 4)
    usual = F.interpolate(usual[None], size, mode="bilinear")
    return EdgeMap((strength / (usual + NOISE))[0], camera)


def blurred(maps: Float32[Tensor, "*axes rows columns"], sigma_px: float) -> Float32[Tensor, "*axes rows columns"]:
    """Smoothed by a Gaussian; the border's values go on beyond it."""
    reach = max(1, round(3 * sigma_px))
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma_px) ** 2)
    weights = weights / weights.sum()
    flat = maps.reshape(-1, 1, *maps.shape[-2:])
    flat = F.conv2d(F.pad(flat, (reach, reach, 0, 0), mode="replicate"), weights.view(1, 1, 1, -1))
    flat = F.conv2d(F.pad(flat, (0, 0, reach, reach), mode="replicate"), weights.view(1, 1, -1, 1))
    return flat.reshape(maps.shape)
