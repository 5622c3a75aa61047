"""The plain folder, damaged in every way."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from tests.datasets.bad_input.cases import (
    MANY,
    BadFormat,
    Refused,
    Works,
    array,
    times,
)
from tests.datasets.damage import (
    Change,
    content,
    half,
    image,
    missing,
)
from tests.datasets.exporters import plain
from tests.datasets.exporters.drive import FIRST_NS, STEP_NS, hand_made_drive
from tests.datasets.exporters.frames import LABELS, frames_of

PLAIN = "a drive"
PLAIN_SWEEP = f"{PLAIN}/points/{FIRST_NS + STEP_NS}.npy"
PLAIN_LABELS = f"{PLAIN}/labels/{FIRST_NS + STEP_NS}.label"
PLAIN_FRAMES = frames_of(hand_made_drive())
PLAIN_CAMERA = PLAIN_FRAMES[1].images[0]
PLAIN_IMAGE = f"{PLAIN}/images/{PLAIN_CAMERA.name}/{PLAIN_CAMERA.timestamp_ns}.png"


def write_plain(root: Path) -> None:
    plain.write_drive(root / PLAIN, PLAIN_FRAMES)
    plain.write_classes(root, ["ignored", *(f"class {number}" for number in range(1, LABELS))])


def record_with(number: float) -> Change:
    def rewrite(root: Path) -> None:
        table = np.load(root / PLAIN_SWEEP)
        table["x"][3] = number
        np.save(root / PLAIN_SWEEP, table)

    return rewrite


def same_time_in_microseconds(root: Path) -> None:
    shutil.copy(root / PLAIN_SWEEP, root / PLAIN / "points" / f"{(FIRST_NS + STEP_NS) // 1000}.npy")


def many_of_plain(root: Path) -> None:
    np.save(root / PLAIN_SWEEP, np.resize(np.load(root / PLAIN_SWEEP), MANY))
    np.full(MANY, 1, dtype=np.uint32).tofile(root / PLAIN_LABELS)


PLAIN_FOLDER = BadFormat(
    "plain folder",
    write_plain,
    PLAIN_SWEEP,
    {
        "missing file": Refused(
            ("calibration.yaml", "is missing", "ego_from_lidar"),
            missing(f"{PLAIN}/calibration.yaml"),
            FileNotFoundError,
        ),
        "empty file": Refused((PLAIN_SWEEP, "empty file"), content(PLAIN_SWEEP, "")),
        "truncated file": Refused((PLAIN_SWEEP, "truncated?"), half(PLAIN_SWEEP)),
        "wrong type of numbers": Refused(
            (PLAIN_SWEEP, "was expected"), array(PLAIN_SWEEP, np.array([["a", "b", "c", "d"]]))
        ),
        "wrong shape": Refused((PLAIN_SWEEP, "transposed?"), array(PLAIN_SWEEP, np.zeros((3, 60), np.float32))),
        "NaN points": Refused((PLAIN_SWEEP, "point 3", "drop_invalid"), record_with(np.nan)),
        "infinite points": Refused((PLAIN_SWEEP, "NaN or infinite"), record_with(np.inf)),
        "image of another size": Refused((PLAIN_IMAGE, "16 x 12 px", "32 x 24"), image(PLAIN_IMAGE, 16, 12)),
        "unknown label": Refused(
            (PLAIN_LABELS, "[99]", "classes.yaml"),
            lambda root: np.full(60, 99, dtype=np.uint32).tofile(root / PLAIN_LABELS),
        ),
        "a time twice": Refused((f"{PLAIN}/points", "the same time"), same_time_in_microseconds),
        "time runs backwards": Refused(
            (f"{PLAIN}/points/timestamps.txt", "must ascend"), times(f"{PLAIN}/points/timestamps.txt", 0.1, 0.3, 0.2)
        ),
        "a camera missing in a frame": Works(missing(PLAIN_IMAGE), fewer_images=1),
        "a sweep without points": Refused(
            (PLAIN_SWEEP, "empty sweep"), lambda root: np.save(root / PLAIN_SWEEP, np.load(root / PLAIN_SWEEP)[:0])
        ),
    },
    many_of_plain,
)
