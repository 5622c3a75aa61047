"""Oracle: frames written as recordings by an exporter that knows only ROS's definitions, and imported again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lima.config import ImportConfig
from lima.datasets import open_dataset
from lima.datasets.bags.importing import NOTE_FILE, import_bags, list_bags
from lima.datasets.bags.opening import open_bag
from lima.datasets.bags.ros_bag import RosBag
from lima.datasets.plain_drive import PlainDrive
from lima.datasets.plain_folder import PlainFolder
from lima.geometry.rigid import RigidTransform
from lima.scene import Frame
from tests.datasets.exporters import bags
from tests.datasets.exporters.drive import FIRST_NS, STEP_NS, hand_made_drive, simulated_drive
from tests.datasets.exporters.frames import assert_near, assert_same_frames, frames_of
from tests.datasets.exporters.plain import matrix_rows, table_of
from tests.shared import shared_folder

SOURCE = frames_of(hand_made_drive())


def imported(tmp_path: Path, bag: Path, **settings: Any) -> PlainDrive:
    import_bags((bag,), tmp_path / "out", ImportConfig(**settings))
    (drive,) = PlainFolder(tmp_path / "out").drives()
    return drive


def frames_in(drive: PlainDrive) -> list[Frame]:
    return [drive.frame(index) for index in range(len(drive))]


def written(tmp_path: Path, kind: str = "mcap", **plan: Any) -> Path:
    return bags.write_bag(tmp_path / "drive", SOURCE, kind, bags.BagPlan(**plan))


def refused(tmp_path: Path, bag: Path, **settings: Any) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        import_bags((bag,), tmp_path / "out", ImportConfig(**settings))
    return str(caught.value)


# --- there and back


@pytest.mark.parametrize("poses", ["tf", "odometry"])
@pytest.mark.parametrize("layout", bags.LAYOUTS)
@pytest.mark.parametrize("kind", bags.KINDS)
def test_frames_come_back(tmp_path: Path, kind: str, layout: str, poses: str) -> None:
    drive = imported(tmp_path, written(tmp_path, kind, layout=bags.LAYOUTS[layout], poses=poses))
    assert drive.name == "drive"
    rings = layout in ("velodyne", "big endian")
    assert_same_frames(frames_in(drive), SOURCE, intensity=layout != "bare", ring=rings)
    if not rings:
        assert drive.frame(0).sweep.ring is None


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ros1", "ros2", "mcap"])
def test_a_simulated_drive_comes_back(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, kind: str) -> None:
    source = frames_of(simulated_drive(tmp_path_factory))
    bag = bags.write_bag(tmp_path / "Straße 1", source, kind, bags.BagPlan(images="raw", encoding="bgr8"))
    assert_same_frames(frames_in(imported(tmp_path, bag)), source)


@pytest.mark.slow
@pytest.mark.parametrize("recorded", ["nuscenes-scene-0523", "kitti-raw", "semantic-kitti", "av2"])
def test_recorded_drives_come_back(tmp_path: Path, recorded: str) -> None:
    """Two frames and two cameras of each, through a ROS 2 bag."""
    sequence = open_dataset(shared_folder(f"data/{recorded}"), at_gap="split").sequences("all")[0]
    source = [later(sequence.frame(index)) for index in range(2)]
    bag = bags.write_bag(tmp_path / recorded, source, "ros2")
    found = frames_in(imported(tmp_path, bag))
    assert len(found) == len(source)
    for one, other in zip(found, source, strict=True):
        assert torch.equal(one.sweep.points_lidar, other.sweep.points_lidar)
        assert torch.allclose(one.sweep.intensity, other.sweep.intensity, atol=0.5 / 255 + 1e-6)
        assert one.sweep.timestamp_ns == other.sweep.timestamp_ns
        assert_near(one.sweep.world_from_lidar, other.sweep.world_from_lidar)
        assert [image.name for image in one.images] == sorted(image.name for image in other.images)
        for image in one.images:
            (picture,) = (each for each in other.images if each.name == image.name)
            assert torch.equal(image.read_pixels(), picture.read_pixels())
            assert (image.timestamp_ns, image.camera) == (picture.timestamp_ns, picture.camera)
            assert_near(image.world_from_cam, picture.world_from_cam)


def later(frame: Frame) -> Frame:
    """A second later, because SemanticKITTI's first sweep is at 0, which in ROS means that nobody knows."""
    images = tuple(replace(image, timestamp_ns=image.timestamp_ns + 10**9) for image in frame.images[:2])
    return replace(frame, sweep=replace(frame.sweep, timestamp_ns=frame.sweep.timestamp_ns + 10**9), images=images)


@pytest.mark.parametrize("kind", ["ros2", "ros2 mcap"])
def test_a_ros_2_bag_may_have_lost_its_metadata(tmp_path: Path, kind: str) -> None:
    """Then the one file in its folder is read, and may be named itself."""
    folder = written(tmp_path, kind)
    lines = list_bags((folder,))
    (folder / "metadata.yaml").unlink()
    (file,) = folder.iterdir()
    assert list_bags((file,))[1:] == list_bags((folder,))[1:] == lines[1:]
    assert_same_frames(frames_in(imported(tmp_path, folder)), SOURCE)
    shutil.copy(file, folder / f"second{file.suffix}")
    assert "metadata.yaml, which tells their order" in refused(tmp_path / "two", folder)


def test_several_recordings_become_several_drives(tmp_path: Path) -> None:
    """All under one root, each with its own calibration."""
    paths = tuple(bags.write_bag(tmp_path / name, SOURCE, "mcap") for name in ("monday", "tuesday"))
    import_bags(paths, tmp_path / "out", ImportConfig())
    sequences = PlainFolder(tmp_path / "out").sequences()
    assert [sequence.name for sequence in sequences] == ["monday", "tuesday"]
    assert sequences[1].tokens[0] == "tuesday/1560000000.000000000"
    for sequence in sequences:
        assert_same_frames([sequence.frame(index) for index in range(len(sequence))], SOURCE)
    other = tmp_path / "elsewhere"
    other.mkdir()
    twin = bags.write_bag(other / "monday", SOURCE, "mcap")
    with pytest.raises(ValueError, match="two of the recordings are called monday"):
        import_bags((paths[0], twin), tmp_path / "twice", ImportConfig())


# --- points


def layout_with_times(name: str, kind: str, times: Callable[[int, int], np.ndarray]) -> bags.Layout:
    xyz = (("x", "f4", 0), ("y", "f4", 4), ("z", "f4", 8))
    return bags.Layout((*xyz, (name, kind, 16)), step=28, times=times)


def offsets_s(count: int) -> np.ndarray:
    """The turn of 96 ms that begins 5 ms before the stamp."""
    return np.linspace(-0.005, 0.091, count)


TIMES = {
    "seconds f4": layout_with_times("time", "f4", lambda _, count: offsets_s(count)),
    "nanoseconds i4": layout_with_times("t", "i4", lambda _, count: np.round(offsets_s(count) * 1e9)),
    "microseconds i4": layout_with_times("t", "i4", lambda _, count: np.round(offsets_s(count) * 1e6)),
    "absolute seconds f8": layout_with_times("timestamp", "f8", lambda now, count: now * 1e-9 + offsets_s(count)),
    "absolute nanoseconds f8": layout_with_times("timestamp", "f8", lambda now, count: now + offsets_s(count) * 1e9),
    "milliseconds f4": layout_with_times("time", "f4", lambda _, count: offsets_s(count) * 1e3),
}


@pytest.mark.parametrize("layout", TIMES.values(), ids=TIMES)
def test_times_of_points_move_them_to_the_stamp(tmp_path: Path, layout: bags.Layout) -> None:
    """The vehicle moves along x at 5 m/s, so a point measured 20 ms after the stamp lies 0.1 m farther ahead."""
    source = [replace(frame, images=()) for frame in SOURCE]
    bag = bags.write_bag(tmp_path / "drive", source, "mcap", bags.BagPlan(layout=layout))
    drive = imported(tmp_path, bag)
    assert not drive.calibration.points.compensated
    assert len(drive) == 3
    for found, frame in zip(frames_in(drive), source, strict=True):
        ahead = frame.sweep.points_lidar.double()
        ahead[:, 0] += 5.0 * torch.from_numpy(offsets_s(len(ahead)))
        assert float((found.sweep.points_lidar - ahead).abs().max()) < 3e-4  # points within 0.1 ms share a pose


def test_times_can_be_left_aside(tmp_path: Path) -> None:
    """Of another clock, they are an error that says how to."""
    layout = layout_with_times("timestamp", "f8", lambda _, count: 77.0 + offsets_s(count))
    bag = written(tmp_path, layout=layout)
    message = refused(tmp_path, bag)
    assert "/lidar/points" in message
    assert "of another clock" in message
    assert "--compensated" in message
    assert not (tmp_path / "out").exists()
    assert_same_frames(frames_in(imported(tmp_path, bag, compensated=True)), SOURCE, intensity=False, ring=False)


@pytest.mark.parametrize(
    ("factor", "kind", "expected"), [(1 / 255, "f4", 1.0), (1, "u1", 255.0), (20.0, "f4", None), (0, "u2", 1.0)]
)
def test_the_scale_of_intensity_is_found_out(tmp_path: Path, factor: float, kind: str, expected: float | None) -> None:
    """1 and 255 where all fits, else what 99 % of the points keep below; and what the user says goes before."""
    fields = (("x", "f4", 0), ("y", "f4", 4), ("z", "f4", 8), ("time", kind, 12))
    values = [np.round(frame.sweep.intensity.numpy() * 255) * factor for frame in SOURCE]
    numbers = iter(values)
    layout = bags.Layout(fields, step=16, times=lambda _, count: next(numbers))

    def rename(sent: list[bags.Sent]) -> list[bags.Sent]:
        for _, topic, _, message in sent:
            if topic == "/lidar/points":
                message.fields[3].name = "intensity"
        return sent

    bag = written(tmp_path, layout=layout, change=rename)
    drive = imported(tmp_path, bag)
    if expected is None:
        expected = float(f"{max(np.quantile(each, 0.99) for each in values):.2g}")
    assert drive.calibration.points.intensity_max == expected
    found = drive.frame(1).sweep.intensity.numpy()
    assert np.allclose(found, np.clip(values[1] / expected, 0, 1), atol=1e-6)
    shutil.rmtree(tmp_path / "out")
    assert imported(tmp_path, bag, intensity_max=5100.0).calibration.points.intensity_max == 5100.0


def test_points_without_an_echo_are_left_out_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The layout adds seven of them to every sweep, and one more to fill the last of its four rows."""
    imported(tmp_path, written(tmp_path, layout=bags.LAYOUTS["organised"]))
    assert "24 points without an echo" in capsys.readouterr().err


# --- pictures


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "bgra8", "mono8"])
def test_raw_pictures_keep_their_colours(tmp_path: Path, encoding: str) -> None:
    found = frames_in(imported(tmp_path, written(tmp_path, images="raw", encoding=encoding)))
    for one, other in zip(found, SOURCE, strict=True):
        for image, picture in zip(one.images, other.images, strict=True):
            pixels = picture.read_pixels()
            expected = pixels[:1].expand(3, -1, -1) if encoding == "mono8" else pixels
            assert torch.equal(image.read_pixels(), expected)


def test_compressed_pictures_keep_their_bytes(tmp_path: Path) -> None:
    """Files are what the messages hold, byte by byte."""
    bag = written(tmp_path)
    drive = imported(tmp_path, bag)
    with open_bag(bag) as opened:
        for stored in opened.messages(["/sensors/cam0/image_raw/compressed"]):
            message = opened.decode(stored)
            name = f"{message.header.stamp.sec}.{message.header.stamp.nanosec:09d}.png"
            content = (drive.folder / "images" / "cam0" / name).read_bytes()
            assert content == bytes(message.data)


def with_info(**changes: Any) -> Callable[[list[bags.Sent]], list[bags.Sent]]:
    def change(sent: list[bags.Sent]) -> list[bags.Sent]:
        for _, _, kind, message in sent:
            if kind.endswith("CameraInfo"):
                for name, value in changes.items():
                    setattr(message, name, value)
        return sent

    return change


def test_distortion_is_taken_out_when_pictures_are_read(tmp_path: Path) -> None:
    """The lens goes into calibration.yaml as it is; what it does to pixels is tested in tests/geometry."""
    coefficients = np.array([-0.2, 0.03, 0.001, -0.002, 0.0])
    drive = imported(tmp_path, written(tmp_path, change=with_info(d=coefficients)))
    lens = drive.calibration.cameras["cam0"].distortion
    assert lens is not None
    assert (lens.model, lens.coefficients) == ("plumb_bob", tuple(coefficients))
    drive.frame(0).images[0].read_pixels()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"d": np.array([0.1]), "distortion_model": "thin_prism"}, ("thin_prism", "rectified topic", "--calibration")),
        ({"d": np.arange(1.0, 15.0), "distortion_model": "rational_polynomial"}, ("14 coefficients", "only 8")),
        ({"k": np.zeros(9)}, ("not calibrated", "--calibration")),
        ({"binning_x": 2}, ("binned", "--calibration")),
        ({"width": 64}, ("32 x 24 px", "64 x 24")),
    ],
)
def test_cameras_that_cannot_be_understood_are_refused_before_anything_is_written(
    tmp_path: Path, changes: dict[str, Any], words: tuple[str, ...]
) -> None:
    message = refused(tmp_path, written(tmp_path, change=with_info(**changes)))
    for word in ("/sensors/cam", *words):
        assert word in message
    assert not (tmp_path / "out").exists()


def test_a_rectified_topic_takes_the_rectified_matrix(tmp_path: Path) -> None:
    """P and R, not K and D: the rectified camera is turned against the lens by R."""
    turn = RigidTransform.from_quaternion([np.cos(0.05), 0.0, np.sin(0.05), 0.0], [0.0, 0.0, 0.0])
    p = np.array([31.0, 0, 16.0, 0, 0, 32.0, 12.0, 0, 0, 0, 1, 0])

    def rectify(sent: list[bags.Sent]) -> list[bags.Sent]:
        sent = with_info(p=p, r=turn.rotation.numpy().reshape(-1), d=np.array([0.3, 0, 0, 0, 0]))(sent)
        return [
            (when, topic.replace("image_raw", "image_rect_color"), kind, message) for when, topic, kind, message in sent
        ]

    drive = imported(tmp_path, written(tmp_path, change=rectify))
    camera, source = drive.calibration.cameras["cam0"], SOURCE[0].images[0]
    assert (camera.camera.fx_px, camera.camera.cy_px, camera.distortion) == (31.0, 12.0, None)
    assert_near(camera.ego_from_cam, source.ego_from_cam @ turn.inverse())


def test_cameras_can_be_left_out_or_chosen(tmp_path: Path) -> None:
    bag = written(tmp_path)
    assert all(not frame.images for frame in frames_in(imported(tmp_path, bag, cameras=False)))
    shutil.rmtree(tmp_path / "out")
    drive = imported(tmp_path, bag, images=("front=/sensors/cam1/image_raw/compressed",))
    assert [image.name for image in drive.frame(0).images] == ["front"]
    assert torch.equal(drive.frame(0).images[0].read_pixels(), SOURCE[0].images[1].read_pixels())


# --- where things are


def given_calibration(path: Path) -> Path:
    """calibration.yaml as a user writes it, for a recording without tf and CameraInfo."""
    frame = SOURCE[0]
    cameras = {
        image.name: {
            "size_px": [image.camera.width_px, image.camera.height_px],
            "intrinsics_px": [image.camera.fx_px, image.camera.fy_px, image.camera.cx_px, image.camera.cy_px],
            "ego_from_cam": matrix_rows(image.ego_from_cam),
        }
        for image in frame.images
    }
    path.write_text(json.dumps({"ego_from_lidar": matrix_rows(frame.sweep.ego_from_lidar), "cameras": cameras}))
    return path


def without(*topics: str) -> Callable[[list[bags.Sent]], list[bags.Sent]]:
    return lambda sent: [entry for entry in sent if not entry[1].endswith(topics)]


def test_a_calibration_file_stands_in_for_tf_and_camera_info(tmp_path: Path) -> None:
    bag = written(tmp_path, poses="odometry", change=without("tf_static", "camera_info"))
    assert "--calibration" in refused(tmp_path, bag)
    drive = imported(tmp_path, bag, calibration=given_calibration(tmp_path / "mine.yaml"))
    assert_same_frames(frames_in(drive), SOURCE)


def test_without_mounts_it_says_so(tmp_path: Path) -> None:
    message = refused(tmp_path, written(tmp_path, change=without("tf_static")))
    assert "tf does not say where" in message
    assert "--calibration" in message
    assert not (tmp_path / "out").exists()


def test_mounts_may_come_by_tf_again_and_again(tmp_path: Path) -> None:
    assert_same_frames(frames_in(imported(tmp_path, written(tmp_path, static="tf"))), SOURCE)


def test_poses_go_through_frames_in_between(tmp_path: Path) -> None:
    """map -> odom jumps sideways, odom -> base_link is smooth: with --world-frame map both count."""
    shift = RigidTransform.from_quaternion([np.cos(0.3), 0.0, 0.0, np.sin(0.3)], [4.0, -2.0, 0.5])

    def with_map(sent: list[bags.Sent]) -> list[bags.Sent]:
        maker, more = bags.Maker(2), []
        for index in range(-1, 5):
            when = FIRST_NS + index * STEP_NS
            jump = RigidTransform.from_quaternion([1.0, 0.0, 0.0, 0.0], [0.0, 0.1 * index, 0.0])
            more.append(
                (when, "/tf", "tf2_msgs/msg/TFMessage", maker.tf([maker.transform(when, "map", "odom", jump @ shift)]))
            )
        return sorted([*sent, *more], key=lambda entry: entry[0])

    bag = written(tmp_path, change=with_map)
    frames = frames_in(imported(tmp_path, bag, world_frame="map"))
    for index, (found, source) in enumerate(zip(frames, SOURCE, strict=True)):
        jump = RigidTransform.from_quaternion([1.0, 0.0, 0.0, 0.0], [0.0, 0.1 * index, 0.0])
        assert_near(found.sweep.world_from_ego, jump @ shift @ source.sweep.world_from_ego)
    shutil.rmtree(tmp_path / "out")
    for found, source in zip(frames_in(imported(tmp_path, bag)), SOURCE, strict=True):
        assert_near(found.sweep.world_from_ego, source.sweep.world_from_ego)
    assert "nowhere" in refused(tmp_path / "other", bag, world_frame="nowhere")


def test_without_poses_frames_are_refused_with_the_hint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drive = imported(tmp_path, written(tmp_path, poses="none"))
    assert f"lima odometry {tmp_path / 'out' / 'drive'}" in capsys.readouterr().err
    assert not drive.poses_file.exists()
    with pytest.raises(ValueError, match="compute them with: lima odometry"):
        PlainFolder(tmp_path / "out").sequences()


# --- time, and what goes wrong on the way


def delayed(sent: list[bags.Sent]) -> list[bags.Sent]:
    for _, topic, _, message in sent:
        if topic == "/lidar/points":
            message.header.stamp.sec, message.header.stamp.nanosec = 0, 0
    return sent


def test_sweeps_without_stamps_need_the_clock_of_the_recording(tmp_path: Path) -> None:
    """The exporter records everything 20 ms late."""
    bag = written(tmp_path, change=delayed)
    assert "--clock received" in refused(tmp_path, bag)
    drive = imported(tmp_path, bag, clock="received")
    assert drive.sweep_times_ns.tolist() == [FIRST_NS + index * STEP_NS + 20_000_000 for index in range(3)]


def test_time_that_runs_backwards_is_refused(tmp_path: Path) -> None:
    def loop(sent: list[bags.Sent]) -> list[bags.Sent]:
        for row, entry in enumerate(entry for entry in sent if entry[1] == "/lidar/points"):
            entry[3].header.stamp.sec -= 5 * row
        return sent

    assert "time runs backwards" in refused(tmp_path, written(tmp_path, change=loop))


def broken_sweep(row: int) -> Callable[[list[bags.Sent]], list[bags.Sent]]:
    def change(sent: list[bags.Sent]) -> list[bags.Sent]:
        clouds = [message for _, topic, _, message in sent if topic == "/lidar/points"]
        clouds[row].data = clouds[row].data[:100]
        return sent

    return change


@pytest.mark.parametrize("row", [0, 1])
def test_bad_messages_stop_the_import_or_are_left_out(
    tmp_path: Path, row: int, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = written(tmp_path, change=broken_sweep(row))
    message = refused(tmp_path, bag)
    assert "/lidar/points" in message
    assert "cut short?" in message
    assert (row == 0) == (not (tmp_path / "out").exists())
    drive = imported(tmp_path, bag, skip_bad=True)
    assert_same_frames(frames_in(drive), [frame for index, frame in enumerate(SOURCE) if index != row])
    told = capsys.readouterr().err
    assert "1 messages were left out" in told
    assert "cut short?" in told
    (left_out,) = json.loads((drive.folder / NOTE_FILE).read_text())["left_out"]
    assert "/lidar/points" in left_out


@pytest.mark.parametrize("kind", ["ros1", "ros2", "mcap"])
def test_a_recording_that_was_cut_off_is_one_line(tmp_path: Path, kind: str) -> None:
    bag = written(tmp_path, kind)
    file = next(bag.glob("*.db3")) if bag.is_dir() else bag
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    message = refused(tmp_path, bag)
    assert str(bag) in message
    assert "cut off while recording?" in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ["a.bag", "a.mcap", "a.db3", "a.txt"])
@pytest.mark.parametrize("content", [b"", b"this is no recording, it is a letter to my aunt" * 20])
def test_what_is_no_recording_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    message = refused(tmp_path, path)
    assert str(path) in message
    assert "\n" not in message


def test_a_missing_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing.bag is missing"):
        import_bags((tmp_path / "nothing.bag",), tmp_path / "out", ImportConfig())


def test_two_lidars_are_a_choice(tmp_path: Path) -> None:
    def second(sent: list[bags.Sent]) -> list[bags.Sent]:
        return [
            *sent,
            *((when, "/rear/points", kind, message) for when, topic, kind, message in sent if topic == "/lidar/points"),
        ]

    bag = written(tmp_path, change=second)
    message = refused(tmp_path, bag)
    assert "--points TOPIC" in message
    assert "/rear/points" in message
    assert_same_frames(frames_in(imported(tmp_path, bag, points="/lidar/points")), SOURCE)


# --- interrupted, repeated, listed


def test_a_second_call_changes_nothing(tmp_path: Path) -> None:
    bag = written(tmp_path)
    drive = imported(tmp_path, bag)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in drive.folder.rglob("*") if path.is_file()}
    imported(tmp_path, bag)
    for path, (modified_ns, content) in before.items():
        assert path.read_bytes() == content
        assert path.parent.name == "drive" or path.stat().st_mtime_ns == modified_ns


def test_another_recording_does_not_go_into_the_same_folder(tmp_path: Path) -> None:
    bag = written(tmp_path)
    imported(tmp_path, bag)
    assert "with other settings" in refused(tmp_path, bag, cameras=False)
    other = tmp_path / "other" / "drive"
    other.mkdir(parents=True)
    (other / "letter.txt").write_text("mine")
    with pytest.raises(ValueError, match="something that was not imported"):
        import_bags((bag,), tmp_path / "other", ImportConfig())


@pytest.mark.slow
def test_killed_anywhere_it_goes_on(tmp_path: Path) -> None:
    """Killed at the first file and killed again later; in the end it is as if nothing had happened."""
    frames = []
    for turn in range(60):
        sweep = SOURCE[turn % 3].sweep
        assert sweep.ring is not None
        many = replace(
            sweep,
            points_lidar=sweep.points_lidar.repeat(500, 1),
            intensity=sweep.intensity.repeat(500),
            ring=sweep.ring.repeat(500),
            timestamp_ns=FIRST_NS + turn * STEP_NS,
        )
        frames.append(replace(SOURCE[0], sweep=many, images=()))
    bag = bags.write_bag(tmp_path / "drive", frames, "mcap")
    command = [sys.executable, "-m", "lima", "import", str(bag), "--out", str(tmp_path / "out")]
    points = tmp_path / "out" / "drive" / "points"
    for least in (1, 20):
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as running:
            deadline_s = time.monotonic() + 60
            while running.poll() is None and time.monotonic() < deadline_s:
                if points.is_dir() and len(list(points.glob("*.npy"))) >= least:
                    os.kill(running.pid, signal.SIGKILL)
                    break
                time.sleep(0.001)
        assert running.returncode == -signal.SIGKILL
    assert len(list(points.glob("*.npy"))) < len(frames)
    assert not (tmp_path / "out" / "drive" / "calibration.yaml").exists()
    drive = imported(tmp_path, bag)
    assert_same_frames(frames_in(drive), frames)
    assert json.loads((drive.folder / NOTE_FILE).read_text())["complete"] is True


def test_topics_are_listed(tmp_path: Path) -> None:
    lines = "\n".join(list_bags((written(tmp_path, "ros1"),)))
    assert "3  sensor_msgs/PointCloud2      /lidar/points" in lines
    assert "/sensors/cam1/camera_info" in lines


def test_it_says_beforehand_what_it_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sixty points of 20 bytes in three sweeps, and six small pictures."""
    imported(tmp_path, written(tmp_path))
    first = capsys.readouterr().err.splitlines()[0]
    assert "3 sweeps of /lidar/points (x, y, z, intensity, ring)" in first
    assert "3 pictures of cam0" in first
    assert "about 0.0 MB" in first
    assert "GB are free" in first


def test_no_room_is_said_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    assert "make room" in refused(tmp_path, written(tmp_path))
    assert not (tmp_path / "out").exists()


def test_a_table_is_what_the_message_says() -> None:
    """The exporter's own arithmetic: one point of one layout, byte by byte."""
    table = table_of(SOURCE[0])[:1]
    message = bags.Maker(2).cloud(FIRST_NS, "lidar", table, bags.LAYOUTS["big endian"])
    assert message.data[:8].tobytes() == np.array(table["z"], dtype=">f8").tobytes()
    assert message.data[24] == int(table["intensity"][0])


def test_an_index_that_leads_to_messages_of_another_topic_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_bag(bags.write_bag(tmp_path / "drive", frames_of(hand_made_drive()), "ros1")) as bag:
        assert isinstance(bag, RosBag)
        everything = list(bag._reader.messages())
        monkeypatch.setattr(bag._reader, "messages", lambda _: iter(everything))
        with pytest.raises(ValueError, match=r"drive\.bag cannot be read.*its index leads to a message of /.*reindex"):
            list(bag.messages(["/tf"]))
