"""Takes out of the traffic whoever would drive or walk through somebody or something else."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from streetsim.things import Trajectory
from streetsim.town.footprints import rectangles_overlap

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


def track(trajectory: Trajectory, centre_m: Array, size_m: Array, times_s: Array) -> Array:
    """(samples, 5) rectangles on the ground under a box given in its mover's frame, see `town.footprints`."""
    x, y = (np.interp(times_s, trajectory.times_s, trajectory.positions_m[:, k]) for k in range(2))
    yaw = np.interp(times_s, trajectory.times_s, trajectory.angles_rad[:, 0])
    x = x + np.cos(yaw) * centre_m[0] - np.sin(yaw) * centre_m[1]
    y = y + np.sin(yaw) * centre_m[0] + np.cos(yaw) * centre_m[1]
    half = np.broadcast_to(size_m[:2] / 2, (len(times_s), 2))
    return np.stack([x, y, yaw, half[:, 0], half[:, 1]], -1)


def without_overlaps(tracks: Array, groups: Indices, standing: Array) -> NDArray[np.bool_]:
    """Which movers to keep so that no two rectangles ever overlap.

    Whoever overlaps something that stands goes first; then, as long as movers overlap each other, the group with the
    most others in its way.

    Args:
        tracks: (movers, samples, 5) rectangles over time, see `town.footprints`.
        groups: (movers,) parts of one vehicle share a group and never overlap each other; group 0 is always kept.
        standing: (rectangles, 5).

    Returns:
        bool (movers,).
    """
    kept_groups = np.ones(int(groups.max()) + 1, np.bool_)
    kept_groups[groups[hits_standing(tracks, standing)]] = False
    kept_groups[0] = True
    pairs = _overlapping_groups(tracks, groups)
    while True:
        pairs = pairs & kept_groups[:, None] & kept_groups[None, :]
        conflicts = pairs.sum(1)
        conflicts[0] = 0
        if not conflicts.any():
            return kept_groups[groups]
        kept_groups[len(conflicts) - 1 - int(np.argmax(conflicts[::-1]))] = False


@numba.njit(cache=True, error_model="numpy")
def hits_standing(tracks: Array, standing: Array) -> NDArray[np.bool_]:
    """(movers,) whether a mover ever overlaps something that stands."""
    movers, samples = tracks.shape[:2]
    hits = np.zeros(movers, np.bool_)
    for mover in range(movers):
        low_x, high_x = tracks[mover, :, 0].min() - 25.0, tracks[mover, :, 0].max() + 25.0
        low_y, high_y = tracks[mover, :, 1].min() - 25.0, tracks[mover, :, 1].max() + 25.0
        for k in range(len(standing)):
            if hits[mover]:
                break
            x, y = standing[k, 0], standing[k, 1]
            if x < low_x or x > high_x or y < low_y or y > high_y:
                continue
            reach = standing[k, 3] + standing[k, 4] + tracks[mover, 0, 3] + tracks[mover, 0, 4]
            for sample in range(samples):
                if abs(tracks[mover, sample, 0] - x) > reach or abs(tracks[mover, sample, 1] - y) > reach:
                    continue
                if rectangles_overlap(tracks[mover, sample], standing[k]):
                    hits[mover] = True
                    break
    return hits


@numba.njit(cache=True, error_model="numpy")
def _overlapping_groups(tracks: Array, groups: Indices) -> NDArray[np.bool_]:
    """(groups, groups) whether any parts of two groups ever overlap."""
    movers, samples = tracks.shape[:2]
    count = groups.max() + 1
    pairs = np.zeros((count, count), np.bool_)
    for a in range(movers):
        for b in range(a + 1, movers):
            if groups[a] == groups[b] or pairs[groups[a], groups[b]]:
                continue
            reach = tracks[a, 0, 3] + tracks[a, 0, 4] + tracks[b, 0, 3] + tracks[b, 0, 4]
            for sample in range(samples):
                if abs(tracks[a, sample, 0] - tracks[b, sample, 0]) > reach:
                    continue
                if abs(tracks[a, sample, 1] - tracks[b, sample, 1]) > reach:
                    continue
                if rectangles_overlap(tracks[a, sample], tracks[b, sample]):
                    pairs[groups[a], groups[b]] = pairs[groups[b], groups[a]] = True
                    break
    return pairs
