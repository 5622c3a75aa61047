"""Files of points, labels and images as KITTI and its relatives write them. Every error names the file."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as Series
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from PIL import Image
from torch import Tensor

from lima.datasets.label_maps import LABEL_IDS, NO_CLASS, LabelMap
from lima.datasets.pictures import DAMAGED, rgb

FARTHEST_M = 10_000.0
"""no LiDAR measures that far: such numbers are of another type, or mean something else"""
MOST_COLUMNS = 16
UNIT_TOLERANCE = 1e-3


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Around whatever opens a file: says which file should have held what, and what to do."""
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path} is missing, where {what} should be: were all archives unpacked here?"
        ) from None
    except PermissionError:
        raise PermissionError(f"{path}, {what}, may not be read: give yourself the right to (chmod u+r)") from None


def read_text(path: Path, what: str) -> str:
    """Its text. Raises FileNotFoundError, PermissionError, ValueError for what is no text."""
    with reading(path, what):
        data = path.read_bytes()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text, though {what} should be: damaged? Copy it again") from None


def read_points(path: Path, columns: int) -> Float32[np.ndarray, "points columns"]:
    """x, y, z in metres, intensity and whatever else, one row per point.

    `.bin` holds float32 numbers one after the other, `.npy` an array of two axes. Raises FileNotFoundError,
    PermissionError, ValueError.
    """
    points = _read_array(path, columns) if path.suffix == ".npy" else _read_floats(path, columns)
    if len(points) == 0:
        raise ValueError(f"{path} is an empty sweep, at least one point was expected: recorded or copied to the end?")
    finite = np.isfinite(points).all(axis=1)
    if not finite.all():
        first = int(np.argmin(finite))
        raise ValueError(
            f"{path}: {int((~finite).sum())} of {len(points)} points are NaN or infinite, the first is point {first}: "
            f"{points[first].tolist()}; finite numbers were expected: leave them out, and their labels"
        )
    farthest_m = float(np.abs(points[:, :3]).max())
    if farthest_m > FARTHEST_M:
        raise ValueError(
            f"{path} has coordinates up to {farthest_m:.3g} m, at most {FARTHEST_M:.0f} m were expected: is it made of "
            f"{columns} float32 numbers per point, in metres?"
        )
    return points


def unit_intensity(
    raw: Float32[np.ndarray, "points"], largest: float | None, path: Path
) -> Float32[np.ndarray, "points"]:
    """Intensity from 0 to 1. largest: what the set's full scale is, None where nothing tells.

    Where nothing tells, a sweep with values above 1 counts to 255. Raises ValueError beyond the scale.
    """
    lowest, highest = float(raw.min()), float(raw.max())
    if largest is None:
        largest = 1.0 if highest <= 1 + UNIT_TOLERANCE else 255.0
    if lowest < 0 or highest > largest * (1 + UNIT_TOLERANCE):
        raise ValueError(
            f"{path} has intensities from {lowest:.4g} to {highest:.4g}, 0 … {largest:g} was expected: is the number "
            f"of columns right, or was another scale used?"
        )
    return np.clip(raw / np.float32(largest), 0, 1)


def read_labels(path: Path, points: int, label_map: LabelMap) -> Int64[Tensor, "points"]:
    """The class of every point. Raises FileNotFoundError, PermissionError, ValueError."""
    if path.suffix == ".npy":
        labels = load_array(path, "the labels").reshape(-1)
        if labels.dtype.kind not in "iu":
            raise ValueError(f"{path} has labels of type {labels.dtype}, whole numbers were expected")
    else:
        with reading(path, "the labels"):
            size_bytes = path.stat().st_size
            if size_bytes % 4:
                raise ValueError(f"{path} has {size_bytes} bytes, no multiple of 4 (uint32 labels): truncated?")
            labels = np.fromfile(path, dtype="<u4")
    if len(labels) != points:
        raise ValueError(
            f"{path} has labels for {len(labels)} points, its sweep has {points}: truncated, or of another sweep?"
        )
    classes = label_map.class_of_id[labels.astype(np.int64) & (LABEL_IDS - 1)]
    if (classes == NO_CLASS).any():
        unknown = sorted(set((labels[classes == NO_CLASS] & (LABEL_IDS - 1)).tolist()))
        raise ValueError(
            f"{path} has label ids {unknown[:8]}, which label map {label_map.name} does not have: labels of another "
            f"set? docs/formats.md says how each set is told from the others"
        )
    return torch.from_numpy(classes)


@contextmanager
def opened_image(path: Path, of: str = "") -> Iterator[Image.Image]:
    """Around whatever is read of an image. of: whose it is, for messages.

    Raises FileNotFoundError, PermissionError, ValueError where it cannot be decoded.
    """
    try:
        with reading(path, f"the image of {of}" if of else "the image"), Image.open(path) as image:
            yield image
    except (FileNotFoundError, PermissionError):
        raise
    except DAMAGED as problem:
        named = f"{path} ({of})" if of else f"{path}"
        raise ValueError(f"{named} is not a readable image: {problem}. Copy it again") from problem


def read_pixels(path: Path, width_px: int, height_px: int, promised_by: str) -> UInt8[Tensor, "3 height width"]:
    """The image, of the size it should have. Raises FileNotFoundError, PermissionError, ValueError."""
    with opened_image(path) as image:
        pixels = rgb(image)
    if pixels.shape[:2] != (height_px, width_px):
        raise ValueError(
            f"{path} is {pixels.shape[1]} x {pixels.shape[0]} px, {promised_by} is {width_px} x {height_px}: resized "
            f"images need a calibration of their own, all of a camera's alike"
        )
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, read from the head of the file. Raises as `read_pixels`."""
    with opened_image(path) as image:
        return image.size


def first_image_size(paths: Series[Path]) -> tuple[Path, tuple[int, int]]:
    """The first image that can be opened, and its size. Damaged ones before it say so when they are read themselves.

    Raises as `image_size` where none can be opened.
    """
    for path in paths:
        try:
            return path, image_size(path)
        except (ValueError, OSError):
            continue
    return paths[0], image_size(paths[0])


def _read_floats(path: Path, columns: int) -> Float32[np.ndarray, "points columns"]:
    with reading(path, "the points"):
        size_bytes = path.stat().st_size
        if size_bytes % (4 * columns):
            raise ValueError(
                f"{path} has {size_bytes} bytes, which is not a multiple of {4 * columns} ({columns} float32 numbers "
                f"per point): truncated? Copy it again"
            )
        return np.fromfile(path, dtype="<f4").reshape(-1, columns)


def _read_array(path: Path, columns: int) -> Float32[np.ndarray, "points columns"]:
    array = load_array(path, "the points")
    if array.ndim != 2 or not columns <= array.shape[1] <= MOST_COLUMNS or array.dtype.kind not in "fiu":
        raise ValueError(
            f"{path} holds {array.dtype} numbers of shape {array.shape}, (points, {columns}) floats were expected: "
            f"transposed, or of something else?"
        )
    return np.ascontiguousarray(array[:, :columns], dtype=np.float32)


def load_array(path: Path, what: str) -> np.ndarray:
    """The array of a .npy file. Raises FileNotFoundError, PermissionError, ValueError."""
    try:
        with reading(path, what):
            array = np.load(path, allow_pickle=False)
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as problem:  # whatever a damaged head may lead to
        told = " ".join(str(problem).split())[:120]
        raise ValueError(f"{path} is not a readable .npy array ({told}): truncated? Copy it again") from None
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{path} is an archive of arrays, one array was expected")
    return array
