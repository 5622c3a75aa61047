"""KITTI and its relatives, damaged in every way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.datasets import kitti_hand_made as kitti
from tests.datasets import test_semantic_kitti_family as family
from tests.datasets.bad_input.cases import (
    MANY,
    BadFormat,
    CannotBe,
    Refused,
    Works,
    array,
    many_floats,
    scan_cases,
    times,
    with_value,
)
from tests.datasets.damage import (
    Change,
    content,
    half,
    image,
    missing,
)


def odometry_cases(sequence: str, labels: str) -> dict[str, Refused | Works | CannotBe]:
    picture = f"{sequence}/image_3/000001.png"
    label = f"{sequence}/{labels}/000001.label"
    return {
        **scan_cases(f"{sequence}/velodyne/000001.bin"),
        "missing file": Refused((f"{sequence}/calib.txt", "is missing"), missing(f"{sequence}/calib.txt"),
                                FileNotFoundError),
        "image of another size": Refused((picture, "32 x 12 px", "64 x 24"), image(picture, 32, 12)),
        "unknown label": Refused((label, "label ids [7]", "another set?"), unknown_labels(label)),
        "a time twice": Refused((sequence, "same time as"), times(f"{sequence}/times.txt", 0, 0.5, 0.5, 1.5)),
        "time runs backwards": Refused((sequence, "earlier time"), times(f"{sequence}/times.txt", 0, 0.5, 0.4, 1)),
        "a camera missing in a frame": Refused((picture, "is missing"), missing(picture), FileNotFoundError),
    }  # fmt: skip


def unknown_labels(relative: str, number: int = 7) -> Change:
    return lambda root: np.full(kitti.POINTS, number, dtype=np.uint32).tofile(root / relative)


def raw_times(*seconds: float) -> Change:
    return content(
        f"{kitti.KITTI_RAW}/velodyne_points/timestamps.txt", "\n".join(kitti.time_text(value) for value in seconds)
    )


RAW_SWEEP = f"{kitti.KITTI_RAW}/velodyne_points/data/0000000001.bin"
RAW_IMAGE = f"{kitti.KITTI_RAW}/image_02/data/0000000001.png"
PACKET = f"{kitti.KITTI_RAW}/oxts/data/0000000001.txt"
KITTI = (
    BadFormat(
        "KITTI odometry, SemanticKITTI",
        lambda root: kitti.write_odometry(root, ("00",)),
        "sequences/00/velodyne/000001.bin",
        odometry_cases("sequences/00", "labels"),
        many_floats("sequences/00/velodyne/000001.bin", 4, "sequences/00/labels/000001.label", 40),
    ),
    BadFormat(
        "KITTI raw",
        kitti.write_raw,
        RAW_SWEEP,
        {
            **scan_cases(RAW_SWEEP),
            "missing file": Refused(
                ("calib_velo_to_cam.txt", "is missing"), missing("2011_09_26/calib_velo_to_cam.txt"), FileNotFoundError
            ),
            "image of another size": Refused((RAW_IMAGE, "32 x 12 px", "64 x 24"), image(RAW_IMAGE, 32, 12)),
            "unknown label": CannotBe("no labels"),
            "a time twice": Refused((kitti.KITTI_RAW, "same time as"), raw_times(0, 0.1, 0.1, 0.3)),
            "time runs backwards": Refused((kitti.KITTI_RAW, "earlier time"), raw_times(0, 0.1, 0.05, 0.3)),
            "a camera missing in a frame": Refused((RAW_IMAGE, "is missing"), missing(RAW_IMAGE), FileNotFoundError),
        },
        many_floats(RAW_SWEEP, 4),
    ),
)
NO_IMAGES = CannotBe("no images")
NO_ORDER = CannotBe("every scan is a sequence of its own")


def relative_set(
    name: str, write: Callable[[Path], Any], folder: str, label_folder: str, label: int, columns: int = 4
) -> BadFormat:
    """A set without images. label: one that it has."""
    scan, labels = f"{folder}/000001.bin", f"{label_folder}/000001.label"
    return BadFormat(
        name,
        write,
        scan,
        {
            **scan_cases(scan, columns),
            "missing file": Refused((labels, "is missing"), missing(labels), FileNotFoundError),
            "image of another size": NO_IMAGES,
            "unknown label": Refused((labels, "label ids [200]"), unknown_labels(labels, 200)),
            "a time twice": NO_ORDER,
            "time runs backwards": NO_ORDER,
            "a camera missing in a frame": NO_IMAGES,
        },
        many_floats(scan, columns, labels, label),
    )


RELLIS_LABELS = "00000/os1_cloud_node_semantickitti_label_id"
RELLIS = relative_set("RELLIS-3D", family.write_rellis, "00000/os1_cloud_node_kitti_bin", RELLIS_LABELS, 3)
SYNTH4D_SCAN = "kitti_synth/Town03/velodyne/000001.npy"
SYNTH4D_LABELS = "kitti_synth/Town03/labels/000001.npy"


def array_with(relative: str, number: float) -> Change:
    return lambda root: np.save(root / relative, with_value(number)(np.load(root / relative)))


def many_of_synth4d(root: Path) -> None:
    np.save(root / SYNTH4D_SCAN, np.full((MANY, 4), 0.5, dtype=np.float32))
    np.save(root / SYNTH4D_LABELS, np.ones(MANY, dtype=np.int64))


FAMILY = (
    BadFormat(
        "ScribbleKITTI",
        family.write_scribble,
        "sequences/00/velodyne/000001.bin",
        odometry_cases("sequences/00", "scribbles"),
        many_floats("sequences/00/velodyne/000001.bin", 4, "sequences/00/scribbles/000001.label", 40),
    ),
    relative_set("SemanticPOSS", family.write_poss, "sequences/00/velodyne", "sequences/00/labels", 7),
    relative_set("SynLiDAR", family.write_synlidar, "00/velodyne", "00/labels", 1),
    BadFormat(
        RELLIS.name, RELLIS.write, RELLIS.sweep,
        {
            **RELLIS.cases,
            "a time twice": Refused(("00000", "same time as"), times("00000/times.txt", 0, 0.1, 0.1, 0.3)),
            "time runs backwards": Refused(("00000", "earlier time"), times("00000/times.txt", 0, 0.2, 0.1, 0.3)),
        },
        RELLIS.many,
    ),
    relative_set("SemanticSTF", family.write_stf, "train/velodyne", "train/labels", 1, columns=5),
    relative_set("DAPS-3D", family.write_daps, "data/00/clouds", "data/00/labels", 10),
    BadFormat(
        "Synth4D",
        family.write_synth4d,
        SYNTH4D_SCAN,
        {
            "missing file": Refused((SYNTH4D_LABELS, "is missing"), missing(SYNTH4D_LABELS), FileNotFoundError),
            "empty file": Refused((SYNTH4D_SCAN, "not a readable .npy array"), content(SYNTH4D_SCAN, "")),
            "truncated file": Refused((SYNTH4D_SCAN, "truncated?"), half(SYNTH4D_SCAN)),
            "wrong type of numbers": Refused(
                (SYNTH4D_SCAN, "floats were expected"), array(SYNTH4D_SCAN, np.array([["a", "b", "c", "d"]]))
            ),
            "wrong shape": Refused((SYNTH4D_SCAN, "transposed"), array(SYNTH4D_SCAN, np.zeros((3, 50), np.float32))),
            "NaN points": Refused((SYNTH4D_SCAN, "point 3"), array_with(SYNTH4D_SCAN, np.nan)),
            "infinite points": Refused((SYNTH4D_SCAN, "NaN or infinite"), array_with(SYNTH4D_SCAN, np.inf)),
            "image of another size": NO_IMAGES,
            "unknown label": Refused((SYNTH4D_LABELS, "[200]"), array(SYNTH4D_LABELS, np.full(kitti.POINTS, 200))),
            "a time twice": NO_ORDER,
            "time runs backwards": NO_ORDER,
            "a camera missing in a frame": NO_IMAGES,
            "a sweep without points": Refused((SYNTH4D_SCAN, "empty sweep"), array(SYNTH4D_SCAN, np.zeros((0, 4)))),
        },
        many_of_synth4d,
    ),
)  # fmt: skip
