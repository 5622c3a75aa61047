"""Oracles: arithmetic by hand, and the picture itself: what one pixel shows stays what it shows after resizing."""

import pytest
import torch

from lima.geometry.camera import PinholeCamera

CAMERA = PinholeCamera(fx_px=100.0, fy_px=80.0, cx_px=49.5, cy_px=29.5, width_px=100, height_px=60)


def test_projection_by_hand() -> None:
    # One metre right, half a metre down, at two metres: u = 49.5 + 100 / 2, v = 29.5 + 80 * 0.25.
    uv_px, depth_m = CAMERA.project(torch.tensor([[1.0, 0.5, 2.0], [0.0, 0.0, 5.0]]))
    assert uv_px.tolist() == [[99.5, 49.5], [49.5, 29.5]]
    assert depth_m.tolist() == [2.0, 5.0]
    homogeneous = CAMERA.matrix() @ torch.tensor([1.0, 0.5, 2.0], dtype=torch.float64)
    assert (homogeneous[:2] / homogeneous[2]).tolist() == [99.5, 49.5]


def test_the_image_ends_half_a_pixel_around_the_outer_centres() -> None:
    uv_px = torch.tensor([[-0.5, -0.5], [-0.51, 0.0], [99.49, 59.49], [99.5, 0.0], [0.0, 59.5]])
    assert CAMERA.sees(uv_px, torch.ones(5)).tolist() == [True, False, True, False, False]


def test_what_lies_behind_or_at_the_lens_is_not_seen() -> None:
    uv_px, depth_m = CAMERA.project(torch.tensor([[0.0, 0.0, -3.0], [0.0, 0.0, 0.05], [0.0, 0.0, 0.2]]))
    assert torch.isfinite(uv_px).all()
    assert CAMERA.sees(uv_px, depth_m).tolist() == [False, False, True]


@pytest.mark.parametrize("scale", [0.5, 2.0, 0.37])
def test_resizing_keeps_the_place_in_the_picture(scale: float) -> None:
    resized = CAMERA.resized(round(100 * scale), round(60 * scale))
    points = torch.tensor([[0.3, -0.2, 2.0], [-0.6, 0.4, 3.0]])
    size = torch.tensor([100.0, 60.0])
    resized_size = torch.tensor([resized.width_px, resized.height_px])
    place = (CAMERA.project(points)[0] + 0.5) / size
    assert torch.allclose((resized.project(points)[0] + 0.5) / resized_size, place, atol=1e-6)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        PinholeCamera(0.0, 1.0, 0.0, 0.0, 10, 10)
