"""Labelled LiDAR sets written like SemanticKITTI: where their files are, whose classes they have, how they are split.

They have no images that fit the points, so they serve for fine-tuning and scoring, not for pretraining. Where a set
has no poses, every scan stands alone. docs/formats.md names the source of every fact here.
"""

from __future__ import annotations

import re
from pathlib import Path

from lima.datasets.scan_drive import FrameLists, ScanFormat
from lima.datasets.scan_files import read_text
from lima.datasets.semantic_kitti import SCRIBBLE_KITTI, SEMANTIC_KITTI, sequence_folders, subfolders
from lima.datasets.synth4d_splits import synth4d_splits

RELLIS_SCANS = "os1_cloud_node_kitti_bin"
RELLIS_LISTS = {"train": "pt_train.lst", "val": "pt_val.lst", "test": "pt_test.lst"}
SYNTH4D_SENSORS = ("kitti_synth", "nuscenes_synth")
SEVERAL = "{root} holds several sets, {names}: name the one you mean, like {first}"


def _is_called(root: Path, name: str) -> bool:
    """Whether the folder, or the one around a folder `sequences` or `dataset`, has that in its name."""
    while root.name in ("sequences", "dataset"):
        root = root.parent
    return name in re.sub(r"[^a-z0-9]", "", root.name.lower())


def is_semantic_poss(root: Path) -> bool:
    """Its sequences have a folder `tag`; or the folder is called after the set."""
    drives = sequence_folders(root).values()
    return bool(drives) and (any((drive / "tag").is_dir() for drive in drives) or _is_called(root, "poss"))


def is_synlidar(root: Path) -> bool:
    """Its annotations.yaml lies beside the sequences; or the folder is called after the set."""
    drives = sequence_folders(root).values()
    places = {place for drive in drives for place in drive.parents[:2]}
    noted = any((place / "annotations.yaml").is_file() for place in places)
    return bool(drives) and (noted or _is_called(root, "synlidar"))


def is_semantic_stf(root: Path) -> bool:
    """train/, val/ or test/ with a folder velodyne."""
    return bool(stf_folders(root))


def stf_folders(root: Path) -> dict[str, Path]:
    return {name: root / name for name in ("train", "val", "test") if (root / name / "velodyne").is_dir()}


def is_rellis(root: Path) -> bool:
    """Sequences with a folder os1_cloud_node_kitti_bin."""
    return bool(rellis_folders(root))


def rellis_folders(root: Path) -> dict[str, Path]:
    for place in (root, root / "Rellis-3D"):
        found = {path.name: path for path in subfolders(place) if (path / RELLIS_SCANS).is_dir()}
        if found:
            return found
    return {}


def rellis_lists(root: Path) -> FrameLists:
    """The official lists pt_train.lst, pt_val.lst and pt_test.lst, as far as they are there."""
    lists: dict[str, dict[str, frozenset[str]]] = {}
    for split, name in RELLIS_LISTS.items():
        path = next((folder / name for folder in (root, root / "Rellis-3D") if (folder / name).is_file()), None)
        if path is None:
            continue
        frames: dict[str, set[str]] = {}
        for number, line in enumerate(read_text(path, f"the list of split {split}").splitlines(), start=1):
            parts = Path(line.split()[0]).parts if line.strip() else ()
            if parts and (len(parts) < 3 or parts[-2] != RELLIS_SCANS):
                raise ValueError(f"{path}: line {number} must be like 00000/{RELLIS_SCANS}/000000.bin …, got {line!r}")
            if parts:
                frames.setdefault(parts[-3], set()).add(Path(parts[-1]).stem)
        lists[split] = {sequence: frozenset(stems) for sequence, stems in frames.items()}
    return lists


def is_daps(root: Path) -> bool:
    """data/ with sequences that have a folder clouds; or folders daps-1, daps-2 with such."""
    return bool(_daps_roots(root))


def _daps_roots(root: Path) -> list[Path]:
    places = [root, *(path for path in subfolders(root) if path.name.lower().startswith("daps"))]
    return [place for place in places if any((drive / "clouds").is_dir() for drive in subfolders(place / "data"))]


def daps_folders(root: Path) -> dict[str, Path]:
    place = _only_one(root, _daps_roots(root))
    return {drive.name: drive for drive in subfolders(place / "data") if (drive / "clouds").is_dir()}


def is_synth4d(root: Path) -> bool:
    """Towns with velodyne/*.npy, here or in kitti_synth and nuscenes_synth."""
    return bool(_synth4d_roots(root))


def _synth4d_roots(root: Path) -> list[Path]:
    places = [root, *(root / name for name in SYNTH4D_SENSORS)]
    return [place for place in places if _towns(place)]


def _towns(place: Path) -> dict[str, Path]:
    return {
        path.name: path for path in subfolders(place) if path.name.startswith("Town") and (path / "velodyne").is_dir()
    }


def synth4d_folders(root: Path) -> dict[str, Path]:
    return _towns(_only_one(root, _synth4d_roots(root)))


def synth4d_lists(root: Path) -> FrameLists:
    place = _only_one(root, _synth4d_roots(root))
    return synth4d_splits(place.parent / "splits" / place.name)


def _only_one(root: Path, places: list[Path]) -> Path:
    """The sets of several sensors are never mixed without a word. Raises ValueError for several."""
    if len(places) > 1:
        raise ValueError(SEVERAL.format(root=root, names=", ".join(place.name for place in places), first=places[0]))
    return places[0]


FAMILY = (
    SCRIBBLE_KITTI,
    ScanFormat(
        name="SemanticPOSS",
        recognises=is_semantic_poss,
        drives=sequence_folders,
        label_maps=("semantic_poss",),
        official_splits={"train": ("00", "01", "02", "04", "05"), "val": ("03",)},
    ),
    ScanFormat(
        name="SynLiDAR",
        recognises=is_synlidar,
        drives=sequence_folders,
        label_maps=("synlidar", "synlidar_as_semantic_kitti"),
        full_scale=1.0,
        official_splits={
            "train": ("01", "02", "03", "05", "06", "08", "09", "10", "11", "12"),
            "val": ("00", "04", "07"),
        },
    ),
    ScanFormat(
        name="RELLIS-3D",
        recognises=is_rellis,
        drives=rellis_folders,
        label_maps=("rellis", "rellis_benchmark"),
        scans=RELLIS_SCANS,
        label_folders=("os1_cloud_node_semantickitti_label_id",),
        full_scale=1.0,
        frame_lists=rellis_lists,
    ),
    ScanFormat(
        name="SemanticSTF",
        recognises=is_semantic_stf,
        drives=stf_folders,
        label_maps=("semantic_stf",),
        columns=5,
        full_scale=255.0,
        official_splits={"train": ("train",), "val": ("val",), "test": ("test",)},
    ),
    ScanFormat(
        name="DAPS-3D",
        recognises=is_daps,
        drives=daps_folders,
        label_maps=("daps_3d",),
        scans="clouds",
        official_splits={
            "train": ("00", "01", "02", "03", "04", "05", "06", "07", "09", "10", "38-18_7_72_90"),
            "val": ("08", "42-48_10_78_90", "44-18_11_15_32"),
        },
    ),
    ScanFormat(
        name="Synth4D",
        recognises=is_synth4d,
        drives=synth4d_folders,
        label_maps=("synth4d", "synth4d_macro"),
        scan_ending=".npy",
        label_ending=".npy",
        frame_lists=synth4d_lists,
    ),
    SEMANTIC_KITTI,
)
"""every set, those that are easier to mistake for another first"""
