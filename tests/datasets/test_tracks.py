"""Oracle: the definition of velocities, one box at a time; and the devkit's numbers, in test_nuscenes.py."""

from __future__ import annotations

import numpy as np
import pytest

from lima.datasets.tracks import velocities


@pytest.mark.parametrize("seed", range(5))
def test_velocities_are_the_definition_s(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = 60
    things = rng.choice(["a", "b", "c", "d"], boxes)
    times_ns = rng.permutation(boxes * 3)[:boxes] * 200_000_000
    centres = rng.normal(size=(boxes, 3))
    found = velocities(things, times_ns.astype(np.int64), centres)
    for box in range(boxes):
        track = sorted((times_ns[other], other) for other in range(boxes) if things[other] == things[box])
        place = track.index((times_ns[box], box))
        before, after = track[max(place - 1, 0)][1], track[min(place + 1, len(track) - 1)][1]
        seconds = (times_ns[after] - times_ns[before]) * 1e-9
        longest = 3.0 if before != box and after != box else 1.5
        if before == after or seconds > longest:
            assert np.isnan(found[box]).all()
        else:
            assert np.allclose(found[box], (centres[after] - centres[before]) / seconds)


def test_a_thing_is_in_one_place_at_a_time() -> None:
    with pytest.raises(ValueError, match="thing b has two boxes at 7 ns"):
        velocities(np.array(["a", "b", "b"]), np.array([7, 7, 7]), np.zeros((3, 3)))


def test_no_boxes_have_no_velocities() -> None:
    assert velocities(np.array([], dtype=str), np.array([], dtype=np.int64), np.zeros((0, 3))).shape == (0, 3)
