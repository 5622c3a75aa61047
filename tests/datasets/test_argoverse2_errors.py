"""Oracle: an Argoverse 2 log damaged in one place each; errors name file, found, expected, remedy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lima.datasets import open_dataset
from tests.datasets.contents import Contents, read_everything
from tests.datasets.damage import (
    Change,
    Damage,
    as_text,
    check_refused,
    check_unreadable,
    content,
    feather,
    folder_missing,
    half,
    image,
    missing,
    nan_in,
    no_rows,
    params,
    row_twice,
    value,
    without,
    without_row,
)
from tests.datasets.exporters import argoverse2 as exporter
from tests.datasets.exporters.drive import FIRST_NS, STEP_NS, hand_made_drive

LOG = f"sensor/val/{exporter.LOG}"
POSES = f"{LOG}/city_SE3_egovehicle.feather"
EXTRINSICS, INTRINSICS = (f"{LOG}/calibration/{name}.feather" for name in ("egovehicle_SE3_sensor", "intrinsics"))
BOXES = f"{LOG}/annotations.feather"
LIDAR = f"{LOG}/sensors/lidar"
SWEEP = f"{LIDAR}/{FIRST_NS + STEP_NS}.feather"
IMAGE = f"{LOG}/sensors/cameras/ring_front_center/{FIRST_NS + STEP_NS}.jpg"


def a_copy(relative: str, name: str) -> Change:
    return lambda root: (root / relative).with_name(name).write_bytes((root / relative).read_bytes())


def no_sweeps(root: Path) -> None:
    for path in (root / LIDAR).iterdir():
        path.unlink()


DAMAGES = params(
    Damage("poses missing", FileNotFoundError, ("city_SE3_egovehicle.feather", "is missing"), missing(POSES)),
    Damage("poses empty", ValueError, ("city_SE3_egovehicle.feather", "is empty", "Copy it again"), content(POSES, "")),
    Damage("poses truncated", ValueError, ("no readable feather file", "truncated?"), half(POSES)),
    Damage("poses of something else", ValueError, ("no readable feather file",), content(POSES, "a, b\n1, 2\n")),
    Damage("poses without a column", ValueError, ("no column qw",), feather(POSES, without("qw"))),
    Damage("poses NaN", ValueError, ("tx_m is nan in row 3",), feather(POSES, nan_in("tx_m"))),
    Damage("pose no rotation", ValueError, ("pose of",), feather(POSES, lambda table: table.assign(qw=0.5))),
    Damage("poses twice", ValueError, ("two poses for",), feather(POSES, row_twice)),
    Damage("times of poses are texts", ValueError, ("timestamp_ns", "string"), feather(POSES, as_text("timestamp_ns"))),
    Damage("no pose of a sweep", ValueError, (f"no pose for {FIRST_NS + 2 * STEP_NS} ns",), feather(
        POSES, lambda table: table[table["timestamp_ns"] != FIRST_NS + 2 * STEP_NS]
    )),
    Damage("no poses", ValueError, (f"no pose for {FIRST_NS} ns",), feather(POSES, no_rows)),
    Damage("extrinsics missing", FileNotFoundError, ("egovehicle_SE3_sensor.feather",), missing(EXTRINSICS)),
    Damage("extrinsics truncated", ValueError, ("egovehicle_SE3_sensor.feather",), half(EXTRINSICS)),
    Damage("no LiDAR", ValueError, ("no sensor up_lidar", "ring_front_center"), feather(
        EXTRINSICS, lambda table: table[table["sensor_name"] != "up_lidar"]
    )),
    Damage("sensor twice", ValueError, ("2 rows for ring_front_center",), feather(EXTRINSICS, row_twice)),
    Damage("extrinsics no rotation", ValueError, ("quaternion",), feather(EXTRINSICS, value("qw", 9.0))),
    Damage("intrinsics missing", FileNotFoundError, ("intrinsics.feather",), missing(INTRINSICS)),
    Damage("no camera", ValueError, ("no camera ring_front_center",), feather(INTRINSICS, without_row(0))),
    Damage("camera twice", ValueError, ("2 rows for ring_front_center",), feather(INTRINSICS, row_twice)),
    Damage("focal length 0", ValueError, ("ring_front_center",), feather(INTRINSICS, value("fx_px", 0.0))),
    Damage("sweep empty", ValueError, (SWEEP, "is empty"), content(SWEEP, "")),
    Damage("sweep truncated", ValueError, (SWEEP, "no readable feather file", "truncated?"), half(SWEEP)),
    Damage("sweep without points", ValueError, (SWEEP, "an empty sweep"), feather(SWEEP, no_rows)),
    Damage("sweep without a column", ValueError, (SWEEP, "no column laser_number"), feather(
        SWEEP, without("laser_number")
    )),
    Damage("sweep of texts", ValueError, (SWEEP, "column x holds", "numbers were expected"), feather(
        SWEEP, as_text("x")
    )),
    Damage("sweep with gaps", ValueError, (SWEEP, "no value in 1 of 60 rows"), feather(
        SWEEP, lambda table: table.assign(laser_number=table["laser_number"].astype("Int64").mask(table.index == 5))
    )),
    Damage("NaN points", ValueError, (SWEEP, "1 of 60 points are NaN or infinite", "point 3"), feather(
        SWEEP, value("y", np.nan, 3)
    )),
    Damage("infinite points", ValueError, (SWEEP, "NaN or infinite", "point 7"), feather(SWEEP, value("z", np.inf, 7))),
    Damage("laser 99", ValueError, (SWEEP, "laser_number", "0 … 63"), feather(SWEEP, value("laser_number", 99))),
    Damage("sweep named by a number of its own", ValueError, ("first.feather", "named by its time"), a_copy(
        SWEEP, "first.feather"
    )),
    Damage("sweep named by a number that is no time", ValueError, ("named by its time",), a_copy(
        SWEEP, "99999999999999999999.feather"
    )),
    Damage("no sweeps", FileNotFoundError, ("holds no sweep",), no_sweeps),
    Damage("folder of sweeps missing", FileNotFoundError, ("sensors/lidar", "is missing"), folder_missing(LIDAR)),
    Damage("image truncated", ValueError, (IMAGE, "not a readable image"), half(IMAGE)),
    Damage("image empty", ValueError, (IMAGE, "not a readable image"), content(IMAGE, "")),
    Damage("image of another size", ValueError, (IMAGE, "40 x 30 px", "32 x 24", "resized"), image(IMAGE, 40, 30)),
    Damage("boxes empty", ValueError, ("annotations.feather", "is empty"), content(BOXES, "")),
    Damage("boxes truncated", ValueError, ("annotations.feather",), half(BOXES)),
    Damage("boxes of another set", ValueError, ("'TRICYCLE'", "none of the 30"), feather(
        BOXES, value("category", "TRICYCLE")
    )),
    Damage("box NaN", ValueError, ("annotations.feather", "length_m is nan"), feather(BOXES, nan_in("length_m"))),
    Damage("box without a size", ValueError, ("boxes of", "must be positive"), feather(BOXES, value("width_m", -1.0))),
    Damage("box no rotation", ValueError, ("has norm", "norm 1"), feather(BOXES, value("qw", 3.0))),
    Damage("box twice", ValueError, ("two boxes at",), feather(BOXES, row_twice)),
)  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("av2")
    exporter.write_log(root, hand_made_drive())
    return root


@pytest.mark.parametrize("damage", DAMAGES)
def test_errors_name_what_is_wrong(damage: Damage, written: Path, tmp_path: Path) -> None:
    check_refused(damage, written, tmp_path / "mit Lücken")


def test_what_is_not_damaged_is_read(written: Path) -> None:
    assert read_everything(written) == Contents(frames=3, points=180, images=6, labels=180, boxes=6)


@pytest.mark.parametrize("relative", [POSES, EXTRINSICS, INTRINSICS, SWEEP, IMAGE, BOXES])
def test_files_that_may_not_be_read(relative: str, written: Path) -> None:
    check_unreadable(written, relative)


def test_splits_and_frames_that_are_not_there(written: Path) -> None:
    dataset = open_dataset(written)
    with pytest.raises(ValueError, match=r"no drives in split 'train'; splits with drives: val \(1\), all \(1\)"):
        dataset.sequences("train")
    with pytest.raises(IndexError, match="has frames 0 … 2, not 3"):
        dataset.sequences()[0].frame(3)
