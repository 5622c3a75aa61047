"""Oracle: OpenCV's own models of lenses, and a straight line that stays one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lima.geometry.camera import PinholeCamera
from lima.geometry.distortion import Distortion, Model, Undistortion

cv2 = pytest.importorskip("cv2", reason="needs opencv-python-headless (requirements-dev.txt)")
CAMERA = PinholeCamera(120.0, 118.0, 79.0, 61.0, 160, 120)
K = np.array([[120.0, 0, 79.0], [0, 118.0, 61.0], [0, 0, 1]])
LENSES: dict[str, tuple[Model, tuple[float, ...]]] = {
    "four": ("plumb_bob", (-0.3, 0.1, 0.001, -0.002)),
    "five": ("plumb_bob", (-0.2, 0.05, 0.003, 0.002, -0.01)),
    "rational": ("rational_polynomial", (0.4, 0.2, 0.001, -0.001, 0.02, 0.7, 0.3, 0.05)),
    "fisheye": ("equidistant", (0.05, -0.02, 0.003, -0.001)),
}


@pytest.mark.parametrize(("model", "coefficients"), LENSES.values(), ids=LENSES)
def test_points_are_drawn_where_opencv_draws_them(model: Model, coefficients: tuple[float, ...]) -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.uniform(-0.6, 0.6, (200, 2)), np.ones((200, 1))], axis=1)
    project = cv2.fisheye.projectPoints if model == "equidistant" else cv2.projectPoints
    drawn, _ = project(points[:, None], np.zeros(3), np.zeros(3), K, np.array(coefficients))
    xy = Distortion(model, coefficients).distorted(torch.from_numpy(points[:, :2])).numpy()
    assert np.abs(xy * (120.0, 118.0) + (79.0, 61.0) - drawn[:, 0]).max() < 1e-9


@pytest.mark.parametrize(("model", "coefficients"), LENSES.values(), ids=LENSES)
def test_pictures_are_undistorted_as_opencv_does(model: Model, coefficients: tuple[float, ...]) -> None:
    """OpenCV rounds to a thirty-second of a pixel: on a smooth picture that is less than a shade or two."""
    v, u = np.mgrid[:120, :160]
    picture = np.stack([128 + 100 * np.sin(u / 15), 128 + 100 * np.cos(v / 11), u * 0.9 + v * 0.5], axis=2)
    picture = picture.astype(np.uint8)
    if model == "equidistant":
        x, y = cv2.fisheye.initUndistortRectifyMap(K, np.array(coefficients), np.eye(3), K, (160, 120), cv2.CV_32FC1)
    else:
        x, y = cv2.initUndistortRectifyMap(K, np.array(coefficients), None, K, (160, 120), cv2.CV_32FC1)
    expected = cv2.remap(picture, x, y, cv2.INTER_LINEAR)
    found = Undistortion(CAMERA, Distortion(model, coefficients)).apply(torch.from_numpy(picture).permute(2, 0, 1))
    inside = (x > 1) & (x < 158) & (y > 1) & (y < 118)
    assert inside.mean() > 0.5
    assert np.abs(found.permute(1, 2, 0).numpy().astype(int) - expected)[inside].max() <= 2


def test_nothing_beyond_the_reach_of_the_model() -> None:
    """1 - 0.5 r² turns back at r = sqrt(2 / 3): the slope of r - 0.5 r³ is 0 there."""
    lens = Distortion("plumb_bob", (-0.5, 0.0, 0.0, 0.0))
    assert lens.reach(2.0) == pytest.approx(np.sqrt(2 / 3), abs=0.005)
    wide = PinholeCamera(40.0, 40.0, 79.5, 59.5, 160, 120)
    drawn = Undistortion(wide, lens).apply(torch.full((3, 120, 160), 255, dtype=torch.uint8))
    assert int(drawn[0, 60, 80]) == 255
    assert int(drawn[0, 60, 0]) == 0


def test_a_lens_that_does_nothing_changes_nothing() -> None:
    picture = torch.randint(0, 256, (3, 120, 160), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    still = Undistortion(CAMERA, Distortion("plumb_bob", (0.0, 0.0, 0.0, 0.0, 0.0)))
    assert torch.equal(still.apply(picture), picture)


@pytest.mark.parametrize(
    ("model", "coefficients", "words"),
    [
        ("plumb_bob", (0.1,), "4 or 5 coefficients, got 1"),
        ("equidistant", (0.1,) * 5, "4 coefficients, got 5"),
        ("plumb_bob", (0.1, 0.2, 0.0, float("nan")), "must be finite"),
    ],
)
def test_other_counts_are_refused(model: Model, coefficients: tuple[float, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Distortion(model, coefficients)
