"""Lanes: how a split is walked so that a memory can follow it.

The batch is a fixed number of lanes. Each follows one sequence in time order, one keyframe a step; when its sequence
ends it takes the next one from a queue that all lanes share. The queue is every sequence once, shuffled, then every
sequence once, shuffled anew, and so on: an epoch is one such round. Lanes therefore never run dry: at the end of a
round the first lanes to become free begin the next one at once, while others still finish. Every keyframe is the
current frame exactly once per round, and the steps of every lane are the same however many processes share them.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class LaneStep:
    """What one lane reads in one step: keyframe `frame` of sequence `sequence`, both counted from 0.

    starts_sequence: nothing came before, the lane's memory must be emptied first.
    """

    lane: int
    sequence: int
    frame: int
    starts_sequence: bool


@dataclass(frozen=True)
class Stretch:
    """A piece of a sequence that one lane follows from its first keyframe to its last."""

    sequence: int
    first: int
    frames: int


def random_generator(seed: int, *place: int | str) -> torch.Generator:
    """A generator on the CPU that depends on the seed and on a place, such as a lane and a step, and nothing else."""
    digest = hashlib.blake2b(repr((seed, *place)).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


def cut_into_stretches(lengths: Sequence[int], lanes: int) -> tuple[Stretch, ...]:
    """Sequences of these lengths as at least `lanes` stretches; each is whole where there are enough sequences.

    Otherwise the longest allowed stretch is the longest that gives enough of them, and a sequence is cut into as few
    pieces below it as possible, of equal length up to one keyframe.
    """
    if lanes < 1:
        raise ValueError(f"at least one lane is needed, got {lanes}")
    if empty := [index for index, length in enumerate(lengths) if length < 1]:
        raise ValueError(f"every sequence needs at least one keyframe, number {empty[0]} has none")
    if sum(lengths) < lanes:
        raise ValueError(f"{lanes} lanes need as many keyframes, the split has {sum(lengths)}: use fewer lanes")
    longest = max(lengths)
    while sum(_pieces(length, longest) for length in lengths) < lanes:
        longest -= 1
    stretches: list[Stretch] = []
    for sequence, length in enumerate(lengths):
        pieces = _pieces(length, longest)
        bounds = [length * piece // pieces for piece in range(pieces + 1)]
        stretches += [Stretch(sequence, first, end - first) for first, end in itertools.pairwise(bounds)]
    return tuple(stretches)


def _pieces(length: int, longest: int) -> int:
    return -(-length // longest)


class Lanes:
    """The state machine of this file's description: integers in, integers out.

    `next()` gives one step of every lane, in the order of the lanes. `state_dict` holds where everything stands;
    loaded into lanes over the same lengths and seed, the same steps follow.
    """

    def __init__(self, lengths: Sequence[int], lanes: int, seed: int) -> None:
        self.stretches = cut_into_stretches(lengths, lanes)
        self.lanes = lanes
        self.keyframes = sum(lengths)
        self._seed = seed
        self._round = 0
        self._taken = 0
        self._queue = self._shuffled(self._round)
        self._stretch = [0] * lanes
        self._done = [-1] * lanes  # keyframes of its stretch that a lane has read; -1: it has none yet

    def next(self) -> tuple[LaneStep, ...]:
        """The next keyframe of every lane."""
        return tuple(self._advance(lane) for lane in range(self.lanes))

    def _advance(self, lane: int) -> LaneStep:
        if self._done[lane] in (-1, self.stretches[self._stretch[lane]].frames):
            self._stretch[lane], self._done[lane] = self._take(), 0
        stretch, done = self.stretches[self._stretch[lane]], self._done[lane]
        self._done[lane] += 1
        return LaneStep(lane, stretch.sequence, stretch.first + done, starts_sequence=done == 0)

    def _take(self) -> int:
        if self._taken == len(self._queue):
            self._round, self._taken = self._round + 1, 0
            self._queue = self._shuffled(self._round)
        self._taken += 1
        return self._queue[self._taken - 1]

    def _shuffled(self, number: int) -> list[int]:
        generator = random_generator(self._seed, "round", number)
        return torch.randperm(len(self.stretches), generator=generator).tolist()

    def _identity(self) -> dict[str, Any]:
        return {"seed": self._seed, "stretches": [[s.sequence, s.first, s.frames] for s in self.stretches]}

    def state_dict(self) -> dict[str, Any]:
        """Where the queue and every lane stand, in plain numbers."""
        return {
            **self._identity(),
            "round": self._round,
            "taken": self._taken,
            "stretch": list(self._stretch),
            "done": list(self._done),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Stand where `state` says. Raises ValueError where it belongs to other sequences, lanes or another seed."""
        if {name: state[name] for name in self._identity()} != self._identity() or len(state["done"]) != self.lanes:
            raise ValueError(
                f"the state of the lanes was written for {len(state['done'])} lanes over {len(state['stretches'])} "
                f"stretches with seed {state['seed']}, these are {self.lanes} over {len(self.stretches)} with seed "
                f"{self._seed}: has the dataset, the split or the number of lanes changed?"
            )
        self._round, self._taken = state["round"], state["taken"]
        self._queue = self._shuffled(self._round)
        self._stretch, self._done = list(state["stretch"]), list(state["done"])


def lanes_of_rank(lanes: int, rank: int, world_size: int, paired: bool) -> range:
    """The lanes that one of several processes follows: a block of neighbours.

    Blocks keep the pairs (0, 1), (2, 3), … that are mixed with each other inside one process, whatever their number.

    Raises ValueError where the lanes cannot be shared out equally, or `paired` and pairs would be torn apart.
    """
    unit = 2 if paired else 1
    if lanes % (unit * world_size):
        what = "pairs of lanes (mixing takes two)" if paired else "lanes"
        multiple = unit * world_size
        raise ValueError(
            f"{lanes} lanes cannot be shared out as equal numbers of {what} to {world_size} process"
            f"{'es' if world_size > 1 else ''}: choose a multiple of {multiple}"
        )
    share = lanes // world_size
    return range(rank * share, (rank + 1) * share)
