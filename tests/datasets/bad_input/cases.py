"""What may be wrong with data, what a format makes of it, and ways to do it that several formats share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.datasets.damage import (
    Change,
    content,
    half,
)

ROWS = (
    "missing file",
    "empty file",
    "truncated file",
    "wrong type of numbers",
    "wrong shape",
    "NaN points",
    "infinite points",
    "image of another size",
    "unknown label",
    "a time twice",
    "time runs backwards",
    "a camera missing in a frame",
    "a sweep without points",
)
"""and, for all formats alike: ten million points, files without permission, paths with spaces and umlauts"""
MANY = 10_000_000


@dataclass(frozen=True)
class Refused:
    """The one line that is said has all these words."""

    words: tuple[str, ...]
    change: Change
    error: type[Exception] = ValueError


@dataclass(frozen=True)
class Works:
    """It is read. fewer_images: than before."""

    change: Change
    fewer_images: int = 0


@dataclass(frozen=True)
class CannotBe:
    """The format has no such thing."""

    why: str


def as_it_lies(root: Path) -> Path:
    """Most folders are opened as they are."""
    return root


@dataclass(frozen=True)
class BadFormat:
    """How a format is written, and what is done to it.

    sweep: the file of a sweep, whose permission is taken away. many: makes one sweep one of `MANY` points. prepare:
    from the folder as it was written to one that can be opened.
    """

    name: str
    write: Callable[[Path], Any]
    sweep: str
    cases: Mapping[str, Refused | Works | CannotBe]
    many: Change
    prepare: Callable[[Path], Path] = field(default=as_it_lies)


def floats(relative: str, columns: int, change: Callable[[np.ndarray], np.ndarray]) -> Change:
    def rewrite(root: Path) -> None:
        change(np.fromfile(root / relative, dtype="<f4").reshape(-1, columns)).tofile(root / relative)

    return rewrite


def with_value(number: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(points: np.ndarray) -> np.ndarray:
        points[[3, 5], 2] = number
        return points

    return change


def another_column(points: np.ndarray) -> np.ndarray:
    """As many numbers as a file of whole points has, all the same."""
    fitting = len(points) // points.shape[1] * points.shape[1]
    return np.concatenate([points, points[:, :1]], axis=1)[:fitting]


def doubles(points: np.ndarray) -> np.ndarray:
    return points.astype(np.float64)


def many_floats(scan: str, columns: int, labels: str | None = None, label: int = 0) -> Change:
    def write(root: Path) -> None:
        points = np.full((MANY, columns), 0.5, dtype=np.float32)
        points[:, 4:] = 3
        points.tofile(root / scan)
        if labels is not None:
            np.full(MANY, label, dtype=np.uint32).tofile(root / labels)

    return write


def scan_cases(scan: str, columns: int = 4) -> dict[str, Refused | Works | CannotBe]:
    return {
        "empty file": Refused((scan, "empty sweep", "at least one point was expected"), content(scan, "")),
        "truncated file": Refused((scan, "not a multiple of", "truncated?"), half(scan)),
        "wrong type of numbers": Refused((scan, "expected"), floats(scan, columns, doubles)),
        "wrong shape": Refused((scan, "expected"), floats(scan, columns, another_column)),
        "NaN points": Refused(
            (scan, "points are NaN or infinite", "point 3"), floats(scan, columns, with_value(np.nan))
        ),
        "infinite points": Refused((scan, "points are NaN or infinite"), floats(scan, columns, with_value(-np.inf))),
        "a sweep without points": Refused((scan, "empty sweep"), content(scan, "")),
    }


def times(relative: str, *seconds: float) -> Change:
    return content(relative, "".join(f"{second}\n" for second in seconds))


def array(relative: str, made: np.ndarray | Callable[[], np.ndarray]) -> Change:
    return lambda root: np.save(root / relative, made() if callable(made) else made)


def cells(column: str, change: Callable[[Any], Any], row: int = 1) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Another list, or another picture, in one row."""

    def rewrite(table: pd.DataFrame) -> pd.DataFrame:
        made = list(table[column])
        made[row] = change(made[row])
        return table.assign(**{column: pd.Series(made, dtype=object)})

    return rewrite


def upside_down(table: pd.DataFrame) -> pd.DataFrame:
    return table[::-1].reset_index(drop=True)
