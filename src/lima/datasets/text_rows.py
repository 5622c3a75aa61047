"""Points written as text: one line each."""

from __future__ import annotations

import numpy as np

from lima.datasets.point_columns import Columns


def read_rows(content: bytes, record: np.dtype, points: int) -> Columns:
    """The columns of `points` lines of numbers. record: names and types; a type with a shape is so many numbers.

    Raises ValueError where lines are missing, have other counts or hold words.
    """
    widths = [int(np.prod(record[name].shape, dtype=int)) for name in record.names or ()]
    lines = [line for line in content.decode("ascii", errors="replace").splitlines() if line.strip()][:points]
    if len(lines) < points:
        raise ValueError(f"{len(lines)} lines of points, {points} were promised: truncated? Copy it again")
    rows = [line.split() for line in lines]
    wrong = next((row for row, words in enumerate(rows) if len(words) != sum(widths)), None)
    if wrong is not None:
        raise ValueError(f"point {wrong} has {len(rows[wrong])} numbers, {sum(widths)} were expected: {lines[wrong]!r}")
    table = np.array(rows, dtype=object).reshape(points, sum(widths))
    columns, place = {}, 0
    for name, width in zip(record.names or (), widths, strict=True):
        field = record[name].base
        if width == 1 and record[name].shape == ():
            columns[name] = _numbers(table[:, place], field, name)
        place += width
    return columns


def _numbers(words: np.ndarray, field: np.dtype, name: str) -> np.ndarray:
    try:
        if field.kind == "f":
            return words.astype(np.float64).astype(field)
        return np.array([int(word) for word in words], dtype=field)
    except (ValueError, OverflowError) as problem:
        raise ValueError(f"{name} is not {field.name} everywhere: {problem}") from None
