"""Oracle: a drive made by hand, the development kit's formulas in loops, and a recorded drive with its annotations."""

from __future__ import annotations

import logging
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lima.datasets import open_dataset
from lima.datasets.kitti_raw import KittiRaw
from lima.scene import Dataset
from tests.datasets import kitti_hand_made as made
from tests.shared import shared_folder

DRIVE = "2011_09_26_drive_0005_sync"
FIRST_NS = made.FIRST_S * 1_000_000_000


def devkit_poses(packets: list[list[float]]) -> list[np.ndarray]:
    """convertOxtsToPose.m, line by line."""
    scale = math.cos(packets[0][0] * math.pi / 180)
    poses, first_inverse = [], None
    for latitude, longitude, altitude, roll, pitch, yaw in (packet[:6] for packet in packets):
        radius = 6378137
        x = scale * longitude * math.pi * radius / 180
        y = scale * radius * math.log(math.tan((90 + latitude) * math.pi / 360))
        pose = made.homogeneous(made.turned(yaw, pitch, roll), (x, y, altitude))
        first_inverse = np.linalg.inv(pose) if first_inverse is None else first_inverse
        poses.append(first_inverse @ pose)
    return poses


@pytest.fixture(scope="module", params=["dates", "tracking"])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without times, so that every sensor opens with its packet."""
    folder = tmp_path_factory.mktemp("raw data ä")
    return made.write_raw(folder, timestamps=False, tracking=request.param == "tracking")


def test_it_is_a_dataset_of_drives(root: Path) -> None:
    dataset = open_dataset(root)
    assert isinstance(dataset, Dataset)
    assert (dataset.name, dataset.split_names, dataset.class_names) == ("KITTI raw", ("all",), ("ignored",))
    (sequence,) = dataset.sequences()
    assert sequence.name == DRIVE
    assert list(sequence.tokens) == [f"{DRIVE}/{scan:010d}" for scan in range(made.SCANS)]
    assert list(sequence.timestamps_ns) == [100_000_000 * scan for scan in range(made.SCANS)]
    with pytest.raises(
        ValueError, match=r"has no drives in split 'train'; splits with drives: all \(1\).*splits\.json"
    ):
        dataset.sequences("train")


def test_a_date_and_a_drive_open_by_themselves(root: Path) -> None:
    for folder in (root / made.KITTI_RAW, (root / made.KITTI_RAW).parent):
        (sequence,) = open_dataset(folder).sequences()
        assert sequence.name == DRIVE
        assert len(sequence.frame(0).images) == 2


def test_every_number_arrives(root: Path) -> None:
    (sequence,) = open_dataset(root).sequences()
    for scan in range(len(sequence)):
        frame = sequence.frame(scan)
        written = torch.from_numpy(made.points(0, scan))
        assert torch.equal(frame.sweep.points_lidar, written[:, :3])
        assert torch.equal(frame.sweep.intensity, written[:, 3])
        assert frame.read_labels is None
        assert [image.name for image in frame.images] == ["image_02", "image_03"]  # grey is left out beside colour
        for image in frame.images:
            assert torch.equal(image.read_pixels(), torch.from_numpy(made.pixels(scan)).permute(2, 0, 1))


def test_cameras_can_be_chosen(root: Path) -> None:
    (sequence,) = KittiRaw(root, cameras=("00", "02")).sequences()
    assert [image.name for image in sequence.frame(0).images] == ["image_00", "image_02"]
    with pytest.raises(ValueError, match="KITTI's cameras are 00, 01, 02, 03, not 07"):
        KittiRaw(root, cameras=("07",))


def test_points_meet_pixels_as_the_development_kit_has_it(root: Path) -> None:
    """P_rect R_rect_00 (R | T) x."""
    points = np.random.default_rng(3).uniform(-30, 30, (500, 3))
    frame = open_dataset(root).sequences()[0].frame(2)
    rectified = made.homogeneous(made.RECTIFYING, (0, 0, 0)) @ made.CAM0_FROM_VELO_UNRECTIFIED
    for image, baseline_m in zip(frame.images, (0.0, 0.54), strict=True):
        pixel = np.concatenate([points, np.ones((500, 1))], axis=1) @ (made.projection(baseline_m) @ rectified).T
        cam_from_lidar = image.world_from_cam.inverse() @ frame.sweep.world_from_lidar
        ours, depth_m = image.camera.project(cam_from_lidar.apply(torch.from_numpy(points)))
        ahead = depth_m.numpy() > 0.5
        assert ahead.sum() > 100
        assert np.allclose(ours[ahead], (pixel[:, :2] / pixel[:, 2:])[ahead], atol=1e-6)


def test_poses_are_the_development_kit_s(root: Path) -> None:
    (sequence,) = open_dataset(root).sequences()
    wanted = devkit_poses([made.packet(scan) for scan in range(made.SCANS)])
    assert np.linalg.norm(wanted[1][:3, 3]) > 0.5
    for scan, pose in enumerate(wanted):
        frame = sequence.frame(scan)
        assert np.allclose(frame.sweep.world_from_ego.matrix(), pose, atol=1e-7)
        assert np.allclose(frame.sweep.ego_from_lidar.matrix(), np.linalg.inv(made.VELO_FROM_IMU), atol=1e-9)


def test_every_sensor_has_its_own_time_and_pose(tmp_path: Path) -> None:
    """Sensors open between two packets: a share of the way and of the turn, from the first packet's pose."""
    (sequence,) = open_dataset(made.write_raw(tmp_path)).sequences()
    wanted = devkit_poses([made.packet(scan) for scan in range(made.SCANS)])
    frame = sequence.frame(2)
    assert frame.sweep.timestamp_ns == FIRST_NS + 200_000_000
    assert [image.timestamp_ns - FIRST_NS for image in frame.images] == [211_000_000, 212_000_000]
    for time_s, before, pose in ((0.2, 1, frame.sweep.world_from_ego), (0.211, 2, frame.images[0].world_from_ego)):
        share = (time_s - made.SENSOR_DELAYS_S["oxts"]) / 0.1 - before
        first, second = wanted[before], wanted[before + 1]
        assert np.allclose(pose.translation_m, (1 - share) * first[:3, 3] + share * second[:3, 3], atol=1e-6)
        angles = [angle_of(first[:3, :3].T @ matrix) for matrix in (pose.rotation.numpy(), second[:3, :3])]
        assert 0.005 < angles[1] < 0.1
        assert math.isclose(angles[0], share * angles[1], rel_tol=1e-5)


def angle_of(rotation: np.ndarray) -> float:
    return math.acos(min(1.0, (np.trace(rotation) - 1) / 2))


def test_missing_scans_are_frames_less(tmp_path: Path) -> None:
    root = made.write_raw(tmp_path)
    (root / made.KITTI_RAW / "velodyne_points" / "data" / "0000000001.bin").unlink()
    (sequence,) = open_dataset(root).sequences()
    assert list(sequence.tokens) == [f"{DRIVE}/{scan:010d}" for scan in (0, 2, 3)]
    frame = sequence.frame(1)
    assert frame.sweep.timestamp_ns == FIRST_NS + 200_000_000
    assert torch.equal(frame.sweep.points_lidar, torch.from_numpy(made.points(0, 2)[:, :3]))
    assert torch.equal(frame.images[0].read_pixels()[:, 0, 0], torch.tensor([10, 80, 200], dtype=torch.uint8))


def test_a_long_gap_is_said_or_split_at(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = made.write_raw(tmp_path)
    for sensor, delay_s in made.SENSOR_DELAYS_S.items():
        times = [made.time_text(0.1 * scan + 0.9 * (scan > 1) + delay_s) for scan in range(made.SCANS)]
        (root / made.KITTI_RAW / sensor / "timestamps.txt").write_text("\n".join(times))
    with pytest.raises(ValueError, match=r"1\.00 s between .*0000000001 and .*0000000002.*--at-gap split"):
        open_dataset(root).sequences()
    with caplog.at_level(logging.WARNING):
        parts = open_dataset(root, at_gap="split").sequences()
    assert [len(part) for part in parts] == [2, 2]


def test_without_packets_it_is_refused_and_points_are_there(tmp_path: Path) -> None:
    root = made.write_raw(tmp_path)
    (root / made.KITTI_RAW / "oxts").rename(root / "elsewhere")
    dataset = KittiRaw(root)
    with pytest.raises(FileNotFoundError, match=r"oxts/data is missing.*compute poses with: lima odometry "):
        dataset.sequences()
    (drive,) = dataset.drives()
    assert len(drive.scan(2).points_lidar) == made.POINTS
    first_s = made.FIRST_S
    rows = [f"{first_s + 0.1 * scan:.3f} {scan} 0 0 0 0 0 1" for scan in range(-1, made.SCANS + 1)]
    drive.poses_file.write_text("\n".join(rows))
    frame = dataset.sequences()[0].frame(2)
    assert np.allclose(frame.sweep.world_from_ego.translation_m, [2, 0, 0], atol=1e-5)
    assert np.allclose(frame.images[0].world_from_ego.translation_m, [2.11, 0, 0], atol=1e-5)


def test_tracking_calibrations_that_differ_are_not_guessed_among(tmp_path: Path) -> None:
    root = made.write_raw(tmp_path, tracking=True)
    first = root / "tracking" / "calib_0000.txt"
    (root / "tracking" / "calib_0001.txt").write_text(first.read_text())
    assert len(open_dataset(root).sequences()[0].frame(0).images) == 2
    (root / "tracking" / "calib_0001.txt").write_text(first.read_text().replace("P2: 4.0", "P2: 4.1"))
    with pytest.raises(ValueError, match=r"2 calibrations that differ.*2011_09_26_calib\.zip"):
        open_dataset(root).sequences()[0].frame(0)


def test_unsynchronised_drives_are_refused(tmp_path: Path) -> None:
    root = made.write_raw(tmp_path)
    (root / made.KITTI_RAW).rename(root / made.KITTI_RAW.replace("sync", "extract"))
    with pytest.raises(ValueError, match="unsynchronised, unrectified drive: take its 2011_09_26_drive_0005_sync"):
        open_dataset(root).sequences()


def test_splits_of_one_s_own(tmp_path: Path) -> None:
    root = made.write_raw(tmp_path)
    (root / "splits.json").write_text(f'{{"train": ["{DRIVE}"]}}')
    dataset = open_dataset(root)
    assert dataset.split_names == ("train", "all")
    assert len(dataset.sequences("train")) == 1


def test_frames_can_be_sent_to_other_processes(root: Path) -> None:
    sequence = pickle.loads(pickle.dumps(open_dataset(root).sequences()[0]))
    frame = pickle.loads(pickle.dumps(sequence.frame(1)))
    assert frame.images[1].read_pixels().shape == (3, made.HEIGHT_PX, made.WIDTH_PX)


def annotations(number: int) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray, float]]:
    """Of the tracking benchmark: kind, image box, size (height, width, length), foot in camera 0, turn about y."""
    rows = []
    for line in (shared_folder("data/kitti-raw") / "tracking" / "label_02_0000.txt").read_text().splitlines():
        words = line.split()
        if int(words[0]) == number and words[2] != "DontCare":
            values = np.array(words[6:17], dtype=float)
            rows.append((words[2], values[:4], values[4:7], values[7:10], float(words[16])))
    return rows


def test_annotated_things_hold_points_that_fall_into_their_image_boxes() -> None:
    """The annotators' boxes in space pick the points; where our transforms send them, the boxes in the image judge."""
    root = shared_folder("data/kitti-raw")
    (sequence,) = open_dataset(root).sequences()
    assert len(sequence) == 17
    keyed = {
        line.split()[0].rstrip(":"): np.array(line.split()[1:], dtype=float)
        for line in (root / "tracking" / "calib_0000.txt").read_text().splitlines()
        if line.strip()
    }
    rectify, velo = keyed["R0_rect"].reshape(3, 3), keyed["Tr_velo_to_cam"].reshape(3, 4)
    things = inside = total = 0
    for index in (0, 8, 16):
        frame = sequence.frame(index)
        (image,) = frame.images
        points = frame.sweep.points_lidar.double()
        cam0 = (points.numpy() @ velo[:, :3].T + velo[:, 3]) @ rectify.T
        cam_from_lidar = image.world_from_cam.inverse() @ frame.sweep.world_from_lidar
        uv, depth_m = image.camera.project(cam_from_lidar.apply(points))
        seen = image.camera.sees(uv, depth_m).numpy()
        for _, (left, top, right, bottom), (height_m, width_m, length_m), foot, turn in annotations(index):
            cosine, sine = math.cos(turn), math.sin(turn)
            x, y, z = (cam0 - foot).T
            along, across = cosine * x - sine * z, sine * x + cosine * z
            of_thing = (abs(along) < length_m / 2) & (abs(across) < width_m / 2) & (y < 0) & (y > -height_m)
            of_thing &= seen  # the annotators' boxes end where the image does
            if of_thing.sum() < 10:
                continue
            u, v = uv[torch.from_numpy(of_thing)].numpy().T
            inside += int(((u > left - 3) & (u < right + 3) & (v > top - 3) & (v < bottom + 3)).sum())
            total += int(of_thing.sum())
            things += 1
    assert things >= 6
    assert total > 500
    assert inside / total > 0.98


def test_the_recorded_drive_stands_still_in_the_world() -> None:
    """The surroundings, seen 1.6 seconds apart, meet in the world that the packets make, and nowhere else."""
    root = shared_folder("data/kitti-raw")
    (sequence,) = open_dataset(root).sequences()
    first, last = sequence.frame(0), sequence.frame(16)
    with Image.open(root / made.KITTI_RAW / "image_02" / "data" / "0000000000.png") as image:
        assert image.size == (first.images[0].camera.width_px, first.images[0].camera.height_px) == (1242, 375)
    travelled_m = last.sweep.world_from_ego.translation_m - first.sweep.world_from_ego.translation_m
    assert 3 < float(travelled_m[0]) < 8  # forward is x
    assert abs(float(travelled_m[1])) < 1
    tall = [frame.sweep.points_lidar[frame.sweep.points_lidar[:, 2] > 0] for frame in (first, last)]
    moved = (first.sweep.world_from_lidar.inverse() @ last.sweep.world_from_lidar).apply(tall[1])
    some = slice(None, None, max(1, len(tall[1]) // 400))
    with_poses, without = (
        float(torch.cdist(points[some], tall[0]).min(dim=1).values.median()) for points in (moved, tall[1])
    )
    assert with_poses < 0.4
    assert with_poses < 0.3 * without


def test_with_the_calibration_of_another_size_it_is_refused(tmp_path: Path) -> None:
    root = made.write_raw(tmp_path, tracking=True)
    for scan in range(made.SCANS):
        Image.new("RGB", (16, 6)).save(root / made.KITTI_RAW / "image_02" / "data" / f"{scan:010d}.png")
    with pytest.raises(ValueError, match=r"optical axis at \(32, 12\) px.*16 x 6 px.*resized calibration"):
        open_dataset(root).sequences()[0].frame(0)
