"""sensor_msgs/Image and sensor_msgs/CompressedImage as files of pictures."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

_CHANNELS = {
    "rgb8": (0, 1, 2), "bgr8": (2, 1, 0), "8uc3": (2, 1, 0), "rgba8": (0, 1, 2), "bgra8": (2, 1, 0), "8uc4": (2, 1, 0),
    "mono8": (0,), "8uc1": (0,),
}  # fmt: skip
_BYTES = {"rgb8": 3, "bgr8": 3, "8uc3": 3, "rgba8": 4, "bgra8": 4, "8uc4": 4, "mono8": 1, "8uc1": 1}
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

    Raises ValueError for raw Bayer patterns, depth and other encodings that are no picture yet, and for data cut short.
    """
    return _compressed(message) if hasattr(message, "format") else _raw(message)


def _raw(message: Any) -> Picture:
    pixels = raw_pixels(message)
    file = BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(file, "PNG", compress_level=PNG_LEVEL)
    return Picture(file.getvalue(), ".png", int(message.width), int(message.height))


def raw_pixels(message: Any) -> UInt8[np.ndarray, "height width channels"]:
    """Red, green and blue, or grey, of a sensor_msgs/Image."""
    encoding, width, height, step = message.encoding.lower(), int(message.width), int(message.height), int(message.step)
    if encoding not in _CHANNELS:
        raise ValueError(f"encoding {message.encoding!r}{_refusal(encoding)}; understood are {', '.join(_CHANNELS)}")
    wide = width * _BYTES[encoding]
    data = np.asarray(message.data, dtype=np.uint8)
    if width * height == 0 or step < wide or len(data) < step * (height - 1) + wide:
        raise ValueError(
            f"{len(data)} bytes of pixels with step {step}: {width} x {height} of {message.encoding} were promised: "
            f"cut short?"
        )
    rows = np.zeros((height, step), dtype=np.uint8)  # the last row may lack its padding
    rows.reshape(-1)[: min(len(data), step * height)] = data[: step * height]
    return rows[:, :wide].reshape(height, width, -1)[:, :, list(_CHANNELS[encoding])]


def _compressed(message: Any) -> Picture:
    told = message.format.lower()
    encoding = told.split(";")[0].strip()
    if "compresseddepth" in told or encoding.startswith("bayer"):
        raise ValueError(f"format {message.format!r}{_refusal(encoding)}")
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
                raise ValueError(f"a picture of mode {image.mode}, no colours or grey of 8 bits{_refusal('mono16')}")
            return Picture(content, ending, image.width, image.height)
    except (OSError, SyntaxError) as problem:
        raise ValueError(f"a compressed picture that cannot be read ({problem})") from None


def _refusal(encoding: str) -> str:
    """Why such data are no picture yet, and what to do."""
    if encoding.startswith("bayer"):
        return (
            " is a sensor's raw Bayer pattern: turn it into colours first (image_proc's debayer) and import that topic"
        )
    if encoding.startswith(("yuv", "uyvy", "yuyv", "nv")):
        return " is luminance and chrominance: turn it into rgb8 first (image_proc) and import that topic"
    if encoding in ("16uc1", "32fc1") or "depth" in encoding:
        return " is depth, no picture: choose another topic with --images"
    if encoding.startswith(("mono16", "rgb16", "bgr16", "rgba16", "bgra16")):
        return " has 16 bits per colour: turn it into 8 bits first and import that topic"
    return " is no picture that is known: choose another topic with --images"
