"""Which ground is taken: rectangles that must not overlap."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

COLUMNS = 5
"""x, y, yaw, half length, half width; world, metres and radians."""


class Footprints:
    """A growing set of rectangles on the ground."""

    def __init__(self) -> None:
        self._rows = np.zeros((256, COLUMNS))
        self._count = 0

    @property
    def rows(self) -> NDArray[np.float64]:
        """(rectangles, 5) x, y, yaw, half length, half width."""
        return self._rows[: self._count]

    def is_free(self, row: NDArray[np.float64]) -> bool:
        """Whether a rectangle touches none of those taken."""
        return bool(first_overlap(self.rows, row) < 0)

    def take(self, row: NDArray[np.float64]) -> None:
        if self._count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[self._count] = row
        self._count += 1


def footprint(
    pose: NDArray[np.float64], centre_m: NDArray[np.float64], size_m: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The rectangle under a box given in its thing's frame, at a pose (4, 4) world_from_thing."""
    x, y, _ = pose[:3, :3] @ centre_m + pose[:3, 3]
    return np.array([x, y, np.arctan2(pose[1, 0], pose[0, 0]), size_m[0] / 2, size_m[1] / 2])


@numba.njit(cache=True, error_model="numpy")
def first_overlap(rows: NDArray[np.float64], row: NDArray[np.float64]) -> int:
    """Index of the first of `rows` (rectangles, 5) that overlaps `row`, -1 if none does."""
    reach = np.hypot(row[3], row[4])
    for k in range(len(rows)):
        if np.hypot(rows[k, 0] - row[0], rows[k, 1] - row[1]) > reach + np.hypot(rows[k, 3], rows[k, 4]):
            continue
        if rectangles_overlap(rows[k], row):
            return k
    return -1


@numba.njit(cache=True, error_model="numpy")
def rectangles_overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Separating axes: two rectangles are apart if they are apart along a side of one of them."""
    return not (_apart(a, b) or _apart(b, a))


@numba.njit(cache=True, error_model="numpy")
def _apart(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Whether a line along a side of `a` separates the two."""
    cos_a, sin_a = np.cos(a[2]), np.sin(a[2])
    dx, dy = b[0] - a[0], b[1] - a[1]
    turn = b[2] - a[2]
    cos_turn, sin_turn = abs(np.cos(turn)), abs(np.sin(turn))
    if abs(dx * cos_a + dy * sin_a) > a[3] + b[3] * cos_turn + b[4] * sin_turn:
        return True
    return abs(-dx * sin_a + dy * cos_a) > a[4] + b[3] * sin_turn + b[4] * cos_turn
