"""KITTI odometry and SemanticKITTI: sequences/NN with velodyne, calib.txt, poses.txt, times.txt, images and labels.

Labels as in SemanticKITTI's configuration: 19 classes, moving things counted as their kind; label map
`semantic_kitti_moving` keeps the moving ones apart (25 classes). ScribbleKITTI is the same with scribbles/ instead of
labels/ where it has them.
"""

from __future__ import annotations

from pathlib import Path

from lima.datasets.scan_drive import ScanFormat

OFFICIAL_SPLITS = {
    "train": ("00", "01", "02", "03", "04", "05", "06", "07", "09", "10"),
    "val": ("08",),
    "test": ("11", "12", "13", "14", "15", "16", "17", "18", "19", "20", "21"),
}
PARTS = ("velodyne", "labels", "scribbles", "image_2", "image_0")


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, by name; none where there is no such folder."""
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def sequence_folders(root: Path) -> dict[str, Path]:
    """The folders of sequences: in sequences/, in KITTI's dataset/sequences/, or right here."""
    for place in (root / "sequences", root / "dataset" / "sequences", root):
        found = {path.name: path for path in subfolders(place) if any((path / part).is_dir() for part in PARTS)}
        numbered = {name: path for name, path in found.items() if name.isdigit()}
        if numbered:
            return numbered
    return {}


def is_semantic_kitti(root: Path) -> bool:
    """Whether there are numbered sequences with a folder velodyne or images as in KITTI's odometry set."""
    return bool(sequence_folders(root))


def is_scribble_kitti(root: Path) -> bool:
    """Whether one of the sequences has a folder of scribbles."""
    return any((folder / "scribbles").is_dir() for folder in sequence_folders(root).values())


SEMANTIC_KITTI = ScanFormat(
    name="SemanticKITTI",
    recognises=is_semantic_kitti,
    drives=sequence_folders,
    label_maps=("semantic_kitti", "semantic_kitti_moving"),
    official_splits=OFFICIAL_SPLITS,
    has_cameras=True,
)
SCRIBBLE_KITTI = ScanFormat(
    name="ScribbleKITTI",
    recognises=is_scribble_kitti,
    drives=sequence_folders,
    label_maps=("semantic_kitti", "semantic_kitti_moving"),
    label_folders=("scribbles", "labels"),
    official_splits=OFFICIAL_SPLITS,
    has_cameras=True,
)
