"""Writing a plain folder: every file is written beside its place and then renamed, so that it is whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from lima.datasets.point_columns import Points


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file so that nobody ever sees a part of it."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content.encode() if isinstance(content, str) else content)
    os.replace(partial, path)


def records_of(points: Points) -> np.ndarray:
    """Records of x, y, z, and intensity, ring and time where there are any."""
    fields = [("x", "<f4"), ("y", "<f4"), ("z", "<f4")]
    columns = {"intensity": points.intensity, "ring": points.ring, "time": points.time_s}
    fields += [(name, "<i4" if name == "ring" else "<f4") for name, values in columns.items() if values is not None]
    table = np.empty(len(points), dtype=fields)
    for place, name in enumerate("xyz"):
        table[name] = points.xyz_m[:, place]
    for name, values in columns.items():
        if values is not None:
            table[name] = values
    return table


def write_points(path: Path, points: Points) -> None:
    """A .npy of `records_of` them."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        np.save(file, records_of(points))
    os.replace(partial, path)
