"""KITTI's text files: calibration, poses and times, read into plain numbers. Every error names file and line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64, Int64

from lima.datasets.scan_files import read_text
from lima.geometry.rigid import RigidTransform

ROUNDING = 1e-3
"""how far the entries of a rotation may be off because they were written with few digits"""

LATEST_S = 5e9
"""a time beyond it, in the year 2128, is not in seconds"""


def read_keyed(path: Path, what: str) -> dict[str, list[float]]:
    """The lines `key: number number …` (or without the colon) by their keys; lines of other things are left out."""
    found: dict[str, list[float]] = {}
    for line in read_text(path, what).splitlines():
        key, _, rest = line.strip().partition(" ")
        try:
            numbers = [float(word) for word in rest.split()]
        except ValueError:
            continue  # such as calib_time
        if numbers:
            found[key.rstrip(":")] = numbers
    return found


def matrix(
    keyed: dict[str, list[float]], names: tuple[str, ...], shape: tuple[int, int], path: Path
) -> Float64[np.ndarray, "rows columns"]:
    """The matrix under the first of these names that is there. Raises ValueError."""
    for name in names:
        if name in keyed:
            numbers = keyed[name]
            if len(numbers) != shape[0] * shape[1] or not np.isfinite(numbers).all():
                raise ValueError(
                    f"{path}: {name} must be {shape[0] * shape[1]} finite numbers ({shape[0]} x {shape[1]}, row by "
                    f"row), got {len(numbers)}: {numbers[:4]} …"
                )
            return np.array(numbers, dtype=np.float64).reshape(shape)
    raise ValueError(f"{path} has no {' or '.join(names)} (it has {', '.join(keyed) or 'nothing'}): cut short?")


def rigid(entries: Float64[np.ndarray, "3 4"], where: str) -> RigidTransform:
    """A transform whose rotation was written with few digits: the nearest rotation is taken, up to `ROUNDING`.

    Raises ValueError for what is no rotation.
    """
    rotation = entries[:, :3]
    error = float(np.abs(rotation @ rotation.T - np.eye(3)).max())
    if not (error < ROUNDING and np.linalg.det(rotation) > 0):
        raise ValueError(
            f"{where}: the left three columns are no rotation (|R Rᵀ - 1| up to {error:.2g}, determinant "
            f"{np.linalg.det(rotation):.3f}): three rows of rotation and translation were expected"
        )
    left, _, right = np.linalg.svd(rotation)
    nearest = np.concatenate([left @ right, entries[:, 3:]], axis=1)
    return RigidTransform.from_matrix(torch.from_numpy(nearest))


def poses_have_times(path: Path) -> bool:
    """Whether the poses are written with their times (time, x, y, z, quaternion) and not as KITTI writes them."""
    lines = read_text(path, "the poses").splitlines()
    first = next((line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")), [])
    return len(first) == 8


def read_poses(path: Path) -> Float64[np.ndarray, "poses 3 4"]:
    """One pose per line, twelve numbers row by row. Raises FileNotFoundError, PermissionError, ValueError."""
    rows = []
    for number, line in enumerate(read_text(path, "the poses").splitlines(), start=1):
        values = _floats(line, path, number)
        if not values:
            continue
        if len(values) != 12 or not np.isfinite(values).all():
            raise ValueError(
                f"{path}: line {number} must be twelve finite numbers (a pose, row by row), got {len(values)}: "
                f"{line.strip()[:60]!r}"
            )
        rows.append(values)
    if not rows:
        raise ValueError(f"{path} is empty, a pose per line was expected: copy it again")
    return np.array(rows, dtype=np.float64).reshape(-1, 3, 4)


def read_times(path: Path) -> Int64[np.ndarray, "lines"]:
    """Nanoseconds from `times.txt`: a line of seconds per frame. Raises as `read_poses`."""
    times = []
    for number, line in enumerate(read_text(path, "the times").splitlines(), start=1):
        values = _floats(line, path, number)
        if not values:
            continue
        if len(values) != 1 or not abs(values[0]) < LATEST_S:
            raise ValueError(f"{path}: line {number} must be one number of seconds, got {line.strip()[:60]!r}")
        times.append(round(values[0] * 1e9))
    if not times:
        raise ValueError(f"{path} is empty, seconds per frame were expected: copy it again")
    return np.array(times, dtype=np.int64)


def _floats(line: str, path: Path, number: int) -> list[float]:
    try:
        return [float(word) for word in line.split()]
    except ValueError:
        raise ValueError(f"{path}: line {number} must be numbers, got {line.strip()[:60]!r}") from None
