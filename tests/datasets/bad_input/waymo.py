"""Waymo Open v2, damaged in every way."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from tests.datasets.bad_input.cases import (
    MANY,
    BadFormat,
    Refused,
    Works,
    cells,
    upside_down,
)
from tests.datasets.damage import (
    as_text,
    content,
    half,
    missing,
    parquet,
    row_twice,
)
from tests.datasets.exporters import waymo
from tests.datasets.exporters.drive import hand_made_drive


def component(name: str) -> str:
    return f"training/{name}/{waymo.SEGMENT}.parquet"


RANGES, RANGE_SHAPE = (f"[LiDARComponent].range_image_return1.{part}" for part in ("values", "shape"))
CLASSES = "[LiDARSegmentationLabelComponent].range_image_return1.values"
PICTURE = "[CameraImageComponent].image"


def range_of(number: float, pixels: slice) -> Callable[[np.ndarray], np.ndarray]:
    def change(values: np.ndarray) -> np.ndarray:
        picture = values.copy().reshape(-1, 4)
        picture[pixels, 0] = number
        return picture.ravel()

    return change


def every_class(number: int) -> Callable[[np.ndarray], np.ndarray]:
    def change(values: np.ndarray) -> np.ndarray:
        picture = values.copy().reshape(-1, 2)
        picture[:, 1] = number
        return picture.ravel()

    return change


def no_echo(table: pd.DataFrame) -> pd.DataFrame:
    for number in (1, 2):
        column = f"[LiDARComponent].range_image_return{number}.values"
        table = cells(column, range_of(-1, slice(None)))(table)
    return table


def small_jpeg(_: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 12)).save(buffer, "jpeg")
    return buffer.getvalue()


def without_row(row: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda table: table.drop(index=table.index[row]).reset_index(drop=True)


def many_of_waymo(root: Path) -> None:
    """One return, of four beams and very many columns, seen from where the vehicle is."""
    for name, prefix, row, made in (
        ("lidar", "LiDARComponent", 1, np.array([5.0, 0.5, 0.0, -1.0], np.float32)),
        ("lidar_pose", "LiDARPoseComponent", 1, np.array([0, 0, 0, 100.5, 200, 1], np.float32)),
        ("lidar_segmentation", "LiDARSegmentationLabelComponent", 0, np.array([77, 18], np.int32)),
    ):
        first = f"[{prefix}].range_image_return1"
        many, shape = np.tile(made, MANY), np.array([4, MANY // 4, len(made)], np.int32)
        changes = [(f"{first}.values", many), (f"{first}.shape", shape)]
        if name != "lidar_pose":
            changes.append((f"[{prefix}].range_image_return2.values", None))
        for column, cell in changes:
            parquet(component(name), cells(column, lambda _, cell=cell: cell, row))(root)


WAYMO = BadFormat(
    "Waymo Open v2",
    lambda root: waymo.write_segment(root, hand_made_drive()),
    component("lidar"),
    {
        "missing file": Refused((component("lidar"), "is missing"), missing(component("lidar")), FileNotFoundError),
        "empty file": Refused((component("lidar"), "is empty"), content(component("lidar"), "")),
        "truncated file": Refused((component("lidar"), "truncated?"), half(component("lidar"))),
        "wrong type of numbers": Refused(
            (component("lidar"), "expected"), parquet(component("lidar"), as_text(RANGES))
        ),
        "wrong shape": Refused(
            (component("lidar"), "shape [4, 89, 4]", "was expected"),
            parquet(component("lidar"), cells(RANGE_SHAPE, lambda _: np.array([4, 89, 4], np.int32))),
        ),
        "NaN points": Refused(
            (component("lidar"), "NaN"), parquet(component("lidar"), cells(RANGES, range_of(np.nan, slice(5, 6))))
        ),
        "infinite points": Refused(
            (component("lidar"), "infinite"), parquet(component("lidar"), cells(RANGES, range_of(np.inf, slice(5, 6))))
        ),
        "image of another size": Refused(
            (component("camera_image"), "16 x 12 px", "32 x 24"),
            parquet(component("camera_image"), cells(PICTURE, small_jpeg)),
        ),
        "unknown label": Refused(
            (component("lidar_segmentation"), "[99]"),
            parquet(component("lidar_segmentation"), cells(CLASSES, every_class(99), 0)),
        ),
        "a time twice": Refused((component("vehicle_pose"),), parquet(component("vehicle_pose"), row_twice)),
        "time runs backwards": Works(parquet(component("lidar"), upside_down)),
        "a camera missing in a frame": Works(parquet(component("camera_image"), without_row(2)), fewer_images=1),
        "a sweep without points": Refused(
            (component("lidar"), "has no point", "at least one"), parquet(component("lidar"), no_echo)
        ),
    },
    many_of_waymo,
)
