"""`--skip-bad`: the frames of a dataset that can be read, told from the others before the first of them is used.

Which keyframe a lane reads in a step follows from the lengths of the sequences, in every process and after every
resumption alike. A frame that turned out to be bad in the middle of a run would change them; so everything is read once
before the run. The verdict depends on the data alone: the frames are the same for every command, and for every number
of processes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Series
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

from lima.config import AtGap
from lima.datasets import open_dataset
from lima.datasets.progress import CountProgress
from lima.scene import Dataset, Frame, Sequence, check_index

READERS = min(4, os.cpu_count() or 1)


@runtime_checkable
class Sharing(Protocol):
    """Processes that share the reading. sums: every value summed over them."""

    @property
    def rank(self) -> int: ...

    @property
    def world_size(self) -> int: ...

    def sums(self, values: list[float]) -> list[float]: ...


@dataclass(frozen=True)
class _Alone:
    rank: int = 0
    world_size: int = 1

    def sums(self, values: list[float]) -> list[float]:
        return values


@dataclass(frozen=True)
class KeptFrames:
    """Some frames of a sequence, in their order; they keep their tokens and times, and are counted from 0.

    readable: those frames of another sequence of the same dataset that can be read, such as the sweeps between these.
    """

    whole: Sequence
    kept: tuple[int, ...]
    readable: Callable[[Sequence], Sequence] = field(repr=False)

    @property
    def name(self) -> str:
        return self.whole.name

    @cached_property
    def tokens(self) -> Series[str]:
        tokens = self.whole.tokens
        return [tokens[index] for index in self.kept]

    @cached_property
    def timestamps_ns(self) -> Series[int]:
        times_ns = self.whole.timestamps_ns
        return [times_ns[index] for index in self.kept]

    def __len__(self) -> int:
        return len(self.kept)

    def frame(self, index: int) -> Frame:
        check_index(self, index)
        return replace(self.whole.frame(self.kept[index]), index=index)


class ReadableDataset:
    """The frames of a dataset of which everything can be read: points, every image, labels and boxes.

    A frame left out is absent for whatever follows: the memory goes from the frame before it to the one after it. A
    sequence of which nothing is left is left out, too. What belongs to a whole sequence (times, poses, tables) still
    stops with its error. left_out: tokens of the frames left out, in order, and what is wrong with them.
    """

    def __init__(self, dataset: Dataset, sharing: Sharing | None = None) -> None:
        self._dataset = dataset
        self._sharing: Sharing = sharing or _Alone()
        self._seen: set[str] = set()
        self.left_out: dict[str, str] = {}

    @property
    def name(self) -> str:
        return self._dataset.name

    @property
    def class_names(self) -> tuple[str, ...]:
        return self._dataset.class_names

    @property
    def split_names(self) -> tuple[str, ...]:
        return self._dataset.split_names

    def sequences(self, split: str | None = None) -> list[Sequence]:
        """The sequences of a split without the frames that cannot be read, which takes reading all of them, once.

        Raises as the dataset's own, and ValueError where no frame is left.
        """
        whole = self._dataset.sequences(split)
        self._check(whole)
        kept = [part for part in map(self._kept, whole) if len(part)]
        if whole and not kept:
            frames, token = sum(len(sequence) for sequence in whole), whole[0].tokens[0]
            raise ValueError(f"none of {frames} frames can be read; the first, {token}: {self.left_out[token]}")
        return list(kept)

    def _kept(self, sequence: Sequence) -> KeptFrames:
        indices = (index for index, token in enumerate(sequence.tokens) if token not in self.left_out)
        return KeptFrames(sequence, tuple(indices), self._readable)

    def _readable(self, sequence: Sequence) -> Sequence:
        self._check([sequence])
        return self._kept(sequence)

    def lines(self) -> list[str]:
        """How many frames are left out, and which; nothing where none is."""
        if not self.left_out:
            return []
        head = f"{len(self.left_out)} of {len(self._seen)} frames cannot be read and are left out (--skip-bad):"
        return [head, *(f"  {token}: {problem}" for token, problem in self.left_out.items())]

    def _check(self, sequences: Series[Sequence]) -> None:
        """Read the frames not read before, every process its share; all of them know the verdicts of all."""
        frames = ((each, index, token) for each in sequences for index, token in enumerate(each.tokens))
        places = [frame for frame in frames if frame[2] not in self._seen]
        if not places:
            return
        sharing = self._sharing
        own = range(sharing.rank, len(places), sharing.world_size)
        problems: dict[int, str] = {}
        readers = ThreadPoolExecutor(READERS, thread_name_prefix="check")
        try:
            verdicts = readers.map(lambda place: _problem(*places[place][:2]), own)
            counted = CountProgress("reading every frame once (--skip-bad)", len(own), "frames")
            with counted if sharing.rank == 0 else nullcontext() as progress:
                for place, problem in zip(own, verdicts, strict=True):
                    if progress is not None:
                        progress.advance()
                    if problem is not None:
                        problems[place] = problem
        finally:
            readers.shutdown(cancel_futures=True)
        bad = sharing.sums([float(place in problems) for place in range(len(places))])
        for place, (sequence, index, token) in enumerate(places):
            self._seen.add(token)
            if bad[place]:
                problem = problems.get(place) or _problem(sequence, index)
                self.left_out[token] = problem or "another process could not read it"


def _problem(sequence: Sequence, index: int) -> str | None:
    """What is wrong with the frame, in one line; None where everything of it can be read."""
    try:
        frame = sequence.frame(index)
        for image in frame.images:
            image.read_pixels()
        if frame.read_labels is not None:
            frame.read_labels()
        if frame.read_boxes is not None:
            frame.read_boxes()
    except (ValueError, OSError) as problem:
        return " ".join(str(problem).split())
    return None


def _say(line: str) -> None:
    print(line, file=sys.stderr)


@contextmanager
def opened(
    root: Path,
    at_gap: AtGap,
    skip_bad: bool,
    sharing: Sharing | None = None,
    say: Callable[[str], None] = _say,
) -> Iterator[Dataset]:
    """The dataset in that folder, with `skip_bad` without the frames that cannot be read.

    However the work ends, the frames left out are counted and listed at its end, by the first of several processes.
    Raises as `open_dataset`.
    """
    dataset = open_dataset(root, at_gap)
    if not skip_bad:
        yield dataset
        return
    readable = ReadableDataset(dataset, sharing)
    try:
        yield readable
    finally:
        if sharing is None or sharing.rank == 0:
            for line in readable.lines():
                say(line)
