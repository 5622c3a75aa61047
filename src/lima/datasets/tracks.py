"""Velocities of annotated things, from where they are before and after."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64, Shaped

MAX_GAP_NS = 1_500_000_000  # annotations farther apart give no velocity; twice that for a central difference


def velocities(
    things: Shaped[np.ndarray, "boxes"],
    times_ns: Int64[np.ndarray, "boxes"],
    centres_world: Float64[np.ndarray, "boxes 3"],
) -> Float64[np.ndarray, "boxes 3"]:
    """Metres per second, NaN for a thing that is seen once or after too long a time.

    The definition of nuScenes: the central difference where the thing is known before and after, at most 3 s apart;
    one-sided, at most 1.5 s apart, at the ends of its track. things: the same value for the same thing. Raises
    ValueError for a thing with two boxes at one time.
    """
    boxes = len(things)
    if boxes == 0:
        return np.zeros((0, 3))
    _, thing = np.unique(things, return_inverse=True)
    order = np.lexsort((times_ns, thing))
    same = thing[order][1:] == thing[order][:-1]
    twice = np.flatnonzero(same & (np.diff(times_ns[order]) == 0))
    if len(twice):
        box = order[twice[0]]
        raise ValueError(f"thing {things[box]} has two boxes at {times_ns[box]} ns, one was expected: copied twice?")
    place = np.arange(boxes)
    before = np.where(np.concatenate([[False], same]), place - 1, place)
    after = np.where(np.concatenate([same, [False]]), place + 1, place)
    elapsed_ns = times_ns[order][after] - times_ns[order][before]
    longest_ns = MAX_GAP_NS * np.maximum(after - before, 1)
    known = (elapsed_ns > 0) & (elapsed_ns <= longest_ns)
    moved_m = centres_world[order][after] - centres_world[order][before]
    sorted_mps = np.where(known[:, None], moved_m / np.where(known, elapsed_ns, 1)[:, None] * 1e9, np.nan)
    found = np.empty((boxes, 3))
    found[order] = sorted_mps
    return found
