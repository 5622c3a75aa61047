"""The plain folder, the format for whoever has none: files of points and pictures, and calibration.yaml.

docs/plain_folder.md describes it; `lima import` writes it from bags.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from lima.config import AtGap
from lima.datasets.labels import IGNORED
from lima.datasets.plain_calibration import CALIBRATION_FILE
from lima.datasets.plain_drive import LABELS_FOLDER, POINTS_FOLDER, PlainDrive
from lima.datasets.plain_labels import CLASSES_FILE, LabelClasses, read_classes
from lima.datasets.scan_files import read_text
from lima.datasets.splits import ALL
from lima.datasets.timeline import describe_gap, gaps, split_at
from lima.scene import Sequence

SPLITS_FILE = "splits.json"
TRAIN = "train"

logger = logging.getLogger(__name__)


def recognises(root: Path) -> bool:
    """Whether there is a folder points/ in it, or in a folder in it."""
    return bool(_drive_folders(root))


class PlainFolder:
    """One drive, or a folder of drives.

    root: the folder with points/, or one whose subfolders each have points/. calibration.yaml is the drive's own or,
    where a drive has none, the root's. at_gap: what `sequences` does where frames are missing (more than 0.75 s, and
    one and a half usual steps): "raise", or "split" the drive there, with a warning in the log.

    Raises FileNotFoundError, ValueError.
    """

    def __init__(self, root: Path, at_gap: AtGap = "raise") -> None:
        self.root, self.at_gap = Path(root), at_gap
        folders = _drive_folders(self.root)
        if not folders:
            raise FileNotFoundError(
                f"{self.root / POINTS_FOLDER} is missing: the sweeps of a drive were expected there"
            )
        self._classes = self._read_classes(folders)
        self._drives = {name: self._drive(name, folder) for name, folder in folders.items()}
        self._splits = self._read_splits()

    @property
    def name(self) -> str:
        return f"plain folder {self.root.resolve().name}"

    @property
    def class_names(self) -> tuple[str, ...]:
        return self._classes.names if self._classes is not None else (IGNORED,)

    @property
    def split_names(self) -> tuple[str, ...]:
        return tuple(self._splits)

    def drives(self, split: str | None = None) -> list[PlainDrive]:
        """The drives of a split by name, with poses or without. Raises ValueError for an unknown split."""
        split = ALL if split is None else split
        if split not in self._splits:
            known = ", ".join(f"{name} ({len(drives)})" for name, drives in self._splits.items())
            raise ValueError(
                f"{self.root} has no drives in split {split!r}; splits with drives: {known}. Lists of your own go into "
                f'{self.root / SPLITS_FILE}: {{"train": ["{next(iter(self._drives))}", …], "val": […]}}'
            )
        return [self._drives[name] for name in self._splits[split]]

    def sequences(self, split: str | None = None) -> list[Sequence]:
        """The drives of a split; None or "all" for every drive.

        Raises ValueError for a split without drives, for a drive without poses, and for gaps in time unless they are to
        be split at.
        """
        drives = self.drives(split)
        borders = {drive.name: gaps(drive.timestamps_ns) for drive in drives}
        with_gaps = [describe_gap(drive, frame) for drive in drives for frame in borders[drive.name]]
        if with_gaps and self.at_gap == "raise":
            raise ValueError(
                f"{'; '.join(with_gaps[:5])}{' …' * (len(with_gaps) > 5)} ({len(with_gaps)} gaps in {self.root}): "
                f'frames are missing. Open the dataset with at_gap="split" (--at-gap split) to make a sequence of each '
                f"side"
            )
        for gap in with_gaps:
            logger.warning("%s: split there into two sequences", gap)
        return [part for drive in drives for part in split_at(drive, borders[drive.name])]

    def _drive(self, name: str, folder: Path) -> PlainDrive:
        own = folder / CALIBRATION_FILE
        shared = self.root / CALIBRATION_FILE
        return PlainDrive(folder, name, shared if shared.exists() and not own.exists() else own, self._classes)

    def _read_classes(self, folders: dict[str, Path]) -> LabelClasses | None:
        """Of the root. Raises FileNotFoundError where there are labels and nobody says what they mean."""
        path = self.root / CLASSES_FILE
        if path.exists():
            return read_classes(path)
        for folder in folders.values():
            if (folder / LABELS_FOLDER).is_dir():
                raise FileNotFoundError(
                    f"{path} is missing: it must name the numbers in {folder / LABELS_FOLDER}, one a line, such as "
                    f"0: {IGNORED}, 1: car"
                )
        return None

    def _read_splits(self) -> dict[str, list[str]]:
        """splits.json ({"train": [drive names], …}); without it every drive is for training. "all" is every drive."""
        path, drives = self.root / SPLITS_FILE, list(self._drives)
        if not path.exists():
            return {TRAIN: drives, ALL: drives}
        example = f'{{"train": ["{drives[0]}"], "val": []}}'
        try:
            lists = json.loads(read_text(path, "the splits"))
        except json.JSONDecodeError as problem:
            raise ValueError(f"{path} is not JSON ({problem}); it must be like {example}") from None
        if not isinstance(lists, dict) or not all(isinstance(members, list) for members in lists.values()):
            raise ValueError(f"{path} must map names of splits to lists of names of drives, like {example}")
        for split, members in lists.items():
            unknown = [name for name in members if name not in self._drives]
            if unknown:
                raise ValueError(f"{path} lists {unknown[0]!r} in {split!r}, but {self.root} has no such drive")
        return {split: [name for name in drives if name in members] for split, members in lists.items() if members} | {
            ALL: drives
        }


def _drive_folders(root: Path) -> dict[str, Path]:
    """Drives by name: the root itself, or the folders in it."""
    if (root / POINTS_FOLDER).is_dir():
        return {root.resolve().name: root}
    return {
        folder.name: folder
        for folder in sorted(root.iterdir())
        if not folder.name.startswith(".") and (folder / POINTS_FOLDER).is_dir()
    }
