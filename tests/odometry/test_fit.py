"""Oracle: nearest neighbours in loops, stretches of a drive by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lima.geometry.rigid import RigidTransform
from lima.odometry.comparison import drift
from lima.odometry.fit import WITHIN_M, Landmarks, fit
from lima.odometry.quality import LATER, QualityGauge
from tests.odometry.street import STEP_NS, ahead, around, pose_on, scans


def shifted(x_m: float, yaw_rad: float = 0.0) -> RigidTransform:
    return RigidTransform.from_quaternion([np.cos(yaw_rad / 2), 0.0, 0.0, np.sin(yaw_rad / 2)], [x_m, 0.0, 0.0])


def test_nearest_points_are_found() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(-3, 3, (300, 3)).astype(np.float32)
    others = rng.uniform(-4, 4, (200, 3))
    found = Landmarks(points).nearest_m(others)
    for other, distance_m in zip(others, found, strict=True):
        nearest_m = min(float(np.linalg.norm(point.astype(np.float64) - other)) for point in points)
        assert distance_m == (pytest.approx(nearest_m) if nearest_m < WITHIN_M else np.inf)


def test_landmarks_are_off_the_road_and_off_the_vehicle() -> None:
    points = np.array([[10, 0, 0], [10, 0, -1.8], [1, 0, 0], [50, 0, 0]] * 200, dtype=np.float32)
    assert np.unique(Landmarks.of(points).points_lidar, axis=0).tolist() == [[10, 0, 0]]
    flat = points[points[:, 2] < -1]
    assert len(Landmarks.of(flat).points_lidar) == len(flat)  # better than nothing


def test_a_sweep_lies_on_itself_only_where_it_belongs() -> None:
    frames, _ = scans(ahead(), 1)
    moved = Landmarks.of(frames[0].sweep.points_lidar.numpy())
    there = RigidTransform.identity()
    assert fit(moved, moved, there).matched == 1.0
    assert fit(moved, moved, there).distance_m == pytest.approx(0, abs=1e-6)
    assert fit(moved, moved, shifted(0.2)).distance_m > 0.05
    assert fit(moved, moved, shifted(300.0)).matched == 0.0
    assert np.isnan(fit(moved, moved, shifted(300.0)).distance_m)


# --- drift


def test_a_way_that_is_one_percent_too_long_drifts_by_one_percent() -> None:
    known = [shifted(float(metre)) for metre in range(61)]
    found = drift([shifted(1.01 * metre) for metre in range(61)], known)
    assert found.share == pytest.approx(0.01)
    assert found.turn_deg_per_100m == pytest.approx(0, abs=1e-6)
    assert found.farthest_m == pytest.approx(0.6)
    assert found.stretches == 51 + 41 + 11  # of 10, 20 and 50 m


def test_it_does_not_matter_where_the_world_begins() -> None:
    known = [pose_on(around(), 0.1 * step) for step in range(100)]
    elsewhere = RigidTransform.from_quaternion([0.5, 0.5, -0.5, 0.5], [7.0, -2.0, 3.0])
    found = drift([elsewhere @ pose for pose in known], known)
    assert found.share < 1e-9
    assert found.farthest_m < 1e-9


def test_a_bend_is_degrees_per_way() -> None:
    """Half a degree too much with every metre; over 10 m it ends 5 degrees off."""
    known, found = [shifted(0.0)], [shifted(0.0)]
    for _ in range(15):
        known.append(known[-1] @ shifted(1.0))
        found.append(found[-1] @ shifted(1.0, np.radians(0.5)))
    assert drift(found, known).turn_deg_per_100m == pytest.approx(50, rel=1e-3)


def test_a_short_drive_has_no_drift_but_a_distance() -> None:
    found = drift([shifted(0.0), shifted(2.0)], [shifted(0.0), shifted(1.5)])
    assert np.isnan(found.share)
    assert (found.stretches, found.farthest_m) == (0, 0.5)


# --- quality


def gauge_of(poses: list[RigidTransform], frames: list) -> QualityGauge:
    gauge = QualityGauge()
    for pose, frame in zip(poses, frames, strict=True):
        gauge.add(Landmarks.of(frame.sweep.points_lidar.numpy()), pose, frame.sweep.timestamp_ns)
    return gauge


def test_true_poses_look_good_and_others_do_not() -> None:
    frames, _ = scans(ahead(), 14)
    true = [frame.sweep.world_from_lidar for frame in frames]
    good = gauge_of(true, frames).quality([])
    assert (good.verdict, good.worries, good.lost) == ("good", (), ())
    assert good.sweeps == 14
    way = pose_on(ahead(), 1.3).translation_m - pose_on(ahead(), 0.0).translation_m
    assert good.length_m == pytest.approx(float(way.norm()))
    assert good.next_to.matched > 0.9
    assert good.unmoved.distance_m > good.next_to.distance_m
    assert good.max_acceleration_mps2 == 0  # 8 m/s² are 8 cm in 0.1 s
    jump = [RigidTransform(pose.rotation, pose.translation_m + 3.0 * (row > 6)) for row, pose in enumerate(true)]
    bad = gauge_of(jump, frames).quality([])
    assert bad.verdict == "doubtful"
    assert bad.lost == (7,)
    assert any("the way was lost" in worry for worry in bad.worries)
    assert any("a jump" in worry for worry in bad.worries)


def test_acceleration_is_what_jitter_does_not_explain() -> None:
    """Five metres beside where it would have been a second later, ten centimetres of which may be jitter."""
    gauge = QualityGauge()
    for row, x_m in enumerate((0.0, 10.0, 25.0)):
        gauge.add(Landmarks(np.zeros((0, 3), dtype=np.float32)), shifted(x_m), row * 10**9)
    assert gauge.quality([]).max_acceleration_mps2 == pytest.approx(4.9)


def test_turns_are_degrees_a_second() -> None:
    frames, _ = scans(around(turn_s=8.0), 4)
    assert gauge_of([frame.sweep.world_from_lidar for frame in frames], frames).quality([]).max_turn_deg_s == (
        pytest.approx(45, abs=0.01)
    )


def test_places_that_are_visited_again_are_found() -> None:
    """A circle of 8 seconds and 63 m: sweep 80 and later is where it was 80 sweeps before."""
    gauge = QualityGauge()
    nothing = Landmarks(np.zeros((0, 3), dtype=np.float32))
    for row in range(90):
        gauge.add(nothing, pose_on(around(), 0.1 * row), row * STEP_NS)
    pairs = gauge.revisits()
    assert 1 <= len(pairs) <= 20
    for earlier, now in pairs:
        apart_m = (gauge.poses[earlier].translation_m - gauge.poses[now].translation_m).norm()
        assert float(apart_m) < 5
        assert now - earlier > 64  # 50 m
    assert (9, 89) in pairs or any(now - earlier == 80 for earlier, now in pairs)


def test_the_last_sweeps_are_kept_and_no_more() -> None:
    frames, _ = scans(ahead(), LATER + 3)
    gauge = gauge_of([frame.sweep.world_from_lidar for frame in frames], frames)
    assert len(gauge._recent) == LATER
    assert torch.equal(gauge.poses[0].translation_m, frames[0].sweep.world_from_lidar.translation_m)
