"""Points written as text: one line each."""

from __future__ import annotations

import numpy as np

from lima.datasets.point_columns import Columns


def read_rows(content: bytes, record: np.dtype, points: int) -> Columns:
    """The columns of the first `points` lines of numbers. record: names and types; a shape is so many numbers.

    Raises ValueError where lines are missing, have other counts or hold words.
    """
    lines = [line for line in content.decode("ascii", errors="replace").splitlines() if line.strip()][:points]
    if len(lines) < points:
        raise ValueError(f"{len(lines)} lines of points, {points} were promised: truncated? Copy it again")
    if points == 0:
        return {name: np.zeros(0, dtype=record[name]) for name in record.names or ()}
    try:
        table = np.atleast_1d(np.loadtxt(lines, dtype=record, comments=None))
    except ValueError as problem:
        raise ValueError(f"a line of points is not as promised: {str(problem).rstrip('.')} (counted from 0)") from None
    return {name: table[name] for name in record.names or () if record[name].shape == ()}
