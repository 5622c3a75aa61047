"""Oracle: folders of KITTI and its relatives damaged in one place each; errors name file, found, expected, remedy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.datasets import kitti_hand_made as made
from tests.datasets import test_semantic_kitti_family as family
from tests.datasets.contents import Contents, read_everything
from tests.datasets.damage import Change, Damage, content, cut_short, folder_missing, image, missing

SEQUENCE = "sequences/00"
SCAN = f"{SEQUENCE}/velodyne/000001.bin"
LABELS = f"{SEQUENCE}/labels/000001.label"
IMAGE = f"{SEQUENCE}/image_3/000001.png"
POSES, TIMES, CALIB = f"{SEQUENCE}/poses.txt", f"{SEQUENCE}/times.txt", f"{SEQUENCE}/calib.txt"
RAW = made.KITTI_RAW
RAW_SCAN = f"{RAW}/velodyne_points/data/0000000001.bin"
PACKET = f"{RAW}/oxts/data/0000000001.txt"
RAW_TIMES = f"{RAW}/velodyne_points/timestamps.txt"
DATE = "2011_09_26"
STF_SCAN, STF_LABELS = "train/velodyne/000001.bin", "train/labels/000001.label"
SYNTH_SCAN, SYNTH_LABELS = "kitti_synth/Town03/velodyne/000001.npy", "kitti_synth/Town03/labels/000001.npy"


def points(relative: str, change: Callable[[np.ndarray], np.ndarray], columns: int = 4) -> Change:
    """Rewrite the second scan."""

    def rewrite(root: Path) -> None:
        scan = change(made.points(0, 1, columns).copy())
        np.save(root / relative, scan) if relative.endswith(".npy") else scan.tofile(root / relative)

    return rewrite


def with_value(value: float, column: int = 2) -> Callable[[np.ndarray], np.ndarray]:
    def change(scan: np.ndarray) -> np.ndarray:
        scan[[3, 5], column] = value
        return scan

    return change


def as_double(scan: np.ndarray) -> np.ndarray:
    return scan.astype(np.float64)


def without_line(relative: str, start: str) -> Change:
    def change(root: Path) -> None:
        lines = (root / relative).read_text().splitlines(keepends=True)
        (root / relative).write_text("".join(line for line in lines if not line.startswith(start)))

    return change


def other_line(relative: str, key: str, words: str) -> Change:
    def change(root: Path) -> None:
        without_line(relative, key)(root)
        (root / relative).write_text(f"{(root / relative).read_text()}{key}: {words}\n")

    return change


def pose_line(words: str) -> Change:
    """Instead of the second pose."""

    def change(root: Path) -> None:
        lines = (root / POSES).read_text().splitlines()
        (root / POSES).write_text("\n".join([lines[0], words, *lines[2:]]))

    return change


def twice(root: Path) -> None:
    shutil.copy(root / SCAN, root / SEQUENCE / "velodyne" / "1.bin")


def raw_times(*seconds: float) -> Change:
    return content(RAW_TIMES, "\n".join(made.time_text(value) for value in seconds))


ONE = "1 0 0 0 0 1 0 0 0 0 1 "
ODOMETRY = (
    Damage("no folder of scans", FileNotFoundError, (f"{SEQUENCE}/velodyne", "is missing", "unpacked"),
           folder_missing(f"{SEQUENCE}/velodyne")),
    Damage("no scans", FileNotFoundError, (f"{SEQUENCE}/velodyne", "has no .bin files", "expected"),
           lambda root: [scan.unlink() for scan in (root / SEQUENCE / "velodyne").iterdir()]),
    Damage("empty scan", ValueError, (SCAN, "empty sweep", "at least one point"), content(SCAN, b"")),
    Damage("truncated scan", ValueError, (SCAN, "790 bytes", "not a multiple of 16", "truncated? Copy it again"),
           cut_short(SCAN, 790)),
    Damage("scan of doubles", ValueError, (SCAN,), points(SCAN, as_double)),
    Damage("scan with a fifth column", ValueError, (SCAN, "not a multiple of 16", "4 float32"),
           lambda root: made.points(0, 1, 5)[:49].tofile(root / SCAN)),
    Damage("scan in millimetres", ValueError, (SCAN, "at most 10000 m were expected", "in metres"),
           points(SCAN, lambda scan: scan * np.float32([1000, 1000, 1000, 1]))),
    Damage("NaN points", ValueError, (SCAN, "2 of 50 points are NaN", "point 3", "leave them out"),
           points(SCAN, with_value(np.nan))),
    Damage("infinite points", ValueError, (SCAN, "2 of 50 points are NaN or infinite"),
           points(SCAN, with_value(np.inf))),
    Damage("negative intensity", ValueError, (SCAN, "intensities from -3", "0 … 1 was expected", "columns"),
           points(SCAN, with_value(-3.0, 3))),
    Damage("intensity of 16 bits", ValueError, (SCAN, "to 6e+04", "0 … 255 was expected", "scale"),
           points(SCAN, with_value(60_000, 3))),
    Damage("a scan twice", ValueError, (SEQUENCE, "1 has the same time as 000001", "copied twice"), twice),
    Damage("missing image", FileNotFoundError, (IMAGE, "is missing", "archives unpacked"), missing(IMAGE)),
    Damage("truncated image", ValueError, (IMAGE, "not a readable image", "Copy it again"), cut_short(IMAGE, 60)),
    Damage("empty image", ValueError, (IMAGE, "not a readable image"), content(IMAGE, b"")),
    Damage("image of another size", ValueError,
           (IMAGE, "is 32 x 12 px", "image_3, 000000.png,", "64 x 24", "resized images"), image(IMAGE, 32, 12)),
    Damage("images of another size", ValueError,
           (CALIB, "P3", "optical axis at (32, 12) px", "16 x 6 px", "resized calibration"),
           lambda root: [image(f"{SEQUENCE}/image_3/{scan:06d}.png", 16, 6)(root) for scan in range(made.SCANS)]),
    Damage("missing labels", FileNotFoundError, (LABELS, "is missing", "archives unpacked"), missing(LABELS)),
    Damage("too few labels", ValueError, (LABELS, "labels for 49 points", "has 50", "truncated, or of another"),
           cut_short(LABELS, 196)),
    Damage("truncated labels", ValueError, (LABELS, "198 bytes", "multiple of 4", "truncated?"),
           cut_short(LABELS, 198)),
    Damage("unknown label", ValueError, (LABELS, "label ids [7, 300]", "label map semantic_kitti", "another set?"),
           lambda root: np.array([7, 300] + [40] * 48, dtype=np.uint32).tofile(root / LABELS)),
    Damage("times that run backwards", ValueError,
           (SEQUENCE, "frame 000002 has an earlier time than 000001", "ascending times", "another drive?"),
           content(TIMES, "0.0\n0.5\n0.4\n1.5\n")),
    Damage("a time twice", ValueError, (SEQUENCE, "frame 000002 has the same time as 000001", "copied twice"),
           content(TIMES, "0.0\n0.5\n0.5\n1.5\n")),
    Damage("too few times", ValueError, (TIMES, "has 2 times", "scan 000003 needs line 4", "cut short"),
           content(TIMES, "0.0\n0.5\n")),
    Damage("times that are words", ValueError, (TIMES, "line 2", "must be numbers", "'half a second'"),
           content(TIMES, "0.0\nhalf a second\n1\n2\n")),
    Damage("times that are NaN", ValueError, (TIMES, "line 2", "one number of seconds", "'nan'"),
           content(TIMES, "0.0\nnan\n1\n2\n")),
    Damage("times that are no seconds", ValueError, (TIMES, "line 2", "one number of seconds", "'1e30'"),
           content(TIMES, "0.0\n1e30\n1\n2\n")),
    Damage("no times", ValueError, (TIMES, "is empty", "seconds per frame"), content(TIMES, "\n")),
    Damage("times that are no text", ValueError, (TIMES, "no text", "Copy it again"),
           content(TIMES, b"\xff\xfe\x00\x80")),
    Damage("no poses", ValueError, (POSES, "is missing", "lima odometry"), missing(POSES)),
    Damage("poses of nobody", ValueError, (POSES, "is empty", "a pose per line"), content(POSES, "")),
    Damage("too few poses", ValueError, (POSES, "has 1 poses", "scan 000003 needs line 4", "cut short"),
           content(POSES, f"{ONE}0\n")),
    Damage("pose cut short", ValueError, (POSES, "line 2", "twelve finite numbers", "got 11"), pose_line(ONE)),
    Damage("pose that is NaN", ValueError, (POSES, "line 2", "twelve finite numbers"), pose_line(f"{ONE}nan")),
    Damage("pose that is no rotation", ValueError, (POSES, "scan 000001", "no rotation", "determinant 8.000"),
           pose_line("2 0 0 0 0 2 0 0 0 0 2 0")),
    Damage("pose that mirrors", ValueError, (POSES, "scan 000001", "no rotation", "determinant -1.000"),
           pose_line("-1 0 0 0 0 1 0 0 0 0 1 0")),
    Damage("no calibration", FileNotFoundError, (CALIB, "is missing", "the calibration", "unpacked"), missing(CALIB)),
    Damage("calibration without LiDAR", ValueError, (CALIB, "has no Tr or Tr_velo_to_cam", "it has P0, P1, P2, P3"),
           without_line(CALIB, "Tr")),
    Damage("calibration without camera", ValueError, (CALIB, "has no P3"), without_line(CALIB, "P3")),
    Damage("projection cut short", ValueError, (CALIB, "P3 must be 12 finite numbers", "got 1"),
           other_line(CALIB, "P3", "1.0")),
    Damage("LiDAR that is not turned but stretched", ValueError, (f"{CALIB}: Tr", "no rotation"),
           other_line(CALIB, "Tr", "0 3 0 0 0 0 1 0 1 0 0 0")),
    Damage("camera that looks backwards", ValueError, (f"{CALIB}: P3", "focal lengths", "-4"),
           other_line(CALIB, "P3", "-4 0 31 0 0 4 11 0 0 0 1 0")),
)  # fmt: skip
RAW_DAMAGES = (
    Damage("no folder of scans", FileNotFoundError, (f"{RAW}/velodyne_points/data", "is missing", "the points"),
           folder_missing(f"{RAW}/velodyne_points/data")),
    Damage("no scans", FileNotFoundError, (f"{RAW}/velodyne_points/data", "like 0000000000.bin"),
           lambda root: [scan.unlink() for scan in (root / RAW / "velodyne_points" / "data").iterdir()]),
    Damage("empty scan", ValueError, (RAW_SCAN, "empty sweep"), content(RAW_SCAN, b"")),
    Damage("truncated scan", ValueError, (RAW_SCAN, "790 bytes", "not a multiple of 16"), cut_short(RAW_SCAN, 790)),
    Damage("NaN points", ValueError, (RAW_SCAN, "2 of 50 points are NaN"), points(RAW_SCAN, with_value(np.nan))),
    Damage("intensity beyond 1", ValueError, (RAW_SCAN, "0 … 1 was expected"), points(RAW_SCAN, with_value(200, 3))),
    Damage("missing image", FileNotFoundError, (f"{RAW}/image_02/data/0000000001.png", "is missing"),
           missing(f"{RAW}/image_02/data/0000000001.png")),
    Damage("image of another size", ValueError,
           (f"{RAW}/image_02/data/0000000001.png", "32 x 12 px", "calib_cam_to_cam.txt: camera 02 promises", "64 x 24"),
           image(f"{RAW}/image_02/data/0000000001.png", 32, 12)),
    Damage("truncated packet", ValueError, (PACKET, "must be 30 numbers", "got 3", "truncated"),
           content(PACKET, "49.0 8.4 112.8")),
    Damage("empty packet", ValueError, (PACKET, "must be 30 numbers", "got 0"), content(PACKET, "")),
    Damage("packet of words", ValueError, (PACKET, "must be 30 numbers", "'north'"), content(PACKET, "north " * 30)),
    Damage("packet that is NaN", ValueError, (PACKET, "must be 30 numbers"), content(PACKET, "nan " * 30)),
    Damage("no packets", FileNotFoundError, (f"{RAW}/oxts/data", "is missing", "lima odometry"),
           folder_missing(f"{RAW}/oxts")),
    Damage("times that run backwards", ValueError, (RAW, "0000000002 has an earlier time than", "ascending"),
           raw_times(0, 0.1, 0.05, 0.3)),
    Damage("a time twice", ValueError, (RAW, "0000000002 has the same time as"), raw_times(0, 0.1, 0.1, 0.3)),
    Damage("too few times", ValueError, (RAW_TIMES, "has 2 lines", "0000000003 needs line 4"), raw_times(0, 0.1)),
    Damage("times that are none", ValueError, (RAW_TIMES, "line 1 must be a time like 2011-09-26", "'noon'"),
           content(RAW_TIMES, "noon\n" * made.SCANS)),
    Damage("times of another drive", ValueError, (f"{RAW}/oxts/data", "has no pose for", "poses reach from"),
           raw_times(50, 50.1, 50.2, 50.3)),
    Damage("no calibration", FileNotFoundError, (DATE, "calib_cam_to_cam.txt", "tracking", "2011_09_26_calib.zip"),
           lambda root: [path.unlink() for path in (root / DATE).glob("calib_*.txt")]),
    Damage("no calibration of the LiDAR", FileNotFoundError, (f"{DATE}/calib_velo_to_cam.txt", "is missing"),
           missing(f"{DATE}/calib_velo_to_cam.txt")),
    Damage("calibration without rectification", ValueError, (f"{DATE}/calib_cam_to_cam.txt", "has no R_rect_00"),
           without_line(f"{DATE}/calib_cam_to_cam.txt", "R_rect_00")),
    Damage("calibration without a camera", ValueError, (f"{DATE}/calib_cam_to_cam.txt", "no projection of camera 03"),
           without_line(f"{DATE}/calib_cam_to_cam.txt", "P_rect_03")),
    Damage("LiDAR turned into nothing", ValueError, (f"{DATE}/calib_velo_to_cam.txt: R, T", "no rotation"),
           content(f"{DATE}/calib_velo_to_cam.txt", "R: 0 0 0 0 0 0 0 0 0\nT: 0 0 0\n")),
)  # fmt: skip
STF = (
    Damage("scan of four columns", ValueError, (STF_SCAN, "not a multiple of 20", "5 float32"),
           lambda root: made.points(0, 1)[:49].tofile(root / STF_SCAN)),
    Damage("intensity beyond the scale", ValueError, (STF_SCAN, "0 … 255 was expected"),
           points(STF_SCAN, with_value(300, 3), 5)),
    Damage("unknown label", ValueError, (STF_LABELS, "label ids [252]", "semantic_stf"),
           lambda root: np.full(made.POINTS, 252, dtype=np.uint32).tofile(root / STF_LABELS)),
    Damage("missing labels", FileNotFoundError, (STF_LABELS, "is missing"), missing(STF_LABELS)),
)  # fmt: skip
SYNTH4D = (
    Damage("truncated array", ValueError, (SYNTH_SCAN, "not a readable .npy array", "truncated"),
           cut_short(SYNTH_SCAN, 300)),
    Damage("empty file", ValueError, (SYNTH_SCAN, "not a readable .npy array"), content(SYNTH_SCAN, b"")),
    Damage("array that lies down", ValueError, (SYNTH_SCAN, "shape (3, 50)", "(points, 4) floats", "transposed"),
           points(SYNTH_SCAN, lambda scan: scan[:, :3].T)),
    Damage("array of words", ValueError, (SYNTH_SCAN, "<U1 numbers of shape (1, 4)"),
           lambda root: np.save(root / SYNTH_SCAN, np.array([["a", "b", "c", "d"]]))),
    Damage("no points", ValueError, (SYNTH_SCAN, "empty sweep"), points(SYNTH_SCAN, lambda scan: scan[:0])),
    Damage("labels that are no whole numbers", ValueError, (SYNTH_LABELS, "float64", "whole numbers"),
           lambda root: np.save(root / SYNTH_LABELS, np.zeros(made.POINTS))),
    Damage("too few labels", ValueError, (SYNTH_LABELS, "labels for 3 points", "has 50"),
           lambda root: np.save(root / SYNTH_LABELS, np.zeros(3, dtype=int))),
)  # fmt: skip
WRITERS: dict[str, Callable[[Path], Any]] = {
    "odometry": lambda root: made.write_odometry(root, ("00",)),
    "raw": made.write_raw,
    "stf": family.write_stf,
    "synth4d": family.write_synth4d,
}
TABLE = [
    pytest.param(kind, damage, id=f"{kind}: {damage.name}")
    for kind, damages in (("odometry", ODOMETRY), ("raw", RAW_DAMAGES), ("stf", STF), ("synth4d", SYNTH4D))
    for damage in damages
]


@pytest.mark.parametrize(
    ("kind", "drives", "cameras", "labelled"),
    [("odometry", 1, 2, True), ("raw", 1, 2, False), ("stf", 3, 0, True), ("synth4d", 2, 0, True)],
)
def test_undamaged_data_is_read(kind: str, drives: int, cameras: int, labelled: bool, tmp_path: Path) -> None:
    root = tmp_path / "mit Lücken"
    root.mkdir()
    WRITERS[kind](root)
    frames = drives * made.SCANS
    points = frames * made.POINTS
    assert read_everything(root) == Contents(frames, points, frames * cameras, labels=points if labelled else 0)


@pytest.mark.parametrize(("kind", "damage"), TABLE)
def test_errors_name_what_is_wrong(kind: str, damage: Damage, tmp_path: Path) -> None:
    root = tmp_path / "mit Lücken"
    root.mkdir()
    WRITERS[kind](root)
    damage.change(root)
    with pytest.raises(damage.error) as caught:
        read_everything(root)
    message = str(caught.value)
    assert "\n" not in message
    for word in damage.words:
        assert word in message


@pytest.mark.parametrize("relative", [SCAN, LABELS, IMAGE, POSES, TIMES, CALIB])
def test_files_that_may_not_be_read(relative: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who runs the tests may be root, whom no permission stops: so reading is made to fail as it does for others."""
    root = made.write_odometry(tmp_path, ("00",))

    def forbidden(path: object) -> bool:
        return str(path) == str(root / relative)

    def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
        def read(path: object, *args: object, **kwargs: object) -> Any:
            if forbidden(path):
                raise PermissionError(13, "Permission denied", str(path))
            return function(path, *args, **kwargs)

        return read

    monkeypatch.setattr(np, "fromfile", guarded(np.fromfile))
    monkeypatch.setattr(Image, "open", guarded(Image.open))
    monkeypatch.setattr(Path, "read_bytes", guarded(Path.read_bytes))
    with pytest.raises(PermissionError, match="may not be read: give yourself the right to"):
        read_everything(root)
