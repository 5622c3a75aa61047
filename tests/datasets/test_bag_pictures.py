"""Oracle: colours by the definition of the encodings, in loops and by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from lima.datasets.bags.colours import ENCODINGS, from_bayer
from lima.datasets.bags.pictures import picture_of, raw_pixels


@dataclass
class RawMessage:
    """sensor_msgs/Image."""

    encoding: str
    data: np.ndarray
    width: int = 2
    height: int = 1
    step: int = 0

    def __post_init__(self) -> None:
        self.step = self.step or len(self.data) // self.height


@dataclass
class CompressedMessage:
    """sensor_msgs/CompressedImage."""

    format: str
    data: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))


def file_of(pixels: np.ndarray, kind: str = "PNG") -> np.ndarray:
    file = BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return np.frombuffer(file.getvalue(), np.uint8)


def bayer_in_loops(pattern: str, raw: np.ndarray) -> np.ndarray:
    """Bilinear interpolation as one says it: the nearest measured neighbours, two beside count twice."""
    height, width = raw.shape
    colours = np.zeros((height, width, 3))
    for row in range(height):
        for column in range(width):
            for channel, colour in enumerate("rgb"):
                if pattern[row % 2 * 2 + column % 2] == colour:
                    colours[row, column, channel] = raw[row, column]
                    continue
                total = weights = 0.0
                for down in (-1, 0, 1):
                    for right in (-1, 0, 1):
                        y, x = row + down, column + right
                        if 0 <= y < height and 0 <= x < width and pattern[y % 2 * 2 + x % 2] == colour:
                            weight = 2.0 if 0 in (down, right) else 1.0
                            total, weights = total + weight * raw[y, x], weights + weight
                colours[row, column, channel] = np.floor(total / weights + 0.5)
    return colours.astype(np.uint8)


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_patterns_become_colours(pattern: str) -> None:
    raw = np.random.default_rng(0).integers(0, 256, (7, 10)).astype(np.uint8)
    colours = from_bayer(pattern, raw)
    assert np.array_equal(colours, bayer_in_loops(pattern, raw))
    message = RawMessage(f"bayer_{pattern}8", raw.reshape(-1), width=10, height=7)
    assert np.array_equal(raw_pixels(message), colours)
    picture = picture_of(CompressedMessage(f"bayer_{pattern}8; png compressed ", file_of(raw)))
    assert np.array_equal(np.array(Image.open(BytesIO(picture.content))), colours)


def test_a_bayer_picture_of_one_colour_is_that_colour() -> None:
    raw = np.tile(np.array([[200, 100], [100, 50]], np.uint8), (4, 5))
    assert (from_bayer("rggb", raw) == (200, 100, 50)).all()


@pytest.mark.parametrize(("encoding", "own_first"), [("yuv422", False), ("uyvy", False), ("yuv422_yuy2", True)])
def test_luminance_and_chrominance(encoding: str, own_first: bool) -> None:
    """Red in BT.601 is Y 82, U 90, V 240, grey of half the light Y 126 with both at 128; two pixels of each."""
    pairs = np.array([[82, 90], [82, 240], [126, 128], [126, 128]], np.uint8)
    data = (pairs if own_first else pairs[:, ::-1]).reshape(-1)
    pixels = raw_pixels(RawMessage(encoding, data, width=4))[0].astype(int)
    assert np.abs(pixels[:2] - (255, 0, 0)).max() <= 2
    assert np.abs(pixels[2:] - 128).max() <= 1


@pytest.mark.parametrize(
    ("encoding", "data", "expected"),
    [
        ("rgb8", [1, 2, 3, 4, 5, 6], [[1, 2, 3], [4, 5, 6]]),
        ("bgr8", [3, 2, 1, 6, 5, 4], [[1, 2, 3], [4, 5, 6]]),
        ("8UC3", [3, 2, 1, 6, 5, 4], [[1, 2, 3], [4, 5, 6]]),
        ("rgba8", [1, 2, 3, 9, 4, 5, 6, 9], [[1, 2, 3], [4, 5, 6]]),
        ("bgra8", [3, 2, 1, 9, 6, 5, 4, 9], [[1, 2, 3], [4, 5, 6]]),
        ("mono8", [7, 8], [[7], [8]]),
    ],
)
def test_orders_of_colours(encoding: str, data: list[int], expected: list[list[int]]) -> None:
    assert raw_pixels(RawMessage(encoding, np.array(data, np.uint8)))[0].tolist() == expected


def test_rows_may_be_padded_except_the_last() -> None:
    data = np.array([1, 2, 99, 99, 3, 4], np.uint8)
    assert raw_pixels(RawMessage("mono8", data, height=2, step=4))[:, :, 0].tolist() == [[1, 2], [3, 4]]
    with pytest.raises(ValueError, match="cut short"):
        raw_pixels(RawMessage("mono8", data[:5], height=2, step=4))


def test_compressed_pictures_stay_as_they_are() -> None:
    data = file_of(np.full((8, 6, 3), 90, np.uint8), "JPEG")
    picture = picture_of(CompressedMessage("bgr8; jpeg compressed bgr8", data))
    assert (picture.content, picture.ending, picture.width_px, picture.height_px) == (data.tobytes(), ".jpg", 6, 8)
    colours = picture_of(CompressedMessage("bayer_rggb8; jpeg compressed bgr8", data))
    assert colours.content == data.tobytes()  # the publisher has made colours of it


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (RawMessage("16UC1", np.zeros(4, np.uint8)), "is depth, no picture"),
        (RawMessage("mono16", np.zeros(4, np.uint8)), "16 bits"),
        (RawMessage("bayer_rggb16", np.zeros(4, np.uint8)), "16 bits"),
        (RawMessage("hologram", np.zeros(4, np.uint8)), f"understood are {', '.join(ENCODINGS)}"),
        (CompressedMessage("16UC1; compressedDepth"), "is depth, no picture"),
        (CompressedMessage("h264", np.arange(9, dtype=np.uint8)), "neither JPEG nor PNG"),
        (CompressedMessage("png", file_of(np.zeros((9, 9), np.uint8))[:-20]), "has no end"),
        (CompressedMessage("png", file_of(np.zeros((9, 9), np.uint16))), "8 bits were expected"),
    ],
)
def test_what_is_no_picture_says_what_to_do(message: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        picture_of(message)
