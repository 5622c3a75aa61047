"""Pictures at the size a teacher wants."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import UInt8
from torch import Tensor


def resized(
    pixels: UInt8[Tensor, "3 full_height full_width"], height_px: int, width_px: int
) -> UInt8[Tensor, "3 height width"]:
    """The whole picture at another size, as Pillow's BILINEAR makes it (at most one grey level away).

    Antialiased: when it shrinks, a pixel is the weighted mean of all it covers, so that lane markings and poles do not
    come and go with the sampling. The shape of the picture may change; positions given as fractions stay valid.
    """
    if pixels.shape[1:] == (height_px, width_px):
        return pixels
    return F.interpolate(pixels[None], size=(height_px, width_px), mode="bilinear", antialias=True)[0]
