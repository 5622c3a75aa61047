"""Images as arrays of pixels, also those that lie inside another file."""

from __future__ import annotations

import io
import struct

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)
"""what Pillow raises for images that are damaged, or larger than any camera's"""


def rgb(image: Image.Image) -> UInt8[np.ndarray, "height width 3"]:
    """The pixels of an opened image in red, green and blue. Raises one of `DAMAGED` where it cannot be decoded."""
    if image.mode.startswith(("I", "F")):
        raise OSError(f"pixels of type {image.mode}, 8 bits a channel were expected")
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def decode_pixels(
    data: bytes, where: str, width_px: int, height_px: int, promised_by: str
) -> UInt8[Tensor, "3 height width"]:
    """The image, of the size it should have. where: file and row, for messages. Raises ValueError."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            pixels = rgb(image)
    except DAMAGED as problem:
        told = str(problem).replace(" <_io.BytesIO object at", "").split(" 0x")[0]
        raise ValueError(f"{where}: {len(data)} bytes are no readable image ({told}). Copy the file again") from None
    if pixels.shape[:2] != (height_px, width_px):
        raise ValueError(
            f"{where}: the image is {pixels.shape[1]} x {pixels.shape[0]} px, {promised_by} is for {width_px} x "
            f"{height_px}: resized images need a calibration of their own"
        )
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
