"""Frames that were recorded between those a student learns from: nuScenes's sweeps between keyframes.

They enter the memory on the way from one keyframe to the next, each with what the teacher sees in its own images at
its own time, and are never a student's input.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from collections.abc import Sequence as Series
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

from lima.scene import Frame, Sequence


@runtime_checkable
class RecordedBetween(Protocol):
    """A sequence that was also recorded between its frames."""

    def between(self, most: int, needs_images: bool) -> Sequence:
        """What was recorded there, as a sequence: at most so many frames between two of its own, evenly chosen.

        needs_images: of those with an image alone, for a teacher; otherwise of all, for who looks at points. Empty
        where there are none.
        """
        ...


@runtime_checkable
class PartOfSequence(Protocol):
    """Some frames of another sequence."""

    @property
    def whole(self) -> Sequence: ...


@runtime_checkable
class ReadablePart(Protocol):
    """The frames of a sequence that can be read, where those that cannot are left out (`datasets.readable`)."""

    def readable(self, frames: Sequence) -> Sequence:
        """The same of another sequence of its dataset."""
        ...


@dataclass(frozen=True)
class Interleaved:
    """A sequence, and the frames between its own; None for none."""

    sequence: Sequence
    between: Sequence | None = None

    def before(self, index: int) -> Iterator[Frame]:
        """The frames between frame `index` - 1 of the sequence and frame `index`, in time order; none before the first.

        They are read one by one as they are asked for.
        """
        if self.between is None or index == 0:
            return
        first = bisect_right(self._between_ns, self._own_ns[index - 1])
        for place in range(first, bisect_left(self._between_ns, self._own_ns[index])):
            yield self.between.frame(place)

    @cached_property
    def _own_ns(self) -> Series[int]:
        return self.sequence.timestamps_ns

    @cached_property
    def _between_ns(self) -> Series[int]:
        return self.between.timestamps_ns if self.between is not None else ()


def interleaved(sequences: Series[Sequence], most: int) -> list[Interleaved]:
    """The sequences with up to `most` frames between every two of their own; 0 for none.

    All of them have images, which the teacher looks at. Raises ValueError for a sequence without such frames.
    """
    if most < 0:
        raise ValueError(f"there cannot be {most} sweeps between two keyframes: 0 or more were expected")
    if most == 0:
        return [Interleaved(sequence) for sequence in sequences]
    return [Interleaved(sequence, _between(sequence, most)) for sequence in sequences]


def with_between(sequences: Series[Sequence], most: int) -> list[Sequence]:
    """The sequences and, after each, the frames between its own as a sequence: everything a teacher has to look at."""
    both = ((each.sequence, each.between) for each in interleaved(sequences, most))
    return [sequence for pair in both for sequence in pair if sequence is not None]


def _between(sequence: Sequence, most: int) -> Sequence:
    whole, readable = sequence, None
    while isinstance(whole, PartOfSequence):
        readable = whole.readable if isinstance(whole, ReadablePart) else readable
        whole = whole.whole
    if not isinstance(whole, RecordedBetween):
        raise ValueError(
            f"sequence {sequence.name} has no sweeps between its frames that could enter the memory: --sweeps is for "
            f"nuScenes and TruckScenes, every sweep of other formats is a frame already"
        )
    between = whole.between(most, needs_images=True)
    if len(between) == 0 and len(whole) > 1:
        unseen = len(whole.between(most, needs_images=False)) > 0
        why = ": those there are have no image near, and nothing to remember" if unseen else ""
        raise ValueError(
            f"{whole.name} has no LiDAR sweeps with images between its keyframes{why}. Unpack the archives with the "
            f"sweeps and the full tables (simulated drives: --sweep-images), or leave out --sweeps"
        )
    return between if readable is None else readable(between)
