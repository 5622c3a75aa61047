"""Which frames are looked at. A drive is judged from stretches of neighbouring frames, spread over its length."""

from __future__ import annotations

from collections.abc import Sequence as Series
from dataclasses import dataclass

from lima.scene import Sequence

STRETCH_FRAMES = 6


@dataclass(frozen=True, eq=False)
class Chosen:
    """Frames of one drive, ascending. Those whose numbers follow each other are neighbours in time."""

    sequence: Sequence
    frames: tuple[int, ...]


def choose(sequences: Series[Sequence], drives: int, frames: int) -> list[Chosen]:
    """At most `drives` drives, evenly spread over the list, and about `frames` frames of each; 0 means all.

    A drive with more frames is seen in stretches of `STRETCH_FRAMES` neighbours, from its first to its last frame.
    """
    if drives < 0 or frames < 0:
        raise ValueError(f"drives and frames must be 0 (all) or more, got {drives} and {frames}")
    kept = [sequences[place] for place in spread(len(sequences), drives or len(sequences))]
    return [Chosen(sequence, _frames(len(sequence), frames)) for sequence in kept]


def spread(count: int, wanted: int) -> list[int]:
    """`wanted` of `count` places, evenly, the first and the last among them; all where there are no more."""
    if wanted >= count:
        return list(range(count))
    if wanted == 1:
        return [count // 2]
    return [round(place * (count - 1) / (wanted - 1)) for place in range(wanted)]


def _frames(count: int, wanted: int) -> tuple[int, ...]:
    if wanted == 0 or count <= wanted:
        return tuple(range(count))
    stretches = max(1, round(wanted / STRETCH_FRAMES))
    length = -(-wanted // stretches)
    first_frames = spread(count - length + 1, stretches)
    return tuple(sorted({first + step for first in first_frames for step in range(length)}))
