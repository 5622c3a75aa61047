"""Oracle: frames written by an exporter that knows only docs/plain_folder.md, and that page's own example."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from lima.datasets import open_dataset
from lima.datasets.plain_calibration import calibration_text, read_calibration
from lima.datasets.plain_drive import PlainDrive
from lima.datasets.plain_folder import PlainFolder, recognises
from lima.scene import Dataset, Frame, Sequence
from tests.datasets.contents import read_everything
from tests.datasets.exporters import plain
from tests.datasets.exporters.drive import FIRST_NS, STEP_NS, hand_made_drive, simulated_drive
from tests.datasets.exporters.frames import LABELS, assert_near, assert_same_frames, frames_of

SOURCE = frames_of(hand_made_drive())
NAMES = ("ignored", "one", "two", "three")
PAGE = Path(__file__).parents[2] / "docs" / "plain_folder.md"


def drive_in(root: Path) -> PlainDrive:
    (drive,) = PlainFolder(root).drives()
    return drive


def frames_in(root: Path) -> list[Frame]:
    drive = drive_in(root)
    return [drive.frame(index) for index in range(len(drive))]


def unlabelled(frames: list[Frame]) -> list[Frame]:
    return [replace(frame, read_labels=None) for frame in frames]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return plain.write_drive(tmp_path / "Straße 1", unlabelled(SOURCE))


def edit(folder: Path, change: Callable[[dict], object]) -> None:
    """calibration.yaml, changed."""
    path = folder / "calibration.yaml"
    entries = yaml.safe_load(path.read_text())
    change(entries)
    path.write_text(json.dumps(entries))


# --- there and back


@pytest.mark.parametrize("poses", ["times", "matrices"])
@pytest.mark.parametrize("kind", plain.KINDS)
def test_frames_come_back(tmp_path: Path, kind: str, poses: str) -> None:
    folder = plain.write_drive(tmp_path / "drive", SOURCE, kind, poses)
    plain.write_classes(folder, NAMES)
    source = SOURCE
    if poses == "matrices":  # poses of the sweeps only; the pictures' own lie in between
        source = [replace(frame, images=()) for frame in SOURCE]
        for camera in (folder / "images").iterdir():
            camera.rename(tmp_path / camera.name)
        edit(folder, lambda entries: entries.pop("cameras"))
    frames = frames_in(folder)
    assert_same_frames(frames, source)
    for frame in frames:
        assert frame.read_labels is not None
        assert torch.equal(frame.read_labels(), torch.arange(len(frame.sweep.points_lidar)) % LABELS)
    assert open_dataset(folder).class_names == NAMES


@pytest.mark.slow
def test_a_simulated_drive_comes_back(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    source = frames_of(simulated_drive(tmp_path_factory))
    folder = plain.write_drive(tmp_path / "drive", unlabelled(source), "pcd binary")
    assert_same_frames(frames_in(folder), source)


def test_it_is_a_dataset_of_drives(tmp_path: Path) -> None:
    """Several in one root; one has its own calibration, the others share that of the root."""
    for name in ("tuesday", "monday", "friday"):
        plain.write_drive(tmp_path / name, SOURCE)
    (tmp_path / "monday" / "calibration.yaml").rename(tmp_path / "calibration.yaml")
    (tmp_path / "friday" / "calibration.yaml").unlink()
    edit(tmp_path / "tuesday", lambda entries: entries.update(ego_from_lidar="identity"))
    plain.write_classes(tmp_path, NAMES)
    assert recognises(tmp_path)
    dataset = open_dataset(tmp_path)
    assert isinstance(dataset, Dataset)
    assert dataset.name.startswith("plain folder")
    assert dataset.split_names == ("train", "all")
    sequences = dataset.sequences()
    assert all(isinstance(sequence, Sequence) for sequence in sequences)
    assert [sequence.name for sequence in sequences] == ["friday", "monday", "tuesday"]
    assert list(sequences[0].timestamps_ns) == [FIRST_NS + index * STEP_NS for index in range(3)]
    assert list(sequences[0].tokens) == [f"friday/{FIRST_NS + index * STEP_NS}" for index in range(3)]
    assert sequences[0].frame(1).token == sequences[0].tokens[1]
    assert_near(sequences[0].frame(0).sweep.ego_from_lidar, SOURCE[0].sweep.ego_from_lidar)
    assert torch.equal(sequences[2].frame(0).sweep.ego_from_lidar.matrix(), torch.eye(4, dtype=torch.float64))
    (tmp_path / "splits.json").write_text('{"train": ["monday", "friday"], "val": ["tuesday"], "test": []}')
    dataset = open_dataset(tmp_path)
    assert dataset.split_names == ("train", "val", "all")
    assert [sequence.name for sequence in dataset.sequences("val")] == ["tuesday"]
    with pytest.raises(ValueError, match=r"no drives in split 'test'; splits with drives: train \(2\), val \(1\)"):
        dataset.sequences("test")


def test_the_example_of_the_page_opens(tmp_path: Path) -> None:
    """Its files and its calibration.yaml, word for word."""
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), flags=re.S)
    drive = tmp_path / "monday"
    for name in ("points", "images/front", "labels"):
        (drive / name).mkdir(parents=True)
    (drive / "calibration.yaml").write_text(example)
    rng = np.random.default_rng(0)
    poses = []
    for second in ("1700000000.0", "1700000000.5"):
        points = np.concatenate(
            [rng.normal(size=(20, 3)) * 10, rng.integers(0, 256, (20, 1)), np.ones((20, 1))], axis=1
        )
        points.astype("<f4").tofile(drive / "points" / f"{second}00000000.bin")
        Image.new("RGB", (64, 48), (90, 120, 30)).save(drive / "images" / "front" / f"{second}30000000.jpg")
        (np.arange(20) % 2).astype("<u4").tofile(drive / "labels" / f"{second}00000000.label")
        poses.append(f"{second} {float(second) - 1_700_000_000} 0 0 0 0 0 1")
    (drive / "poses.txt").write_text("\n".join(poses))
    (tmp_path / "classes.yaml").write_text("0: ignored\n1: car\n")
    (tmp_path / "splits.json").write_text('{"train": ["monday"], "val": []}')
    (sequence,) = open_dataset(tmp_path).sequences("train")
    frame = sequence.frame(1)
    assert float(frame.sweep.intensity.max()) <= 1
    (image,) = frame.images
    assert image.timestamp_ns == 1_700_000_000_530_000_000
    assert float(image.world_from_ego.translation_m[0]) == pytest.approx(0.53)
    pixels = image.read_pixels()
    assert pixels.shape == (3, 48, 64)
    axis = image.ego_from_cam.rotation[:, 2]
    assert axis.tolist() == [1, 0, 0]  # it looks ahead
    assert image.ego_from_cam.translation_m.tolist() == pytest.approx([1.5, 0.0, 1.7])
    assert frame.read_labels is not None
    assert frame.read_labels().tolist() == [0, 1] * 10


# --- forms that are allowed


def test_calibration_is_the_same_after_writing(folder: Path, tmp_path: Path) -> None:
    for path in (folder / "calibration.yaml", example_calibration(tmp_path)):
        once = read_calibration(path)
        (tmp_path / "again.yaml").write_text(calibration_text(once))
        again = read_calibration(tmp_path / "again.yaml")
        assert_near(again.ego_from_lidar, once.ego_from_lidar)
        assert again.points == once.points
        assert set(again.cameras) == set(once.cameras)
        for name, camera in once.cameras.items():
            assert again.cameras[name].camera == camera.camera
            assert again.cameras[name].distortion == camera.distortion
            assert_near(again.cameras[name].ego_from_cam, camera.ego_from_cam)
        assert (again.rate_hz, again.image_within_s, again.keyframes_per_s) == (
            once.rate_hz, once.image_within_s, once.keyframes_per_s,
        )  # fmt: skip


def example_calibration(folder: Path) -> Path:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), flags=re.S)
    path = folder / "example.yaml"
    path.write_text(example)
    return path


@pytest.mark.parametrize("name", ["ego_from_cam", "cam_from_ego", "lidar_from_cam", "cam_from_lidar"])
def test_a_camera_can_be_placed_in_four_ways(folder: Path, name: str) -> None:
    """All of them say the same: products worked out by the exporter's matrices."""
    ego_from_lidar = SOURCE[0].sweep.ego_from_lidar

    def place(entries: dict) -> None:
        for image in SOURCE[0].images:
            camera = entries["cameras"][image.name]
            ego_from_cam = camera.pop("ego_from_cam")
            pose = np.array(ego_from_cam)
            if "lidar" in name:
                pose = np.linalg.inv(ego_from_lidar.matrix().numpy()) @ pose
            if name.startswith("cam"):
                pose = np.linalg.inv(pose)
            camera[name] = pose[:3].tolist()

    edit(folder, place)
    assert_same_frames(frames_in(folder), SOURCE)


def test_without_intensity_and_ring(tmp_path: Path) -> None:
    folder = plain.write_drive(
        tmp_path / "drive", unlabelled(SOURCE), change_points=lambda table: table[["x", "y", "z"]]
    )
    frames = frames_in(folder)
    assert_same_frames(frames, SOURCE, intensity=False, ring=False)
    assert frames[0].sweep.ring is None


def test_times_of_points_are_used_where_motion_is_not_taken_out(tmp_path: Path) -> None:
    """At 5 m/s along x a point of 40 ms after the stamp lies 0.2 m farther ahead."""

    def timed(table: np.ndarray) -> np.ndarray:
        found = np.zeros(len(table), dtype=[*table.dtype.descr, ("time", "<f4")])
        for name in table.dtype.names or ():
            found[name] = table[name]
        found["time"] = np.where(np.arange(len(table)) % 2 == 0, 0.04, -0.01)
        return found

    source = [replace(frame, images=(), read_labels=None) for frame in SOURCE]
    folder = plain.write_drive(tmp_path / "drive", source, change_points=timed)
    assert_same_frames(frames_in(folder), source)
    edit(folder, lambda entries: entries["points"].update(compensated=False))
    for found, frame in zip(frames_in(folder), source, strict=True):
        moved = (found.sweep.points_lidar - frame.sweep.points_lidar).numpy()
        assert np.allclose(moved[::2], (0.2, 0, 0), atol=1e-5)
        assert np.allclose(moved[1::2], (-0.05, 0, 0), atol=1e-5)


@pytest.mark.parametrize("how", ["counters", "list", "seconds"])
def test_times_of_files(folder: Path, how: str) -> None:
    """Counters with rate_hz (pictures go by the same name), a timestamps.txt, or other forms of names."""
    for place in (folder / "points", *(folder / "images").iterdir()):
        paths = sorted(place.iterdir())
        for number, path in enumerate(paths):
            time_ns = int(path.stem)
            name = f"{time_ns // 10**9}_{time_ns % 10**9:09d}" if how == "seconds" else str(8 + number)  # 8 9 10
            path.rename(place / f"{name}{path.suffix}")
        if how == "list":
            (place / "timestamps.txt").write_text("\n".join(f"{int(path.stem) / 1e9:.3f}" for path in paths))
    if how != "counters":
        assert_same_frames(frames_in(folder), SOURCE)
        return
    with pytest.raises(ValueError, match="nothing tells when the sweeps were taken"):
        len(drive_in(folder))
    edit(folder, lambda entries: entries.update(rate_hz=10))
    poses = [line.split(maxsplit=1)[1] for line in (folder / "poses.txt").read_text().splitlines()][::2]
    (folder / "poses.txt").write_text("\n".join(f"{number / 10} {pose}" for number, pose in enumerate(poses)))
    frames = frames_in(folder)
    assert [frame.sweep.timestamp_ns for frame in frames] == [0, 100_000_000, 200_000_000]
    for found, source in zip(frames, SOURCE, strict=True):
        assert torch.equal(found.sweep.points_lidar, source.sweep.points_lidar)
        for image, picture in zip(found.images, source.images, strict=True):
            assert image.timestamp_ns == found.sweep.timestamp_ns
            assert torch.equal(image.read_pixels(), picture.read_pixels())
    return


def test_frames_can_be_thinned_out(folder: Path) -> None:
    edit(folder, lambda entries: entries.update(keyframes_per_s=5))
    assert list(drive_in(folder).timestamps_ns) == [FIRST_NS, FIRST_NS + 2 * STEP_NS]


def test_sweeps_without_pictures_or_poses_are_no_frames_and_are_counted(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = (folder / "poses.txt").read_text().splitlines()
    (folder / "poses.txt").write_text("\n".join(lines[:3]))  # until the second sweep; the third is 0.1 s later
    for camera in (folder / "images").iterdir():
        sorted(camera.iterdir())[0].unlink()
    with caplog.at_level(logging.WARNING):
        assert list(drive_in(folder).timestamps_ns) == [FIRST_NS + STEP_NS, FIRST_NS + 2 * STEP_NS]
    assert "1 of 3 sweeps have no picture within 0.05 s" in caplog.text


def test_points_without_an_echo_are_dropped_with_their_labels(tmp_path: Path) -> None:
    def holes(table: np.ndarray) -> np.ndarray:
        table["x"][3], table["y"][5] = np.nan, np.inf
        table[7] = 0
        return table

    folder = plain.write_drive(tmp_path / "drive", SOURCE, change_points=holes)
    plain.write_classes(folder, NAMES)
    with pytest.raises(
        ValueError, match=r"2 of 60 points are NaN or infinite, the first is point 3.*drop_invalid: true"
    ):
        frames_in(folder)
    edit(folder, lambda entries: entries["points"].update(drop_invalid=True))
    kept = [row for row in range(60) if row not in (3, 5, 7)]
    for found, source in zip(frames_in(folder), SOURCE, strict=True):
        assert torch.equal(found.sweep.points_lidar, source.sweep.points_lidar[kept])
        assert found.read_labels is not None
        assert found.read_labels().tolist() == [row % LABELS for row in kept]


# --- what goes wrong, a line each


def text(name: str, content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(content)


def entry(**changes: object) -> Callable[[Path], object]:
    return lambda folder: edit(folder, lambda entries: entries.update(changes))


def camera(**changes: object) -> Callable[[Path], object]:
    return lambda folder: edit(folder, lambda entries: entries["cameras"]["cam0"].update(changes))


def half(relative: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        path = sorted(folder.glob(relative))[0]
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return change


def gone(relative: str) -> Callable[[Path], object]:
    return lambda folder: sorted(folder.glob(relative))[0].rename(folder.parent / "gone")


def emptied(relative: str) -> Callable[[Path], object]:
    return lambda folder: [path.unlink() for path in (folder / relative).iterdir()]


def touched(relative: str) -> Callable[[Path], object]:
    return lambda folder: (folder / relative).touch()


FIVE = {"model": "equidistant", "coefficients": [1, 2, 3, 4, 5]}
SKEWED = [[30, 1, 15], [0, 30, 11], [0, 0, 1]]
FIRST, SECOND = "1.0 0 0 0 0 0 0 1\n", "2.0 0 0 0 0 0 0 1\n"
TURNED = [[2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "no calibration": (gone("calibration.yaml"), "calibration.yaml is missing: it must say where the sensors sit"),
    "calibration is a letter": (text("calibration.yaml", "a: [b"), "calibration.yaml, line 1 is not YAML"),
    "calibration is a list": (text("calibration.yaml", "[1, 2]"), "entries such as ego_from_lidar: … expected"),
    "no mount": (text("calibration.yaml", "rate_hz: 10"), "exactly one of ego_from_lidar, lidar_from_ego must be"),
    "unknown entry": (entry(ego_form_lidar="identity"), "'ego_form_lidar' is unknown; known are ego_from_lidar"),
    "no rotation": (entry(ego_from_lidar=TURNED), "ego_from_lidar: "),
    "negative rate": (entry(rate_hz=-10), "rate_hz must be above 0, got -10"),
    "words for numbers": (entry(image_within_s="soon"), "image_within_s must be"),
    "unknown lens": (camera(distortion={"model": "panini"}), "distortion model 'panini' is unknown"),
    "five of four": (camera(distortion=FIVE), "4 coefficients, got 5"),
    "skewed": (camera(intrinsics_px=SKEWED), "intrinsics_px must be [fx, fy, cx, cy] or"),
    "two poses": (camera(cam_from_ego="identity"), "got ego_from_cam and cam_from_ego"),
    "other size": (camera(size_px=[64, 48]), "is 32 x 24 px, camera 'cam0'"),
    "unknown camera": (lambda folder: (folder / "images" / "rear").mkdir(), "has no camera 'rear'"),
    "camera without pictures": (gone("images/cam1"), "has a camera 'cam1'; its pictures were expected there"),
    "empty camera": (emptied("images/cam1"), "it holds nothing"),
    "picture cut": (half("images/cam0/*"), "is not a readable image"),
    "no poses": (gone("poses.txt"), "compute them with: lima odometry"),
    "empty poses": (text("poses.txt", "# none\n"), "poses.txt holds no pose"),
    "seven numbers": (text("poses.txt", "1 2 3 4 5 6 7\n"), "poses.txt, line 1 has 7 words"),
    "poses cut": (text("poses.txt", FIRST + "2.0 0 0\n"), "line 2 has 3 numbers, the first has 8: truncated?"),
    "poses backwards": (text("poses.txt", SECOND + FIRST), "line 2: time 1.0 does not come after 2.0"),
    "no quaternion": (text("poses.txt", "1.0 0 0 0 1 0 0 1\n"), "has norm 1.4142, 1 was expected"),
    "too few matrices": (text("poses.txt", "1 0 0 0 0 1 0 0 0 0 1 0\n"), "has 1 poses, there are 3 sweeps"),
    "a time after all": (text("poses.txt", FIRST.replace("1.0", "1e30")), "poses.txt, line 1: '1e30' is no time"),
    "NaN": (text("poses.txt", "1.0 nan 0 0 0 0 0 1\n"), "line 1 has a number that is NaN or infinite"),
    "another clock": (text("poses.txt", FIRST + SECOND), "are the clocks the same?"),
    "intensity beyond": (entry(points={}), "say which value means 1 with points: {intensity_max"),
    "no points": (emptied("points"), "points has no file that ends in"),
    "two kinds": (touched("points/1560000000300000000.pcd"), "one kind was expected there"),
    "sweep cut": (half("points/*"), "truncated?"),
    "a counter among times": (touched("points/000007.npy"), "the name 000007.npy tells no time"),
    "labels without names": (lambda folder: (folder / "labels").mkdir(), "classes.yaml is missing"),
    "splits are a letter": (text("splits.json", "dear aunt"), "splits.json is not JSON"),
    "splits of others": (text("splits.json", '{"train": ["sunday"]}'), "lists 'sunday' in 'train', but"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_line(folder: Path, name: str) -> None:
    change, words = WRONG[name]
    change(folder)
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        read_everything(folder)
    message = str(caught.value)
    assert words in message
    assert str(folder) in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (np.zeros(59, "<u4").tobytes(), "has labels for 59 points, its sweep has 60"),
        (np.full(60, 77, "<u4").tobytes(), r"has label ids \[77\], which .*classes.yaml does not name"),
        (bytes(241), "no multiple of 4"),
    ],
)
def test_wrong_labels_are_one_line(folder: Path, content: bytes, words: str) -> None:
    plain.write_classes(folder, NAMES)
    (folder / "labels").mkdir()
    (folder / "labels" / f"{FIRST_NS}.label").write_bytes(content)
    frame = frames_in(folder)[0]
    assert frame.read_labels is not None
    with pytest.raises(ValueError, match=words):
        frame.read_labels()
    assert frames_in(folder)[1].read_labels is None


def test_gaps_are_an_error_or_a_border(tmp_path: Path) -> None:
    """Two seconds without a sweep; poses all through."""
    late = [replace(frame, images=(), read_labels=None) for frame in SOURCE]
    late += [
        replace(frame, sweep=replace(frame.sweep, timestamp_ns=frame.sweep.timestamp_ns + 2 * 10**9)) for frame in late
    ]
    folder = plain.write_drive(tmp_path / "drive", late)
    with pytest.raises(ValueError, match=r"1\.80 s between .*--at-gap split"):
        PlainFolder(folder).sequences()
    assert [len(part) for part in PlainFolder(folder, at_gap="split").sequences()] == [3, 3]


@pytest.mark.parametrize("number", [-1, 70_000])
def test_labels_beyond_any_number_of_a_class_are_named(folder: Path, number: int) -> None:
    plain.write_classes(folder, NAMES)
    (folder / "labels").mkdir()
    ids = np.zeros(60, dtype=np.int64)
    ids[7] = number
    np.save(folder / "labels" / f"{FIRST_NS}.npy", ids)
    read = PlainFolder(folder).sequences()[0].frame(0).read_labels
    assert read is not None
    with pytest.raises(ValueError, match=rf"has label ids \[{number}\], which .*classes.yaml does not name"):
        read()
