"""What may be wrong with anybody's data, done to every format in turn; docs/formats.md shows it as a table.

Every format is a folder of a few small frames, written from its public description by code that knows no reader.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from lima.config import ImportConfig
from lima.datasets.bags.importing import import_bags
from tests.datasets import hand_made
from tests.datasets import kitti_hand_made as kitti
from tests.datasets import test_semantic_kitti_family as family
from tests.datasets.damage import (
    Change,
    as_json,
    as_text,
    content,
    feather,
    half,
    image,
    missing,
    no_rows,
    parquet,
    row_twice,
    value,
)
from tests.datasets.exporters import argoverse2, bags, pandaset, plain, waymo
from tests.datasets.exporters.drive import FIRST_NS, STEP_NS, hand_made_drive
from tests.datasets.exporters.frames import LABELS, frames_of

ROWS = (
    "missing file",
    "empty file",
    "truncated file",
    "wrong type of numbers",
    "wrong shape",
    "NaN points",
    "infinite points",
    "image of another size",
    "unknown label",
    "a time twice",
    "time runs backwards",
    "a camera missing in a frame",
    "a sweep without points",
)
"""and, for all formats alike: ten million points, files without permission, paths with spaces and umlauts"""
MANY = 10_000_000


@dataclass(frozen=True)
class Refused:
    """The one line that is said has all these words."""

    words: tuple[str, ...]
    change: Change
    error: type[Exception] = ValueError


@dataclass(frozen=True)
class Works:
    """It is read. fewer_images: than before."""

    change: Change
    fewer_images: int = 0


@dataclass(frozen=True)
class CannotBe:
    """The format has no such thing."""

    why: str


def as_it_lies(root: Path) -> Path:
    """Most folders are opened as they are."""
    return root


@dataclass(frozen=True)
class BadFormat:
    """How a format is written, and what is done to it.

    sweep: the file of a sweep, whose permission is taken away. many: makes one sweep one of `MANY` points. prepare:
    from the folder as it was written to one that can be opened.
    """

    name: str
    write: Callable[[Path], Any]
    sweep: str
    cases: Mapping[str, Refused | Works | CannotBe]
    many: Change
    prepare: Callable[[Path], Path] = field(default=as_it_lies)


# --- files of float32 numbers


def floats(relative: str, columns: int, change: Callable[[np.ndarray], np.ndarray]) -> Change:
    def rewrite(root: Path) -> None:
        change(np.fromfile(root / relative, dtype="<f4").reshape(-1, columns)).tofile(root / relative)

    return rewrite


def with_value(number: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(points: np.ndarray) -> np.ndarray:
        points[[3, 5], 2] = number
        return points

    return change


def another_column(points: np.ndarray) -> np.ndarray:
    """As many numbers as a file of whole points has, all the same."""
    fitting = len(points) // points.shape[1] * points.shape[1]
    return np.concatenate([points, points[:, :1]], axis=1)[:fitting]


def doubles(points: np.ndarray) -> np.ndarray:
    return points.astype(np.float64)


def many_floats(scan: str, columns: int, labels: str | None = None, label: int = 0) -> Change:
    def write(root: Path) -> None:
        points = np.full((MANY, columns), 0.5, dtype=np.float32)
        points[:, 4:] = 3
        points.tofile(root / scan)
        if labels is not None:
            np.full(MANY, label, dtype=np.uint32).tofile(root / labels)

    return write


def scan_cases(scan: str, columns: int = 4) -> dict[str, Refused | Works | CannotBe]:
    return {
        "empty file": Refused((scan, "empty sweep", "at least one point was expected"), content(scan, "")),
        "truncated file": Refused((scan, "not a multiple of", "truncated?"), half(scan)),
        "wrong type of numbers": Refused((scan, "expected"), floats(scan, columns, doubles)),
        "wrong shape": Refused((scan, "expected"), floats(scan, columns, another_column)),
        "NaN points": Refused(
            (scan, "points are NaN or infinite", "point 3"), floats(scan, columns, with_value(np.nan))
        ),
        "infinite points": Refused((scan, "points are NaN or infinite"), floats(scan, columns, with_value(-np.inf))),
        "a sweep without points": Refused((scan, "empty sweep"), content(scan, "")),
    }


# --- nuScenes

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

# --- KITTI and its relatives


def times(relative: str, *seconds: float) -> Change:
    return content(relative, "".join(f"{second}\n" for second in seconds))


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


def array(relative: str, made: np.ndarray | Callable[[], np.ndarray]) -> Change:
    return lambda root: np.save(root / relative, made() if callable(made) else made)


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

# --- Waymo


def component(name: str) -> str:
    return f"training/{name}/{waymo.SEGMENT}.parquet"


RANGES, RANGE_SHAPE = (f"[LiDARComponent].range_image_return1.{part}" for part in ("values", "shape"))
CLASSES = "[LiDARSegmentationLabelComponent].range_image_return1.values"
PICTURE = "[CameraImageComponent].image"


def cells(column: str, change: Callable[[Any], Any], row: int = 1) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Another list, or another picture, in one row."""

    def rewrite(table: pd.DataFrame) -> pd.DataFrame:
        made = list(table[column])
        made[row] = change(made[row])
        return table.assign(**{column: pd.Series(made, dtype=object)})

    return rewrite


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


def upside_down(table: pd.DataFrame) -> pd.DataFrame:
    return table[::-1].reset_index(drop=True)


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

# --- Argoverse 2

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

# --- PandaSet

PANDA_SWEEP, PANDA_LABELS = "002/lidar/01.pkl.gz", "002/annotations/semseg/01.pkl.gz"
PANDA_IMAGE, PANDA_TIMES = "002/camera/front_camera/01.jpg", "002/lidar/timestamps.json"


def pickled(relative: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Change:
    def rewrite(root: Path) -> None:
        table = change(pd.read_pickle(root / relative))
        pandaset.write_pickle(
            {name: column.to_numpy() if column.dtype.kind in "fiu" else list(column) for name, column in table.items()},
            root / relative,
        )

    return rewrite


def later(place: int, seconds: float) -> Callable[[list[float]], None]:
    def change(times_s: list[float]) -> None:
        times_s[place] = times_s[0] + seconds

    return change


def many_of_pandaset(root: Path) -> None:
    points: dict[str, object] = {axis: np.linspace(0, 9, MANY) for axis in "xyz"}
    points |= {"i": np.full(MANY, 9.0), "t": np.zeros(MANY), "d": np.zeros(MANY, np.int64)}
    pandaset.write_pickle(points, root / "002/lidar/01.pkl")
    pandaset.write_pickle({"class": np.full(MANY, 7)}, root / "002/annotations/semseg/01.pkl")


PANDASET = BadFormat(
    "PandaSet",
    lambda root: pandaset.write_drive(root, hand_made_drive()),
    PANDA_SWEEP,
    {
        "missing file": Refused((PANDA_SWEEP, "is missing"), missing(PANDA_SWEEP), FileNotFoundError),
        "empty file": Refused((PANDA_SWEEP, "is empty"), content(PANDA_SWEEP, "")),
        "truncated file": Refused((PANDA_SWEEP, "truncated?"), half(PANDA_SWEEP)),
        "wrong type of numbers": Refused((PANDA_SWEEP, "expected"), pickled(PANDA_SWEEP, as_text("x"))),
        "wrong shape": Refused((PANDA_SWEEP, "no column z"), pickled(PANDA_SWEEP, lambda t: t.drop(columns="z"))),
        "NaN points": Refused((PANDA_SWEEP, "point 3"), pickled(PANDA_SWEEP, value("y", np.nan, 3))),
        "infinite points": Refused((PANDA_SWEEP, "NaN or infinite"), pickled(PANDA_SWEEP, value("z", np.inf, 7))),
        "image of another size": Refused((PANDA_IMAGE, "16 x 12 px", "32 x 24"), image(PANDA_IMAGE, 16, 12)),
        "unknown label": Refused((PANDA_LABELS, "99"), pickled(PANDA_LABELS, value("class", 99))),
        "a time twice": Refused(("002", "same time as"), as_json(PANDA_TIMES, later(1, 0.0))),
        "time runs backwards": Refused(("002", "earlier time"), as_json(PANDA_TIMES, later(2, 0.05))),
        "a camera missing in a frame": Refused((PANDA_IMAGE, "is missing"), missing(PANDA_IMAGE), FileNotFoundError),
        "a sweep without points": Refused((PANDA_SWEEP, "at least one"), pickled(PANDA_SWEEP, no_rows)),
    },
    many_of_pandaset,
)

# --- plain folder

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

# --- bags

BAG = "a drive.bag"


def write_bag(root: Path, change: Callable[[list[bags.Sent]], list[bags.Sent]] = lambda sent: sent) -> None:
    bags.write_bag(root / "a drive", PLAIN_FRAMES, "ros1", bags.BagPlan(change=change))


def messages(topic: str, change: Callable[[list[bags.Sent]], list[bags.Sent]]) -> Change:
    """Record again, with other messages of a kind of topic."""

    def edited(sent: list[bags.Sent]) -> list[bags.Sent]:
        chosen = [entry for entry in sent if topic in entry[1]]
        return sorted([entry for entry in sent if topic not in entry[1]] + change(chosen), key=lambda entry: entry[0])

    def rewrite(root: Path) -> None:
        (root / BAG).unlink()
        write_bag(root, edited)

    return rewrite


def cloud(change: Callable[[Any], None]) -> Change:
    """The second sweep, otherwise."""

    def edited(sent: list[bags.Sent]) -> list[bags.Sent]:
        change(sent[1][3])
        return sent

    return messages("/lidar/points", edited)


def as_whole_numbers(message: Any) -> None:
    message.fields[0].datatype = bags.TYPES["i4"]


def cut(message: Any) -> None:
    message.data = message.data[:-100]


def first_x(number: float) -> Callable[[Any], None]:
    def change(message: Any) -> None:
        message.data = message.data.copy()
        message.data[:4] = np.frombuffer(np.float32(number).tobytes(), np.uint8)

    return change


def emptied(message: Any) -> None:
    message.data, message.width, message.row_step = message.data[:0], 0, 0


def enlarged(message: Any) -> None:
    message.data = np.resize(message.data, MANY * message.point_step)
    message.width, message.row_step = MANY, MANY * message.point_step


def small_picture(sent: list[bags.Sent]) -> list[bags.Sent]:
    recorded_ns, topic, kind, _ = sent[1]
    other = bags.Maker(1).compressed(PLAIN_CAMERA.timestamp_ns, PLAIN_CAMERA.name, np.zeros((12, 16, 3), np.uint8))
    return [sent[0], (recorded_ns, topic, kind, other), *sent[2:]]


def an_hour_ago(sent: list[bags.Sent]) -> list[bags.Sent]:
    sent[2][3].header.stamp.sec -= 3600
    return sent


def imported(root: Path) -> Path:
    import_bags([root / BAG], root / "imported", ImportConfig())
    return root / "imported"


BAGS = BadFormat(
    "bags",
    write_bag,
    BAG,
    {
        "missing file": Refused((BAG, "is missing"), missing(BAG), FileNotFoundError),
        "empty file": Refused((BAG, "empty file"), content(BAG, "")),
        "truncated file": Refused((BAG, "rosbag reindex"), half(BAG)),
        "wrong type of numbers": Refused((BAG, "x is int32"), cloud(as_whole_numbers)),
        "wrong shape": Refused((BAG, "/lidar/points", "bytes"), cloud(cut)),
        "NaN points": Works(cloud(first_x(np.nan))),
        "infinite points": Works(cloud(first_x(np.inf))),
        "image of another size": Refused((BAG, "16 x 12 px", "32 x 24"), messages("compressed", small_picture)),
        "unknown label": CannotBe("no labels"),
        "a time twice": Refused((BAG, "two messages have the time"), messages("points", lambda s: [*s, s[1]])),
        "time runs backwards": Refused((BAG, "time runs backwards"), messages("points", an_hour_ago)),
        "a camera missing in a frame": Works(messages("compressed", lambda s: [s[0], *s[2:]]), fewer_images=1),
        "a sweep without points": Refused((BAG, "--skip-bad"), cloud(emptied)),
    },
    cloud(enlarged),
    imported,
)

ONE_OF_EVERY_READER = (NUSCENES, *KITTI, FAMILY[-1], WAYMO, ARGOVERSE2, PANDASET, PLAIN_FOLDER, BAGS)
"""of SemanticKITTI's relatives, which share one, that with files of another kind"""
FORMATS = (NUSCENES, *KITTI, *FAMILY, WAYMO, ARGOVERSE2, PANDASET, PLAIN_FOLDER, BAGS)
