"""Files of points: .bin, .npy, .pcd and .ply, each as columns by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from lima.datasets import pcd, ply
from lima.datasets.point_columns import Columns, Points, points_of
from lima.datasets.scan_files import MOST_COLUMNS, load_array, reading

ENDINGS = (".bin", ".npy", ".pcd", ".ply")


def read_points(path: Path, columns: tuple[str, ...] | None, timestamp_ns: int | None) -> Points:
    """The points of a file.

    columns: what the numbers of a point are, for .bin (float32) and .npy without names of its own; the other formats
    tell. timestamp_ns: of the sweep, which the points' times are counted from; None where they do not count. Raises
    FileNotFoundError, PermissionError, and ValueError that names the file, for files that are empty, cut short, or hold
    something else.
    """
    readers = {".bin": _read_bin, ".npy": _read_npy, ".pcd": _read_pcd, ".ply": _read_ply}
    try:
        with reading(path, "a sweep's points"):
            if path.stat().st_size == 0:
                raise ValueError("an empty file, the points of a sweep were expected: copy it again")
            found = points_of(readers[path.suffix.lower()](path, columns), timestamp_ns)
    except ValueError as problem:
        if str(problem).startswith(str(path)):
            raise
        raise ValueError(f"{path}: {problem}") from None
    if len(found) == 0:
        raise ValueError(f"{path} is an empty sweep, at least one point was expected: take the file away")
    return found


def _read_bin(path: Path, columns: tuple[str, ...] | None) -> Columns:
    if columns is None:
        raise ValueError(
            "a .bin file does not tell what its numbers are; say it in calibration.yaml, such as "
            "points: {columns: [x, y, z, intensity]}"
        )
    size_bytes, point_bytes = path.stat().st_size, 4 * len(columns)
    if size_bytes % point_bytes:
        raise ValueError(
            f"{size_bytes} bytes are no multiple of {point_bytes} ({', '.join(columns)} as float32): truncated, or "
            f"other columns?"
        )
    return _named(np.fromfile(path, dtype="<f4").reshape(-1, len(columns)), columns)


def _read_npy(path: Path, columns: tuple[str, ...] | None) -> Columns:
    points = load_array(path, "a sweep's points")
    if points.dtype.names:
        if points.ndim != 1:
            raise ValueError(f"records of shape {points.shape}: one row of records was expected")
        return {name: points[name] for name in points.dtype.names if points.dtype[name].shape == ()}
    transposed = points.ndim == 2 and points.shape[0] <= MOST_COLUMNS < points.shape[1]
    if points.ndim != 2 or points.dtype.kind != "f" or points.shape[1] < 3 or transposed:
        hint = ": transposed?" if transposed else ""
        raise ValueError(
            f"an array of shape {points.shape} and type {points.dtype}: (points, columns) of float32 or float64, x y z "
            f"first, was expected{hint}"
        )
    if columns is None:
        if points.shape[1] > 4:
            raise ValueError(
                f"{points.shape[1]} columns without names; say in calibration.yaml what they are, such as "
                f"points: {{columns: [x, y, z, intensity, ring]}}"
            )
        columns = ("x", "y", "z", "intensity")[: points.shape[1]]
    if points.shape[1] != len(columns):
        raise ValueError(f"{points.shape[1]} columns, calibration.yaml names {len(columns)}: {', '.join(columns)}")
    return _named(points, columns)


def _read_pcd(path: Path, _: tuple[str, ...] | None) -> Columns:
    return pcd.read(path)


def _read_ply(path: Path, _: tuple[str, ...] | None) -> Columns:
    return ply.read(path)


def _named(points: Shaped[np.ndarray, "points columns"], columns: tuple[str, ...]) -> Columns:
    return {name: points[:, place] for place, name in enumerate(columns)}
