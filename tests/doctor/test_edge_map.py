"""Oracle: pictures with one straight border."""

import math

import pytest
import torch

from lima.doctor.edge_map import blurred, edge_map
from lima.geometry.camera import PinholeCamera

CAMERA = PinholeCamera(fx_px=400.0, fy_px=400.0, cx_px=79.5, cy_px=39.5, width_px=160, height_px=80)


def two_halves(low: int, high: int) -> torch.Tensor:
    """Dark on the left, bright from column 60 on."""
    pixels = torch.full((3, 80, 160), low, dtype=torch.uint8)
    pixels[:, :, 60:] = high
    return pixels


def test_an_edge_is_where_the_border_is() -> None:
    edges = edge_map(two_halves(20, 220), CAMERA)
    assert edges.camera == CAMERA, "coarse enough as it is"
    right, down = edges.strength
    assert set(right.argmax(dim=1).tolist()) <= {59, 60}
    torch.testing.assert_close(right[:, 59], right[:, 60])  # the border is between the two
    assert float(down.max()) < 1e-3, "nothing changes downwards"


def test_contrast_hardly_counts() -> None:
    strong, weak = (edge_map(two_halves(100, high), CAMERA).strength.max() for high in (250, 130))
    assert float(strong / weak) < 1.5, "the step is five times as high"


def test_fine_images_are_made_coarser() -> None:
    fine = CAMERA.resized(1600, 800)
    edges = edge_map(two_halves(20, 220).repeat_interleave(10, 1).repeat_interleave(10, 2), fine)
    assert edges.camera.fx_px * math.radians(1) == pytest.approx(10, rel=0.01)
    expected = edges.camera.width_px * 60 / 160
    assert abs(float(edges.strength[0].argmax(dim=1).float().mean()) + 0.5 - expected) < 1


def test_blurring_keeps_the_sum_and_the_place() -> None:
    picture = torch.zeros(1, 41, 41)
    picture[0, 20, 20] = 1
    soft = blurred(picture, 2.0)
    torch.testing.assert_close(soft.sum(), torch.tensor(1.0))
    assert int(soft.argmax()) == 20 * 41 + 20
    torch.testing.assert_close(soft, soft.flip(1))
