"""Argoverse 2, damaged in every way."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.datasets.bad_input.cases import (
    MANY,
    BadFormat,
    Refused,
    Works,
    upside_down,
)
from tests.datasets.damage import (
    as_text,
    content,
    feather,
    half,
    image,
    missing,
    no_rows,
    row_twice,
    value,
)
from tests.datasets.exporters import argoverse2
from tests.datasets.exporters.drive import FIRST_NS, STEP_NS, hand_made_drive

LOG = f"sensor/val/{argoverse2.LOG}"
AV2_SWEEP = f"{LOG}/sensors/lidar/{FIRST_NS + STEP_NS}.feather"
AV2_POSES, AV2_BOXES = f"{LOG}/city_SE3_egovehicle.feather", f"{LOG}/annotations.feather"
AV2_CAMERA = f"{LOG}/sensors/cameras/ring_front_center"
AV2_IMAGE = f"{AV2_CAMERA}/{FIRST_NS + STEP_NS}.jpg"


def without_images_near(root: Path) -> None:
    """Argoverse's cameras are faster than its LiDAR: the ones before and after would do."""
    for shift_ns in (-50_000_000, 0, 50_000_000):
        (root / AV2_CAMERA / f"{FIRST_NS + STEP_NS + shift_ns}.jpg").unlink()


ARGOVERSE2 = BadFormat(
    "Argoverse 2",
    lambda root: argoverse2.write_log(root, hand_made_drive()),
    AV2_SWEEP,
    {
        "missing file": Refused((AV2_POSES, "is missing"), missing(AV2_POSES), FileNotFoundError),
        "empty file": Refused((AV2_SWEEP, "is empty"), content(AV2_SWEEP, "")),
        "truncated file": Refused((AV2_SWEEP, "truncated?"), half(AV2_SWEEP)),
        "wrong type of numbers": Refused((AV2_SWEEP, "numbers were expected"), feather(AV2_SWEEP, as_text("x"))),
        "wrong shape": Refused((AV2_SWEEP, "no column z"), feather(AV2_SWEEP, lambda table: table.drop(columns="z"))),
        "NaN points": Refused((AV2_SWEEP, "point 3"), feather(AV2_SWEEP, value("y", np.nan, 3))),
        "infinite points": Refused((AV2_SWEEP, "NaN or infinite"), feather(AV2_SWEEP, value("z", np.inf, 7))),
        "image of another size": Refused((AV2_IMAGE, "16 x 12 px", "32 x 24"), image(AV2_IMAGE, 16, 12)),
        "unknown label": Refused((AV2_BOXES, "'TRICYCLE'"), feather(AV2_BOXES, value("category", "TRICYCLE"))),
        "a time twice": Refused((AV2_POSES, "two poses for"), feather(AV2_POSES, row_twice)),
        "time runs backwards": Works(feather(AV2_POSES, upside_down)),
        "a camera missing in a frame": Works(without_images_near, fewer_images=1),
        "a sweep without points": Refused((AV2_SWEEP, "an empty sweep"), feather(AV2_SWEEP, no_rows)),
    },
    feather(AV2_SWEEP, lambda table: table.iloc[np.arange(MANY) % len(table)].reset_index(drop=True)),
)
