"""Formats of driving logs: one file per format, the only place that knows file formats and foreign names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lima.config import AtGap
from lima.scene import Dataset


@dataclass(frozen=True)
class Format:
    """A kind of folder. recognises: from its names alone, without reading files. opens: the folder, as a dataset."""

    name: str
    recognises: Callable[[Path], bool]
    opens: Callable[[Path, AtGap], Dataset]


def formats() -> tuple[Format, ...]:
    """Every format there is, those that are easier to mistake for another first."""
    from lima.datasets import argoverse2, kitti_raw, nuscenes, pandaset, plain_folder, truckscenes, waymo
    from lima.datasets.scan_dataset import ScanDataset
    from lima.datasets.semantic_kitti_family import FAMILY

    return (
        Format("TruckScenes", truckscenes.recognises, nuscenes.NuScenes),
        Format("nuScenes", nuscenes.recognises, nuscenes.NuScenes),
        Format("Argoverse 2", argoverse2.recognises, argoverse2.Argoverse2),
        Format("PandaSet", pandaset.recognises, pandaset.PandaSet),
        Format("Waymo Open v2", waymo.recognises, waymo.Waymo),
        Format("KITTI raw", kitti_raw.recognises, kitti_raw.KittiRaw),
        *(Format(each.name, each.recognises, partial(ScanDataset, each)) for each in FAMILY),
        Format("plain folder", plain_folder.recognises, plain_folder.PlainFolder),
    )


def open_dataset(root: Path, at_gap: AtGap = "raise") -> Dataset:
    """Open a folder of driving logs; the format is recognised from what lies in it.

    root: of nuScenes, the folder with samples/ and the version folder (or the version folder itself, where there are
    several). at_gap: what happens to a sequence with missing frames when it is asked for: an error, or one sequence of
    each side of the gap, with a warning in the log. Raises FileNotFoundError where the folder is missing or of no known
    format.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder: a folder of driving logs was expected")
    known = formats()
    for candidate in known:
        if candidate.recognises(root):
            return candidate.opens(root, at_gap)
    held = ", ".join(sorted(path.name for path in root.iterdir())[:8]) or "nothing"
    names = ", ".join(candidate.name for candidate in known)
    raise FileNotFoundError(f"{root} is of no known format (it holds {held}): expected one of {names}")
