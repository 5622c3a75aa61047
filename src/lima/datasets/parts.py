"""A stretch of a sequence, as a sequence of its own."""

from __future__ import annotations

from collections.abc import Sequence as Series
from dataclasses import dataclass, replace

from lima.scene import Frame, Sequence, check_index


@dataclass(frozen=True)
class SequencePart:
    """Frames `start` to `stop` (not included) of a sequence; they keep their tokens and are counted from 0."""

    whole: Sequence
    start: int
    stop: int
    name: str

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop <= len(self.whole):
            raise ValueError(
                f"frames {self.start} … {self.stop} are no part of sequence {self.whole.name}, which has "
                f"{len(self.whole)}"
            )

    @property
    def tokens(self) -> Series[str]:
        return self.whole.tokens[self.start : self.stop]

    @property
    def timestamps_ns(self) -> Series[int]:
        return self.whole.timestamps_ns[self.start : self.stop]

    def __len__(self) -> int:
        return self.stop - self.start

    def frame(self, index: int) -> Frame:
        check_index(self, index)
        return replace(self.whole.frame(self.start + index), sequence=self.name, index=index)


def temporal_halves(sequence: Sequence, gap_frames: int) -> tuple[SequencePart, SequencePart]:
    """Its first and its second part, with `gap_frames` between them left out, so that they show less of the same.

    For datasets of one drive. They still show the same street and often the same vehicles: a score between them
    says less than one between drives.
    """
    kept = len(sequence) - gap_frames
    if gap_frames < 0 or kept < 2:
        raise ValueError(f"sequence {sequence.name} of {len(sequence)} frames has no halves {gap_frames} frames apart")
    first = kept // 2
    return (
        SequencePart(sequence, 0, first, f"{sequence.name} first half"),
        SequencePart(sequence, first + gap_frames, len(sequence), f"{sequence.name} second half"),
    )
