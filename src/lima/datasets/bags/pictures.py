"""sensor_msgs/Image and sensor_msgs/CompressedImage as files of pictures."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from lima.datasets.bags.colours import coloured, pixel_bytes

_MAGIC = {b"\xff\xd8\xff": ".jpg", b"\x89PNG\r\n\x1a\n": ".png"}
_ENDS = {".jpg": b"\xff\xd9", ".png": b"IEND\xaeB`\x82"}
_MODES = ("L", "RGB", "RGBA", "P", "LA", "CMYK", "1")
PNG_LEVEL = 1


@dataclass(frozen=True)
class Picture:
    """A picture as a file: its bytes, its ending, its size."""

    content: bytes
    ending: str
    width_px: int
    height_px: int


def picture_of(message: Any) -> Picture:
    """Compressed pictures keep their bytes; raw ones become PNG, without loss.

    Raises ValueError for depth and other encodings that are no picture yet, and for data cut short.
    """
    return _compressed(message) if hasattr(message, "format") else _png(raw_pixels(message))


def raw_pixels(message: Any) -> UInt8[np.ndarray, "height width channels"]:
    """Red, green and blue, or grey, of a sensor_msgs/Image."""
    encoding, width, height, step = message.encoding.lower(), int(message.width), int(message.height), int(message.step)
    wide = width * pixel_bytes(encoding)
    data = np.asarray(message.data, dtype=np.uint8)
    if width * height == 0 or step < wide or len(data) < step * (height - 1) + wide:
        raise ValueError(
            f"{len(data)} bytes of pixels with step {step}: {width} x {height} of {message.encoding} were promised: "
            f"cut short?"
        )
    rows = np.zeros((height, step), dtype=np.uint8)  # the last row may lack its padding
    rows.reshape(-1)[: min(len(data), step * height)] = data[: step * height]
    return coloured(encoding, rows[:, :wide].reshape(height, width, -1))


def _compressed(message: Any) -> Picture:
    told = message.format.lower()
    encoding = told.split(";")[0].strip()
    if "compresseddepth" in told:
        raise ValueError(f"format {message.format!r} is depth, no picture: choose another topic with --images")
    content = bytes(memoryview(message.data))
    ending = next((ending for magic, ending in _MAGIC.items() if content.startswith(magic)), None)
    if ending is None:
        begin = content[:4].hex(" ") or "nothing"
        raise ValueError(
            f"format {message.format!r} holds neither JPEG nor PNG (it begins with {begin}): videos and others must be "
            f"turned into one of them first"
        )
    if _ENDS[ending] not in content[-64:]:
        raise ValueError(f"the {ending[1:].upper()} picture of {len(content)} bytes has no end: cut short?")
    try:
        with Image.open(BytesIO(content)) as image:
            if image.mode not in _MODES:
                raise ValueError(f"a picture of mode {image.mode}, colours or grey of 8 bits were expected")
            if encoding.startswith("bayer") and image.mode == "L":  # the pattern itself was compressed
                pixel_bytes(encoding)
                return _png(coloured(encoding, np.array(image)[:, :, None]))
            return Picture(content, ending, image.width, image.height)
    except (OSError, SyntaxError) as problem:
        raise ValueError(f"a compressed picture that cannot be read ({problem})") from None


def _png(pixels: UInt8[np.ndarray, "height width channels"]) -> Picture:
    file = BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(file, "PNG", compress_level=PNG_LEVEL)
    return Picture(file.getvalue(), ".png", pixels.shape[1], pixels.shape[0])
