"""Formats of driving logs: one file per format, the only place that knows file formats and foreign names."""

from __future__ import annotations

from pathlib import Path

from lima.config import AtGap
from lima.scene import Dataset


def open_dataset(root: Path, at_gap: AtGap = "raise") -> Dataset:
    """Open a folder of driving logs; the format is recognised from what lies in it.

    root: of nuScenes, the folder with samples/ and the version folder (or the version folder itself, where there are
    several). at_gap: what happens to a sequence with missing frames when it is asked for: an error, or one sequence of
    each side of the gap, with a warning in the log. Raises FileNotFoundError where the folder is missing or of no known
    format.
    """
    from lima.datasets.nuscenes import NuScenes

    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder: a folder of driving logs was expected")
    return NuScenes(root, at_gap)
