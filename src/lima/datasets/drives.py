"""Which drives of a folder belong to which split, and the checks that every drive passes before it is given away."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from collections.abc import Sequence as Series
from pathlib import Path

from lima.config import AtGap
from lima.datasets.scan_files import read_text
from lima.datasets.splits import ALL
from lima.datasets.timeline import check_ascending, describe_gap, gaps, split_at
from lima.scene import Sequence

logger = logging.getLogger(__name__)


def with_own_splits(root: Path, drives: Series[str], found: Mapping[str, Series[str]]) -> dict[str, list[str]]:
    """The splits of a folder: those of its splits.json ({"train": [names], …}), or those found; then "all".

    Raises ValueError where splits.json is no such list, or names drives that do not exist.
    """
    path = root / "splits.json"
    if path.is_file():
        try:
            found = json.loads(read_text(path, "lists of drives"))
        except json.JSONDecodeError as problem:
            raise ValueError(
                f"{path} is not JSON ({problem}): {{'train': [names of drives], …}} was expected"
            ) from None
        if not isinstance(found, dict) or not all(isinstance(names, list) for names in found.values()):
            raise ValueError(
                f"{path} must map names of splits to lists of drives, like {{'train': ['{drives[0]}'], …}}"
            )
        for split, names in found.items():
            unknown = sorted(set(map(str, names)).difference(drives))
            if unknown:
                raise ValueError(f"{path} lists {unknown[0]!r} in {split!r}, but {root} has no such drive")
    members = {split: set(names) for split, names in found.items()}
    splits = {split: [drive for drive in drives if drive in names] for split, names in members.items() if names}
    return splits | {ALL: list(drives)}


def members(splits: Mapping[str, list[str]], split: str | None, root: Path) -> list[str]:
    """The drives of a split; None for all. Raises ValueError for a split that is not there."""
    split = ALL if split is None else split
    if split not in splits:
        known = ", ".join(f"{name} ({len(names)})" for name, names in splits.items())
        raise ValueError(
            f"{root} has no drives in split {split!r}; splits with drives: {known}. Lists of your own go into "
            f'{root / "splits.json"}: {{"train": [names of drives], "val": […]}}'
        )
    return splits[split]


def checked(sequences: Series[Sequence], folders: Series[Path], at_gap: AtGap) -> list[Sequence]:
    """The same drives, split where frames are missing if that is wished.

    folders: where each lies, for messages. Raises ValueError for times that do not ascend, and for gaps
    (`timeline.gaps`) where they are not to be split at.
    """
    found: list[Sequence] = []
    told: list[str] = []
    for sequence, folder in zip(sequences, folders, strict=True):
        check_ascending(sequence.timestamps_ns, sequence.tokens, str(folder))
        borders = gaps(sequence.timestamps_ns)
        told += [f"{folder}: {describe_gap(sequence, frame)}" for frame in borders]
        found += split_at(sequence, borders)
    if told and at_gap == "raise":
        raise ValueError(
            f"{'; '.join(told[:5])}{' …' * (len(told) > 5)} ({len(told)} gaps): frames are missing. Open the dataset "
            f'with at_gap="split" (--at-gap split) to make a drive of each side'
        )
    for gap in told:
        logger.warning("%s: split there into two drives", gap)
    return found
