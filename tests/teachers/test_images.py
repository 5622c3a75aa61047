"""Oracle: Pillow's antialiased bilinear resize."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from lima.teachers.images import resized
from tests.teachers.drives import picture


@pytest.mark.parametrize(("height_px", "width_px"), [(32, 64), (37, 41), (96, 120), (48, 200), (20, 96)])
def test_as_pillow_resizes(height_px: int, width_px: int) -> None:
    pixels = picture(0, 48, 96)
    image = Image.fromarray(pixels.permute(1, 2, 0).numpy())
    expected = np.asarray(image.resize((width_px, height_px), Image.Resampling.BILINEAR)).astype(int)
    difference = np.abs(resized(pixels, height_px, width_px).permute(1, 2, 0).numpy().astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.02


def test_the_same_size_is_the_same_picture() -> None:
    pixels = picture(1, 48, 96)
    assert resized(pixels, 48, 96) is pixels


def test_shrinking_covers_every_pixel() -> None:
    """A thin bright line survives with its share of the light, wherever it falls."""
    for column in range(40, 56):
        pixels = torch.zeros(3, 48, 96, dtype=torch.uint8)
        pixels[:, :, column] = 240
        assert resized(pixels, 12, 24)[0, 6].sum().item() == pytest.approx(60, abs=4)
