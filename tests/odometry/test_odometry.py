"""Oracle: a street of walls and boxes along which the vehicle's way is known; recordings whose poses were measured."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from lima import cli
from lima.config import OdometryConfig
from lima.datasets import open_dataset
from lima.datasets.plain_folder import PlainFolder
from lima.datasets.trajectory import read_poses
from lima.geometry.rigid import RigidTransform
from lima.odometry.comparison import drift
from lima.odometry.fit import Landmarks, fit
from lima.odometry.kiss import KissOdometry
from lima.odometry.odometry import QUALITY_FILE, compute_odometry
from lima.odometry.sources import sources_of
from lima.scene import Frame
from tests.datasets.exporters import plain
from tests.odometry.street import EGO_FROM_LIDAR, FIRST_NS, STEP_NS, Way, ahead, around, pose_on, scans
from tests.shared import shared_folder

pytest.importorskip("kiss_icp", reason="needs kiss-icp (requirements-dev.txt)")
SWEEPS = 25


def found_and_true(folder: Path, way: Way, sweeps: int) -> tuple[list[RigidTransform], list[RigidTransform]]:
    times_ns = np.array([FIRST_NS + index * STEP_NS for index in range(sweeps)])
    trajectory = read_poses(folder / "poses.txt", times_ns)
    assert trajectory.times_ns.tolist() == times_ns.tolist()
    return [trajectory.at(int(time_ns)) for time_ns in times_ns], [pose_on(way, 0.1 * row) for row in range(sweeps)]


def write_moving(folder: Path, way: Way, sweeps: int) -> Path:
    """A drive whose points are where the LiDAR saw them, with their times, and calibration.yaml saying so."""
    frames, times = scans(way, sweeps, moving=True)
    numbers = iter(times)

    def timed(table: np.ndarray) -> np.ndarray:
        found = np.zeros(len(table), dtype=[*table.dtype.descr, ("time", "<f4")])
        for name in table.dtype.names or ():
            found[name] = table[name]
        found["time"] = next(numbers)
        return found

    plain.write_drive(folder, frames, poses="none", change_points=timed)
    path = folder / "calibration.yaml"
    entries = json.loads(path.read_text())
    entries["points"]["compensated"] = False
    path.write_text(json.dumps(entries))
    return folder


@pytest.mark.parametrize("way", [ahead(), around()], ids=["ahead", "around"])
def test_the_way_is_found(tmp_path: Path, way: Way, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused before, written, and open afterwards; the vehicle's poses, not the LiDAR's."""
    folder = plain.write_drive(tmp_path / "drive", scans(way, SWEEPS)[0], poses="none")
    with pytest.raises(ValueError, match=f"compute them with: lima odometry {folder}"):
        open_dataset(folder).sequences()
    cli.parse(["odometry", str(folder), "--json", str(tmp_path / "found.json")]).run()
    told = capsys.readouterr().err
    assert f"poses written to {folder / 'poses.txt'}" in told
    assert "they look good" in told
    found, true = found_and_true(folder, way, SWEEPS)
    result = drift(found, true)
    assert result.stretches > 0
    assert result.share < 0.02
    assert result.farthest_m < 0.3
    assert torch.equal(found[0].translation_m, torch.zeros(3, dtype=torch.float64))
    (sequence,) = open_dataset(folder).sequences()
    assert len(sequence) == SWEEPS
    assert torch.allclose(sequence.frame(3).sweep.world_from_ego.translation_m, found[3].translation_m, atol=1e-6)
    (entries,) = json.loads((tmp_path / "found.json").read_text())
    assert entries == json.loads((folder / QUALITY_FILE).read_text())
    assert entries["verdict"] == "good"
    assert entries["drift"] is None


def test_poses_that_are_there_stay_unless_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are compared; replaced they are kept beside."""
    folder = plain.write_drive(tmp_path / "drive", scans(ahead(), SWEEPS)[0], poses="times")
    before = (folder / "poses.txt").read_bytes()
    (result,) = compute_odometry(folder, OdometryConfig())
    assert (folder / "poses.txt").read_bytes() == before
    assert not (folder / QUALITY_FILE).exists()
    assert not result.written
    assert result.drift is not None
    assert result.drift.share < 0.02
    assert result.known is not None
    assert result.known.verdict == "good"
    told = capsys.readouterr().err
    assert "which stay as they are (--replace)" in told
    assert "against the poses that are there" in told
    (result,) = compute_odometry(folder, OdometryConfig(replace=True))
    assert result.written
    assert (folder / "poses.txt.before").read_bytes() == before
    assert (folder / "poses.txt").read_bytes() != before


def test_motion_during_the_turn_is_taken_out(tmp_path: Path) -> None:
    """At 45 degrees a second a turn of 0.1 s smears what is 20 m away by 1.6 m."""
    folder = write_moving(tmp_path / "drive", around(), 10)
    (result,) = compute_odometry(folder, OdometryConfig())
    assert drift(*found_and_true(folder, around(), 10)).farthest_m < 0.15
    frames, _ = scans(around(), 10, moving=True)
    one, two = (Landmarks.of(frame.sweep.points_lidar.numpy()) for frame in frames[4:6])
    true = frames[4].sweep.world_from_lidar.inverse() @ frames[5].sweep.world_from_lidar
    assert result.quality.next_to.matched > fit(two, one, true).matched + 0.1


def test_the_same_sweeps_give_the_same_poses(tmp_path: Path) -> None:
    texts = []
    for name in ("once", "again"):
        folder = plain.write_drive(tmp_path / name, scans(ahead(), 8)[0], poses="none")
        compute_odometry(folder, OdometryConfig())
        texts.append((folder / "poses.txt").read_bytes())
    assert texts[0] == texts[1]


def test_the_speed_at_the_beginning_is_known() -> None:
    """At 8 m/s from the first sweep on: the first steps are right, and the first sweep's points are compensated."""
    frames, _ = scans(lambda time_s: (8.0 * time_s, 0.0, 0.0), 10)
    sweeps = [(frame.sweep.points_lidar.numpy(), None, frame.sweep.timestamp_ns) for frame in frames]
    odometry = KissOdometry(OdometryConfig())
    odometry.learn_speed(sweeps[:6])
    xyz_m, _, first_ns = sweeps[0]
    pose, moved_m = odometry.add(xyz_m, np.full(len(xyz_m), -0.05, dtype=np.float32), first_ns)
    assert np.abs(np.linalg.norm(moved_m - xyz_m, axis=1) - 0.4).max() < 0.05
    odometry = KissOdometry(OdometryConfig())
    odometry.learn_speed(sweeps[:6])
    poses = [odometry.add(*sweep)[0] for sweep in sweeps]
    assert float(pose.translation_m.norm()) < 1e-9
    assert float(poses[0].translation_m.norm()) < 1e-9
    steps_m = [float((two.translation_m - one.translation_m).norm()) for one, two in pairwise(poses)]
    assert max(abs(step_m - 0.8) for step_m in steps_m) < 0.08


def test_only_the_drives_that_are_asked_for(tmp_path: Path) -> None:
    for name in ("monday", "tuesday"):
        plain.write_drive(tmp_path / name, scans(ahead(), 8)[0], poses="none")
    compute_odometry(tmp_path, OdometryConfig(drives=("tuesday",)))
    assert not (tmp_path / "monday" / "poses.txt").exists()
    assert (tmp_path / "tuesday" / "poses.txt").exists()
    with pytest.raises(ValueError, match=r"has no drive 'sunday'; drives: monday, tuesday"):
        compute_odometry(tmp_path, OdometryConfig(drives=("sunday",)))


def test_sweeps_that_are_no_frames_get_poses_too(tmp_path: Path) -> None:
    """Without a picture a sweep is no frame, but the way leads past it."""
    frames: list[Frame] = scans(ahead(), 8)[0]
    folder = plain.write_drive(tmp_path / "drive", frames, poses="none")
    (drive,) = PlainFolder(folder).drives()
    (source,) = sources_of(PlainFolder(folder), None)
    assert len(source) == len(drive.sweeps) == 8
    assert source.poses_file == folder / "poses.txt"
    assert not source.has_poses
    assert torch.allclose(source.ego_from_lidar.matrix(), EGO_FROM_LIDAR.matrix())


def test_without_kiss_icp_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "kiss_icp.config", None)
    folder = plain.write_drive(tmp_path / "drive", scans(ahead(), 2)[0], poses="none")
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'lima-lidar\[odometry\]'"):
        compute_odometry(folder, OdometryConfig())
    assert not (folder / "poses.txt").exists()


# --- recordings


@pytest.mark.slow
def test_kitti_sweeps_lie_on_each_other_better_than_by_gps() -> None:
    """The first ten sweeps of drive 0005, three metres: within a quarter of a metre of what GPS and IMU say."""
    (source,) = sources_of(open_dataset(shared_folder("data/kitti-raw")), None)
    few = replace(source, times_ns=source.times_ns[:10])
    odometry = KissOdometry(OdometryConfig())
    sweeps = [few.read(index) for index in range(len(few))]
    timed = [(sweep.xyz_m, sweep.time_s, int(time_ns)) for sweep, time_ns in zip(sweeps, few.times_ns, strict=True)]
    odometry.learn_speed(timed[:6])
    found = [odometry.add(*each)[0] for each in timed]
    known = [sweep.world_from_lidar for sweep in sweeps if sweep.world_from_lidar is not None]
    assert drift(found, known).farthest_m < 0.3
    first, last = Landmarks.of(sweeps[4].xyz_m), Landmarks.of(sweeps[9].xyz_m)
    by_sweeps = fit(last, first, found[4].inverse() @ found[9])
    by_gps = fit(last, first, known[4].inverse() @ known[9])
    assert by_sweeps.distance_m < by_gps.distance_m


@pytest.mark.slow
@pytest.mark.parametrize("recorded", ["semantic-kitti", "av2"])
def test_short_recordings_agree_with_their_poses(recorded: str) -> None:
    """Three sweeps of SemanticKITTI, two of Argoverse 2."""
    (result,) = compute_odometry(shared_folder(f"data/{recorded}"), OdometryConfig())
    assert result.drift is not None
    assert result.drift.farthest_m < 0.15
    assert not result.written
