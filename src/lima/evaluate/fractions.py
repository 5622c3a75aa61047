"""Which labels are learned from: a fraction by the official rules, the list of frames that it makes, and its hash.

nuScenes's fractions keep whole scenes (SLidR): of the train scenes in the order of the scene table, every N-th with
all its keyframes, numbers N, 2N, … counted from 1; 1 % is every 100th, seven scenes of 700. SemanticKITTI's keep single
scans: of all train scans sorted by path, every N-th, beginning with the first. Single scans show nearly every street
where whole scenes show seven: the two never share a table.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from collections.abc import Sequence as Series
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from lima.data.between import PartOfSequence
from lima.scene import Frame, Sequence

Rule = Literal["all", "scene", "scan"]


@dataclass(frozen=True)
class LabelFraction:
    """`scene-1in100`, `scan-1in100` or `all`. one_in: every so many-th scene or scan."""

    rule: Rule
    one_in: int = 1

    @staticmethod
    def parse(text: str) -> LabelFraction:
        """The fraction of that name. Raises ValueError for anything else."""
        if text == "all":
            return LabelFraction("all")
        found = re.fullmatch(r"(scene|scan)-1in([1-9]\d*)", text)
        if found is None:
            raise ValueError(
                f"labels are all, scene-1inN or scan-1inN, got {text!r}: 1 % of nuScenes is scene-1in100 (whole "
                f"scenes), 1 % of SemanticKITTI scan-1in100 (single scans)"
            )
        return LabelFraction("scene" if found[1] == "scene" else "scan", int(found[2]))

    def __str__(self) -> str:
        return "all" if self.rule == "all" else f"{self.rule}-1in{self.one_in}"

    @property
    def percent(self) -> float:
        """Of the scenes or scans there are."""
        return 100 / self.one_in

    @property
    def words(self) -> str:
        """The rule in words, for whoever reads the list."""
        if self.rule == "all":
            return "every keyframe of the split"
        if self.rule == "scene":
            return (
                f"scenes number {self.one_in}, {2 * self.one_in}, … of the split in the dataset's order, counted from "
                f"1, with all their keyframes"
            )
        return f"every {self.one_in}th keyframe of the split in the dataset's order, beginning with the first"

    def select(self, sequences: Series[Sequence]) -> list[LabelledSequence]:
        """The frames that the rule keeps, sequence by sequence. Raises ValueError where it keeps none."""
        if self.rule == "all":
            return [LabelledSequence(sequence, tuple(range(len(sequence)))) for sequence in sequences]
        if self.rule == "scene":
            scenes = [list(parts) for _, parts in groupby(sequences, key=scene_name)]
            kept = scenes[self.one_in - 1 :: self.one_in]
            if not kept:
                raise ValueError(
                    f"{self} keeps no scene: the split has {len(scenes)}, so at most scene-1in{len(scenes)} is possible"
                )
            return [LabelledSequence(part, tuple(range(len(part)))) for parts in kept for part in parts]
        chosen, passed = [], 0
        for sequence in sequences:
            first = -passed % self.one_in
            indices = tuple(range(first, len(sequence), self.one_in))
            passed += len(sequence)
            if indices:
                chosen.append(LabelledSequence(sequence, indices))
        return chosen


def scene_name(sequence: Sequence) -> str:
    """Of the scene that a sequence is, or is a part of: a stretch between gaps, or a single scan without a pose."""
    while isinstance(sequence, PartOfSequence):
        sequence = sequence.whole
    return sequence.name


@dataclass(frozen=True, eq=False)
class LabelledSequence:
    """Frames of one sequence whose labels are learned from, as a sequence. indices: ascending; the frames keep them."""

    sequence: Sequence
    indices: tuple[int, ...]

    @property
    def whole(self) -> Sequence:
        """What it is a part of, for what lies between its frames (`data.between`)."""
        return self.sequence

    @property
    def name(self) -> str:
        return self.sequence.name

    @property
    def tokens(self) -> Series[str]:
        tokens = self.sequence.tokens
        return [tokens[index] for index in self.indices]

    @property
    def timestamps_ns(self) -> Series[int]:
        times = self.sequence.timestamps_ns
        return [times[index] for index in self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def frame(self, index: int) -> Frame:
        """The frame at that place among those chosen, read now."""
        return self.sequence.frame(self.indices[index])


class LabelList:
    """The frames that are learned from, one after another, and what is written down about them."""

    def __init__(self, fraction: LabelFraction, sequences: Series[Sequence], dataset: str, split: str) -> None:
        self.fraction, self.dataset, self.split = fraction, dataset, split
        self.chosen = fraction.select(sequences)
        self.tokens = [token for part in self.chosen for token in part.tokens]
        self._places = [(part, place) for part in self.chosen for place in range(len(part))]
        if not self._places:
            raise ValueError(f"split {split!r} of {dataset} has no frames")

    def __len__(self) -> int:
        return len(self._places)

    def frame(self, number: int) -> Frame:
        """The frame at that place of the list, read now."""
        part, place = self._places[number]
        return part.frame(place)

    @property
    def hash(self) -> str:
        """Of the tokens in their order: two lists of one dataset with the same hash hold the same frames."""
        return hash_of_tokens(self.tokens)

    def summary(self) -> dict[str, Any]:
        """Without the tokens: what stands beside every result."""
        return {
            "labels": str(self.fraction),
            "rule": self.fraction.words,
            "dataset": self.dataset,
            "split": self.split,
            "sequences": [part.name for part in self.chosen],
            "keyframes": len(self),
            "hash": self.hash,
        }

    def as_json(self) -> str:
        """labels.json: the summary, and the tokens of every sequence."""
        tokens = {part.name: list(part.tokens) for part in self.chosen}
        return json.dumps({**self.summary(), "tokens": tokens}, indent=1) + "\n"


def tokens_of(sequences: Series[Sequence]) -> dict[str, list[str]]:
    """Of all frames, by the names of their sequences."""
    return {sequence.name: list(sequence.tokens) for sequence in sequences}


def hash_of_tokens(tokens: Series[str]) -> str:
    """16 hexadecimal digits: BLAKE2b of the tokens, one a line."""
    return hashlib.blake2b("\n".join(tokens).encode(), digest_size=8).hexdigest()


def check_one_rule(fractions: Iterable[str]) -> None:
    """Raises ValueError where whole scenes and single scans would share a table."""
    rules: dict[Rule, str] = {}
    for text in fractions:
        rules.setdefault(LabelFraction.parse(text).rule, text)
    if "scene" in rules and "scan" in rules:
        raise ValueError(
            f"{rules['scene']} and {rules['scan']} cannot share a table: single scans show nearly every street, and "
            f"score much higher than as many scans of whole scenes; make a table of each"
        )
