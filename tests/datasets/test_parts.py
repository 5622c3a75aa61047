"""Oracle: the frames of the whole sequence."""

from __future__ import annotations

from pathlib import Path

import pytest

from lima.datasets import open_dataset
from lima.datasets.parts import SequencePart, temporal_halves
from lima.scene import Sequence
from tests.datasets import hand_made


@pytest.fixture
def sequence(tmp_path: Path) -> Sequence:
    return open_dataset(hand_made.write_dataset(tmp_path)).sequences()[0]


def test_a_part_is_a_sequence_counted_from_zero(sequence: Sequence) -> None:
    part = SequencePart(sequence, 1, 3, "middle")
    assert isinstance(part, Sequence)
    assert (len(part), part.name) == (2, "middle")
    assert list(part.tokens) == list(sequence.tokens[1:3])
    assert list(part.timestamps_ns) == list(sequence.timestamps_ns[1:3])
    for index in range(2):
        frame = part.frame(index)
        assert (frame.token, frame.index, frame.sequence) == (sequence.tokens[1 + index], index, "middle")
    with pytest.raises(IndexError, match="middle has frames 0 … 1, not 2"):
        part.frame(2)


def test_parts_lie_within_the_sequence(sequence: Sequence) -> None:
    for start, stop in ((2, 2), (-1, 2), (0, 5)):
        with pytest.raises(ValueError, match=f"frames {start} … {stop} are no part of sequence scene-0061"):
            SequencePart(sequence, start, stop, "nothing")


@pytest.mark.parametrize(("gap", "first", "second"), [(0, (0, 2), (2, 4)), (1, (0, 1), (2, 4)), (2, (0, 1), (3, 4))])
def test_halves_keep_their_distance(
    gap: int, first: tuple[int, int], second: tuple[int, int], sequence: Sequence
) -> None:
    halves = temporal_halves(sequence, gap)
    assert [(half.start, half.stop) for half in halves] == [first, second]


def test_too_little_for_halves(sequence: Sequence) -> None:
    with pytest.raises(ValueError, match="scene-0061 of 4 frames has no halves 3 frames apart"):
        temporal_halves(sequence, 3)
