"""Oracle: images of kinds that cameras do not write, made by Pillow."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lima.datasets.pictures import decode_pixels
from lima.datasets.scan_files import read_pixels

PIXELS = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)


def encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()


def test_grey_and_transparent_images_become_red_green_and_blue() -> None:
    grey = PIXELS[..., 0]
    found = decode_pixels(encoded(Image.fromarray(grey)), "here", 8, 6, "the camera")
    assert torch.equal(found, torch.from_numpy(grey).expand(3, 6, 8))
    opaque = Image.fromarray(PIXELS).convert("RGBA")
    found = decode_pixels(encoded(opaque), "here", 8, 6, "the camera")
    assert torch.equal(found, torch.from_numpy(PIXELS).permute(2, 0, 1))


def test_sixteen_bits_are_refused_and_not_clipped(tmp_path: Path) -> None:
    deep = Image.fromarray((PIXELS[..., 0].astype(np.uint16) + 1) * 200)
    with pytest.raises(ValueError, match=r"here: \d+ bytes are no readable image \(pixels of type I;16, 8 bits"):
        decode_pixels(encoded(deep), "here", 8, 6, "the camera")
    deep.save(tmp_path / "deep.png")
    with pytest.raises(ValueError, match=r"deep\.png is not a readable image: pixels of type I;16"):
        read_pixels(tmp_path / "deep.png", 8, 6, "the camera")


def test_images_larger_than_any_camera_s_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged head may promise any size."""
    Image.fromarray(PIXELS).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(ValueError, match=r"large\.png is not a readable image: Image size \(48 pixels\) exceeds"):
        read_pixels(tmp_path / "large.png", 8, 6, "the camera")


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_however_an_image_is_damaged_it_is_said_in_one_line(ending: str, tmp_path: Path) -> None:
    """Cut off at every byte, and with other bytes: pixels come back, or a line that names the file."""
    path = tmp_path / f"image.{ending}"
    Image.fromarray(PIXELS).save(path)
    data, rng = path.read_bytes(), np.random.default_rng(0)
    for place in range(len(data)):
        for changed in (data[:place], data[:place] + rng.bytes(2) + data[place + 2 :]):
            path.write_bytes(changed)
            told = str(path)
            try:
                assert read_pixels(path, 8, 6, "the camera").shape == (3, 6, 8)
            except ValueError as problem:
                told = str(problem)
            assert str(path) in told
            assert "\n" not in told
