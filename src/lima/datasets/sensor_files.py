"""Files of points, images and labels as nuScenes writes them. Every error names the file and the sensor's token."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from lima.datasets.labels import NO_CLASS
from lima.datasets.pictures import rgb
from lima.datasets.scan_files import FARTHEST_M, opened_image, reading

POINT_BYTES = 20  # x, y, z in metres, intensity 0 … 255, ring: five floats of four bytes
FULL_INTENSITY = 255.0


def read_points(path: Path, token: str) -> Float32[Tensor, "points 5"]:
    """x, y, z, intensity and ring of every point. Raises FileNotFoundError, PermissionError, ValueError."""
    with _reading(path, token, "the points"):
        floats = np.fromfile(path, dtype="<f4")
        size_bytes = path.stat().st_size
    if size_bytes == 0:
        raise ValueError(f"{path} (sample_data {token}) is an empty sweep, at least one point was expected")
    if size_bytes % POINT_BYTES:
        raise ValueError(
            f"{path} (sample_data {token}) has {size_bytes} bytes, which is not a multiple of {POINT_BYTES} "
            f"(x, y, z, intensity, ring as float32): truncated? Copy it again"
        )
    points = torch.from_numpy(floats.reshape(-1, 5))
    finite = torch.isfinite(points).all(dim=1)
    if not bool(finite.all()):
        first = int(torch.nonzero(~finite)[0])
        raise ValueError(
            f"{path} (sample_data {token}): {int((~finite).sum())} of {len(points)} points are NaN or infinite, "
            f"the first is point {first}: {points[first].tolist()}; finite numbers were expected"
        )
    farthest_m, intensity, ring = float(points[:, :3].abs().max()), points[:, 3], points[:, 4]
    lowest, highest = (float(each) for each in intensity.aminmax())
    whole = bool(((ring >= 0) & (ring == ring.round())).all())
    if not (farthest_m <= FARTHEST_M and lowest >= 0 and highest <= FULL_INTENSITY and whole):
        raise ValueError(
            f"{path} (sample_data {token}) has coordinates up to {farthest_m:.3g} m, intensities from {lowest:.4g} to "
            f"{highest:.4g} and rings that are {'' if whole else 'no '}whole numbers; at most {FARTHEST_M:.0f} m, "
            f"0 … 255 and whole numbers from 0 were expected: x, y, z, intensity, ring as float32?"
        )
    return points


def read_pixels(path: Path, token: str, width_px: int, height_px: int) -> UInt8[Tensor, "3 height width"]:
    """The image, of the size that the tables promise. Raises FileNotFoundError, PermissionError, ValueError."""
    with opened_image(path, f"sample_data {token}") as image:
        pixels = rgb(image)
    if pixels.shape[:2] != (height_px, width_px):
        raise ValueError(
            f"{path} (sample_data {token}) is {pixels.shape[1]} x {pixels.shape[0]} px, sample_data.json and the "
            f"intrinsics are for {width_px} x {height_px}: resized images need resized tables"
        )
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def read_labels(
    path: Path, token: str, points: int, class_of_label_id: Int64[np.ndarray, "256"]
) -> Int64[Tensor, "points"]:
    """The class of every point. Raises FileNotFoundError, PermissionError, ValueError."""
    with _reading(path, token, "the labels"):
        ids = np.fromfile(path, dtype=np.uint8)
    if len(ids) != points:
        raise ValueError(
            f"{path} (sample_data {token}) has labels for {len(ids)} points, its sweep has {points}: truncated, or "
            f"of another sweep?"
        )
    labels = class_of_label_id[ids]
    if (labels == NO_CLASS).any():
        unknown = sorted(set(ids[labels == NO_CLASS].tolist()))
        raise ValueError(
            f"{path} (sample_data {token}) has label ids {unknown}, which no category in category.json has as index"
        )
    return torch.from_numpy(labels)


def _reading(path: Path, token: str, what: str) -> AbstractContextManager[None]:
    return reading(path, f"{what} of sample_data {token}")
