"""Whether the frames of a drive follow each other in time, and where some are missing."""

from __future__ import annotations

from collections.abc import Sequence as Series
from itertools import pairwise

import numpy as np

from lima.datasets.parts import SequencePart
from lima.scene import Sequence

MAX_GAP_S = 0.75
MAX_GAP_STEPS = 1.5


def check_ascending(times_ns: Series[int], names: Series[str], where: str) -> None:
    """Raises ValueError where two frames have the same time, or time runs backwards."""
    steps_ns = np.diff(np.asarray(times_ns, dtype=np.int64))
    wrong = np.flatnonzero(steps_ns <= 0)
    if len(wrong):
        later = int(wrong[0]) + 1
        kind = "the same time as" if steps_ns[later - 1] == 0 else "an earlier time than"
        raise ValueError(
            f"{where}: frame {names[later]} has {kind} {names[later - 1]} ({times_ns[later] * 1e-9:.6f} s after "
            f"{times_ns[later - 1] * 1e-9:.6f} s); ascending times were expected: copied twice, or times of another "
            f"drive?"
        )


def gaps(times_ns: Series[int]) -> list[int]:
    """The frames that come too long after the one before: more than 0.75 s, and one and a half usual steps."""
    steps_ns = np.diff(np.asarray(times_ns, dtype=np.int64))
    if len(steps_ns) == 0:
        return []
    longest_ns = max(int(MAX_GAP_S * 1e9), int(MAX_GAP_STEPS * float(np.median(steps_ns))))
    return (np.flatnonzero(steps_ns > longest_ns) + 1).tolist()


def describe_gap(sequence: Sequence, frame: int) -> str:
    """Which frames of which sequence are how far apart."""
    seconds = (sequence.timestamps_ns[frame] - sequence.timestamps_ns[frame - 1]) * 1e-9
    return f"{sequence.name} has {seconds:.2f} s between {sequence.tokens[frame - 1]} and {sequence.tokens[frame]}"


def split_at(sequence: Sequence, borders: Series[int]) -> list[Sequence]:
    """The stretches between these frames as sequences of their own; the sequence itself where there is only one."""
    if not borders:
        return [sequence]
    edges = [0, *borders, len(sequence)]
    return [
        SequencePart(sequence, start, stop, f"{sequence.name} part {number}")
        for number, (start, stop) in enumerate(pairwise(edges), start=1)
    ]
