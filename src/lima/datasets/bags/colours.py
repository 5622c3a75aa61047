"""Pixels as cameras send them: colours in any order, raw Bayer patterns, luminance and chrominance."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, UInt8

_CHANNELS = {
    "rgb8": (0, 1, 2), "bgr8": (2, 1, 0), "8uc3": (2, 1, 0), "rgba8": (0, 1, 2), "bgra8": (2, 1, 0), "8uc4": (2, 1, 0),
    "mono8": (0,), "8uc1": (0,),
}  # fmt: skip
_BAYER = {"bayer_rggb8": "rggb", "bayer_bggr8": "bggr", "bayer_gbrg8": "gbrg", "bayer_grbg8": "grbg"}
_LUMINANCE = {"yuv422": 1, "uyvy": 1, "yuv422_yuy2": 0, "yuyv": 0}  # which of two bytes is the pixel's own
_BYTES = {"rgb8": 3, "bgr8": 3, "8uc3": 3, "rgba8": 4, "bgra8": 4, "8uc4": 4, "mono8": 1, "8uc1": 1,
          **dict.fromkeys(_BAYER, 1), **dict.fromkeys(_LUMINANCE, 2)}  # fmt: skip
ENCODINGS = tuple(_BYTES)


def pixel_bytes(encoding: str) -> int:
    """Bytes of a pixel. Raises ValueError for encodings that are no picture yet, and says what to do."""
    if encoding not in _BYTES:
        raise ValueError(f"encoding {encoding!r}{_refusal(encoding)}; understood are {', '.join(ENCODINGS)}")
    return _BYTES[encoding]


def coloured(
    encoding: str, rows: UInt8[np.ndarray, "height width bytes"]
) -> UInt8[np.ndarray, "height width channels"]:
    """Red, green and blue, or grey alone."""
    if encoding in _BAYER:
        return from_bayer(_BAYER[encoding], rows[:, :, 0])
    if encoding in _LUMINANCE:
        return _from_luminance(rows, _LUMINANCE[encoding])
    return rows[:, :, list(_CHANNELS[encoding])]


def from_bayer(pattern: str, raw: UInt8[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width 3"]:
    """Colours behind a Bayer filter. pattern: of the first two rows and columns, such as rggb.

    A colour that a pixel has not measured is the mean of those of its eight neighbours that have, those beside it
    counting twice those across (bilinear interpolation).
    """
    colours = np.empty((*raw.shape, 3), dtype=np.uint8)
    for channel, colour in enumerate("rgb"):
        measured = np.zeros(raw.shape, dtype=np.float32)
        for place in (place for place in range(4) if pattern[place] == colour):
            measured[place // 2 :: 2, place % 2 :: 2] = 1
        weight = _spread(measured)
        mean = _spread(measured * raw) / np.where(weight > 0, weight, 1)
        colours[:, :, channel] = np.where(measured > 0, raw, np.floor(mean + 0.5))
    return colours


def _spread(values: Float32[np.ndarray, "height width"]) -> Float32[np.ndarray, "height width"]:
    """Every value given to its neighbours: 4 to itself, 2 beside, 1 across."""
    tall = np.pad(values, ((1, 1), (0, 0)))
    tall = tall[:-2] + 2 * tall[1:-1] + tall[2:]
    wide = np.pad(tall, ((0, 0), (1, 1)))
    return wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]


def _from_luminance(rows: UInt8[np.ndarray, "height width 2"], own: int) -> UInt8[np.ndarray, "height width 3"]:
    """ITU-R BT.601 with luminance 16 … 235, as OpenCV converts; two pixels share their chrominance."""
    if rows.shape[1] % 2:
        raise ValueError(f"pictures of luminance and chrominance have an even width, got {rows.shape[1]}")
    luminance = 1.164 * (rows[:, :, own].astype(np.float32) - 16)
    shared = rows[:, :, 1 - own].astype(np.float32) - 128
    u, v = (np.repeat(shared[:, first::2], 2, axis=1) for first in (0, 1))
    colours = np.stack([luminance + 1.596 * v, luminance - 0.391 * u - 0.813 * v, luminance + 2.018 * u], axis=2)
    return np.clip(np.floor(colours + 0.5), 0, 255).astype(np.uint8)


def _refusal(encoding: str) -> str:
    if encoding in ("16uc1", "32fc1") or "depth" in encoding:
        return " is depth, no picture: choose another topic with --images"
    if encoding.endswith("16"):
        return " has 16 bits per colour: turn it into 8 bits first and import that topic"
    return " is no picture that is known: choose another topic with --images"
