"""SemanticKITTI and its relatives: folders of sequences of scans, told apart by a `ScanFormat`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lima.config import AtGap
from lima.datasets.drives import checked, members, with_own_splits
from lima.datasets.label_maps import LabelMap, label_map
from lima.datasets.parts import SequencePart
from lima.datasets.scan_drive import FrameLists, ScanDrive, ScanFormat, SingleScan
from lima.datasets.splits import ALL
from lima.scene import Sequence

SPLITS_FILE = "splits.json"
Frames = Mapping[str, frozenset[str]]
"""of a split that is a list of frames: the names of those of every sequence"""


class ScanDataset:
    """An opened folder of such a set.

    labels: name of one of the format's label maps; its first when left out. at_gap: what `sequences` does with a
    drive in which scans are missing (`drives.checked`): "raise", or "split" it there, with a warning in the log.

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
        lists: FrameLists = {}
        if scan_format.frame_lists is not None and not (self.root / SPLITS_FILE).is_file():
            lists = scan_format.frame_lists(self.root)
        self._frames: Mapping[str, Frames] = lists
        listed = {split: list(frames) for split, frames in lists.items()} or scan_format.official_splits
        here = {split: [name for name in self._folders if name in names] for split, names in listed.items()}
        found = {split: names for split, names in here.items() if names}
        self._splits = with_own_splits(self.root, list(self._folders), found)

    @property
    def name(self) -> str:
        return self._format.name

    @property
    def class_names(self) -> tuple[str, ...]:
        return self._label_map.class_names

    @property
    def label_map(self) -> LabelMap:
        """Which classes the numbers in its label files mean, and which numbers are written for them."""
        return self._label_map

    @property
    def split_names(self) -> tuple[str, ...]:
        return tuple(self._splits)

    def drives(self, split: str | None = None) -> list[ScanDrive]:
        """The drives of a split as they are, with or without poses, unchecked. Raises ValueError as `sequences`."""
        names = members(self._splits, split, self.root)
        return [ScanDrive(name, self._folders[name], self._format, self._label_map) for name in names]

    def sequences(self, split: str | None = None) -> list[Sequence]:
        """The sequences of a split, drive by drive in order of their names; None or "all" for every one.

        Raises ValueError for an unknown split, for drives of a set with cameras that have no poses, for times that
        do not ascend, and for gaps in time unless they are to be split at.
        """
        drives, frames = self.drives(split), self._frames_of(split)
        lost = [drive for drive in drives if not drive.has_poses]
        if lost and self._format.has_cameras:
            raise ValueError(
                f"{lost[0].poses_file} is missing{_and_others(lost)}: without poses there is no memory of past frames; "
                f"unpack them, or compute them with: lima odometry {self.root}"
            )
        found = [(part, drive.folder) for drive in drives for part in _parts(drive, frames)]
        return checked([part for part, _ in found], [folder for _, folder in found], self.at_gap)

    def _frames_of(self, split: str | None) -> Frames:
        return self._frames.get(ALL if split is None else split, {})


def _parts(drive: ScanDrive, frames: Frames) -> list[Sequence]:
    """The drive, or the stretches of frames in a row that belong to the split; without poses, every scan of it."""
    if not drive.has_poses:
        return [SingleScan(drive, index) for index in _indices(drive, frames)]
    drive.check()
    indices = np.array(_indices(drive, frames))
    if len(indices) == len(drive):
        return [drive]
    runs = np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1)
    return [
        SequencePart(drive, int(run[0]), int(run[-1]) + 1, f"{drive.name} part {number}")
        for number, run in enumerate(runs, start=1)
    ]


def _indices(drive: ScanDrive, frames: Frames) -> list[int]:
    """The frames of a drive that belong to the split: those in its list, or all where there is none."""
    if drive.name not in frames:
        return list(range(len(drive)))
    listed = frames[drive.name]
    absent = listed.difference(drive.stems)
    if absent:
        raise FileNotFoundError(
            f"{drive.folder} has no scan {min(absent)}, which the list of the split names ({len(absent)} are missing): "
            f"were all archives unpacked here?"
        )
    return [index for index, stem in enumerate(drive.stems) if stem in listed]


def _and_others(drives: list[ScanDrive]) -> str:
    return f" (as in {len(drives) - 1} other sequences)" * (len(drives) > 1)
