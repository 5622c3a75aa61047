"""SemanticKITTI and its relatives: folders of sequences of scans, told apart by a `ScanFormat`."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from lima.config import AtGap
from lima.datasets.label_maps import label_map
from lima.datasets.parts import SequencePart
from lima.datasets.scan_drive import ScanDrive, ScanFormat, SingleScan
from lima.datasets.scan_files import read_text
from lima.datasets.splits import ALL
from lima.datasets.timeline import describe_gap, gaps, split_at
from lima.scene import Sequence

SPLITS_FILE = "splits.json"

logger = logging.getLogger(__name__)

Members = Mapping[str, frozenset[str] | None]
"""of a split: its sequences, and the names of their frames where not all belong to it"""


class ScanDataset:
    """An opened folder of such a set.

    labels: name of one of the format's label maps; its first when left out. at_gap: what `sequences` does with a
    drive in which scans are missing (`timeline.gaps`): "raise", or "split" it there, with a warning in the log.

    `splits.json` in the folder ({"train": [names of sequences], …}) goes before the set's own lists. Where a set
    without cameras has no poses, every scan is a sequence of its own. Raises FileNotFoundError, ValueError.
    """

    def __init__(self, scan_format: ScanFormat, root: Path, at_gap: AtGap = "raise", labels: str | None = None) -> None:
        self.root = Path(root)
        self.at_gap = at_gap
        self._format = scan_format
        name = scan_format.label_maps[0] if labels is None else labels
        if name not in scan_format.label_maps:
            raise ValueError(f"{scan_format.name} has label maps {', '.join(scan_format.label_maps)}, not {name!r}")
        self._label_map = label_map(name)
        self._folders = scan_format.drives(self.root)
        if not self._folders:
            raise FileNotFoundError(f"{self.root} has no sequences of {scan_format.name}")
        self._splits = self._find_splits()

    @property
    def name(self) -> str:
        return self._format.name

    @property
    def class_names(self) -> tuple[str, ...]:
        return self._label_map.class_names

    @property
    def split_names(self) -> tuple[str, ...]:
        return tuple(self._splits)

    def drives(self, split: str | None = None) -> list[ScanDrive]:
        """The drives of a split as they are, with or without poses, unchecked. Raises ValueError as `sequences`."""
        return [ScanDrive(name, self._folders[name], self._format, self._label_map) for name in self._members(split)]

    def sequences(self, split: str | None = None) -> list[Sequence]:
        """The sequences of a split, in order of their names; None or "all" for every one.

        Raises ValueError for an unknown split, for drives of a set with cameras that have no poses, for times that
        do not ascend, and for gaps in time unless they are to be split at.
        """
        members = self._members(split)
        drives = self.drives(split)
        lost = [drive for drive in drives if drive.poses_file is None]
        if lost and self._format.has_cameras:
            raise ValueError(
                f"{lost[0].folder} has no poses.txt{_and_others(lost)}: unpack the poses, or let `lima odometry "
                f"{self.root}` compute them"
            )
        found: list[Sequence] = []
        for drive in drives:
            found += _singles(drive, members[drive.name]) if drive in lost else _stretches(drive, members[drive.name])
        with_gaps = [(sequence, frames) for sequence in found if (frames := gaps(sequence.timestamps_ns))]
        told = [describe_gap(sequence, frame) for sequence, frames in with_gaps for frame in frames]
        if told and self.at_gap == "raise":
            raise ValueError(
                f"{'; '.join(told[:5])}{' …' * (len(told) > 5)} ({len(told)} gaps in {self.root}): scans are missing. "
                f'Open the dataset with at_gap="split" (--at-gap split) to make a sequence of each side, or list other '
                f"sequences in {self.root / SPLITS_FILE}"
            )
        for line in told:
            logger.warning("%s: split there into two sequences", line)
        return [part for sequence in found for part in split_at(sequence, gaps(sequence.timestamps_ns))]

    def _members(self, split: str | None) -> Members:
        split = ALL if split is None else split
        if split not in self._splits:
            known = ", ".join(f"{name} ({len(members)})" for name, members in self._splits.items())
            raise ValueError(
                f"{self.root} has no sequences in split {split!r}; splits with sequences: {known}. Lists of your own "
                f'go into {self.root / SPLITS_FILE}: {{"train": ["{next(iter(self._folders))}", …], "val": […]}}'
            )
        return self._splits[split]

    def _find_splits(self) -> dict[str, Members]:
        splits: dict[str, Members] = {}
        own = self.root / SPLITS_FILE
        if own.is_file():
            splits = {split: dict.fromkeys(names) for split, names in own_lists(own, self._folders).items()}
        elif self._format.frame_lists is not None and (lists := self._format.frame_lists(self.root)):
            splits = {split: dict(frames) for split, frames in lists.items()}
        else:
            splits = {split: dict.fromkeys(names) for split, names in self._format.official_splits.items()}
        here = {
            split: {name: members[name] for name in self._folders if name in members}
            for split, members in splits.items()
        }
        return {split: members for split, members in here.items() if members} | {ALL: dict.fromkeys(self._folders)}


def own_lists(path: Path, names: Collection[str]) -> dict[str, list[str]]:
    """The lists in somebody's splits.json. Raises ValueError where it names sequences that there are not."""
    try:
        lists = json.loads(read_text(path, "the split lists"))
    except json.JSONDecodeError as problem:
        raise ValueError(f'{path} is not JSON ({problem}); it must be like {{"train": ["00"], …}}') from None
    if not isinstance(lists, dict) or not all(isinstance(members, list) for members in lists.values()):
        raise ValueError(f'{path} must map names of splits to lists of sequences, like {{"train": ["00"], …}}')
    for split, members in lists.items():
        unknown = [member for member in members if member not in names]
        if unknown:
            raise ValueError(
                f"{path} lists {unknown[0]!r} in {split!r}, but there is no such sequence; those there are: "
                f"{', '.join(list(names)[:8])}"
            )
    return lists


def _singles(drive: ScanDrive, frames: frozenset[str] | None) -> list[Sequence]:
    return [SingleScan(drive, index) for index in _indices(drive, frames)]


def _stretches(drive: ScanDrive, frames: frozenset[str] | None) -> list[Sequence]:
    """The drive, or the stretches of frames in a row that belong to the split."""
    drive.check()
    indices = np.array(_indices(drive, frames))
    if len(indices) == len(drive):
        return [drive]
    runs = np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1)
    return [
        SequencePart(drive, int(run[0]), int(run[-1]) + 1, f"{drive.name} part {number}")
        for number, run in enumerate(runs, start=1)
    ]


def _indices(drive: ScanDrive, frames: frozenset[str] | None) -> list[int]:
    if frames is None:
        return list(range(len(drive)))
    absent = frames.difference(drive.stems)
    if absent:
        raise FileNotFoundError(
            f"{drive.folder} has no scan {min(absent)}, which the list of the split names ({len(absent)} are missing): "
            f"were all archives unpacked here?"
        )
    return [index for index, stem in enumerate(drive.stems) if stem in frames]


def _and_others(drives: list[ScanDrive]) -> str:
    return f" (nor have {len(drives) - 1} other sequences)" * (len(drives) > 1)
