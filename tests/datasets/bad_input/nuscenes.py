"""nuScenes, damaged in every way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.datasets import hand_made
from tests.datasets.bad_input.cases import (
    MANY,
    BadFormat,
    Refused,
    Works,
    many_floats,
    scan_cases,
)
from tests.datasets.damage import (
    Change,
    as_json,
    content,
    image,
    missing,
)

NUSCENES_SWEEP = hand_made.data_file(0, 1, "LIDAR_TOP")
NUSCENES_IMAGE = hand_made.data_file(0, 1, "CAM_FRONT")
NUSCENES_LABELS = hand_made.label_file(0, 1)
SAMPLE_DATA = f"{hand_made.VERSION}/sample_data.json"


def sweep_at(timestamp_us: int) -> Change:
    def change(rows: list[dict[str, Any]]) -> None:
        (row,) = (row for row in rows if row["token"] == hand_made.data_token(0, 1, "LIDAR_TOP"))
        row["timestamp"] = timestamp_us

    return as_json(SAMPLE_DATA, change)


def without_image_row(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["token"] != hand_made.data_token(0, 1, "CAM_FRONT")]


def many_of_nuscenes(root: Path) -> None:
    many_floats(NUSCENES_SWEEP, 5)(root)
    np.full(MANY, 17, dtype=np.uint8).tofile(root / NUSCENES_LABELS)


NUSCENES = BadFormat(
    "nuScenes",
    hand_made.write_dataset,
    NUSCENES_SWEEP,
    {
        **scan_cases(NUSCENES_SWEEP, 5),
        "missing file": Refused((NUSCENES_SWEEP, "is missing"), missing(NUSCENES_SWEEP), FileNotFoundError),
        "image of another size": Refused((NUSCENES_IMAGE, "32 x 12 px", "64 x 48"), image(NUSCENES_IMAGE, 32, 12)),
        "unknown label": Refused(
            (NUSCENES_LABELS, "label ids [99]", "category.json"), content(NUSCENES_LABELS, bytes([99] * 400))
        ),
        "a time twice": Refused(("timestamp", "was one of them copied?"), sweep_at(hand_made.FIRST_US)),
        "time runs backwards": Refused(("in order of time",), sweep_at(hand_made.FIRST_US - 1_000_000)),
        "a camera missing in a frame": Works(as_json(SAMPLE_DATA, without_image_row), fewer_images=1),
    },
    many_of_nuscenes,
)
