"""Oracle: worlds made by hand: level ground, a wall, something that drives past; arithmetic of beams."""

import dataclasses
import math

import numpy as np

from streetsim.lidar import Scan, take_scan
from streetsim.rigs import LidarMount, kitti_rig, nuscenes_rig
from streetsim.scenario import build_scenario
from streetsim.scene import Scene
from streetsim.semantics import Semantic
from streetsim.things import Trajectory
from tests.streetsim.handmade import ground, scene, wall

EXACT = dataclasses.replace(nuscenes_rig().lidar, range_noise_m=0.0)
POINTING_DEG = 0.015  # noise of the azimuth, standard deviation


def scan(at: Scene, mount: LidarMount = EXACT, time_s: float = 0.0, seed: int = 0) -> Scan:
    return take_scan(at, mount, time_s, np.random.default_rng(seed))


def in_world(points: Scan, at: Scene, mount: LidarMount, time_s: float) -> np.ndarray:
    world_from_lidar = at.scenario.ego_pose(time_s) @ mount.ego_from_lidar()
    return points.points_lidar.astype(np.float64) @ world_from_lidar[:3, :3].T + world_from_lidar[:3, 3]


def test_rings_on_level_ground_have_the_radius_of_their_elevation() -> None:
    points = scan(scene([ground()]))
    np.testing.assert_allclose(points.points_lidar[:, 2], -1.84, atol=1e-4)
    radius = np.linalg.norm(points.points_lidar[:, :2], axis=1)
    elevation = np.radians(np.array(EXACT.elevations_deg))[points.ring]
    np.testing.assert_allclose(radius, 1.84 / np.tan(-elevation), rtol=1e-4)
    assert set(points.ring) == {
        ring for ring, e in enumerate(EXACT.elevations_deg) if 1.84 / math.sin(math.radians(-e)) < 105 and e < 0
    }


def test_every_column_is_fired_at_its_time_clockwise_from_the_first_direction() -> None:
    points = scan(scene([ground()]))
    assert points.time_s.min() >= -0.05
    assert points.time_s.max() < 0.0
    ego_axes = points.points_lidar @ EXACT.ego_from_lidar()[:3, :3].T
    azimuth_deg = np.degrees(np.arctan2(ego_axes[:, 1], ego_axes[:, 0]))
    expected_deg = 110.0 - 360.0 * (points.time_s + 0.05) / 0.05
    off = (azimuth_deg - expected_deg + 180) % 360 - 180
    assert np.abs(off).max() < 8 * POINTING_DEG


def test_cameras_open_when_the_beam_passes_their_view() -> None:
    rig = nuscenes_rig()
    for camera in rig.cameras:
        turned = (rig.lidar.first_azimuth_deg - camera.yaw_deg) % 360 / 360
        assert abs(rig.lidar.turn_s[0] + 0.05 * turned - camera.trigger_s) < 0.003 or camera.trigger_s == 0.0


def test_the_motion_of_the_vehicle_is_taken_out() -> None:
    place = scene([ground(), wall(40.0, (-30.0, 30.0), (0.0, 20.0), Semantic.BUILDING)], (15.0, 0.0, 0.0))
    points = scan(place, time_s=0.3)
    world = in_world(points, place, EXACT, 0.3)
    is_wall = points.semantic == Semantic.BUILDING
    assert is_wall.sum() > 500
    np.testing.assert_allclose(world[is_wall, 0], 40.0, atol=1e-3)
    np.testing.assert_allclose(world[~is_wall, 2], 0.0, atol=1e-3)
    np.testing.assert_allclose(world, points.surface_m, atol=1e-3)


def test_beams_leave_from_where_the_vehicle_is_at_their_time() -> None:
    # a beam that leaves later leaves farther forward: seen from there it must have the elevation of its ring
    place = scene([wall(40.0, (-30.0, 30.0), (0.0, 20.0), Semantic.BUILDING)], (20.0, 0.0, 0.0))
    points = scan(place)
    from_m = 0.94 + 20.0 * points.time_s.astype(np.float64)  # of the sensor along x when each point was fired
    along = points.surface_m - np.stack([from_m, 0 * from_m, 0 * from_m + 1.84], axis=1)
    elevation = np.arcsin(along[:, 2] / np.linalg.norm(along, axis=1))
    np.testing.assert_allclose(np.degrees(elevation), np.array(EXACT.elevations_deg)[points.ring], atol=2e-3)


def test_something_that_moves_is_met_where_it_is_at_the_time() -> None:
    thing = wall(20.0, (-2.0, 2.0), (0.0, 3.0), Semantic.CAR, instance=5)
    place = scene([ground()], thing=thing, thing_velocity_mps=(30.0, 0.0, 0.0))
    points = scan(place, time_s=0.2)
    on_thing = points.instance == 5
    assert on_thing.sum() > 50
    np.testing.assert_array_equal(on_thing, points.semantic == Semantic.CAR)
    np.testing.assert_allclose(points.surface_m[on_thing, 0], 20.0 + 30.0 * points.world_s[on_thing], atol=1e-4)
    assert np.abs(points.world_s - (0.2 + points.time_s)).max() < 0.0051


def test_range_noise_has_the_size_that_is_asked_for() -> None:
    place = scene([ground()])
    noisy = dataclasses.replace(EXACT, range_noise_m=0.02)
    points = scan(place, noisy)
    error_m = np.linalg.norm(in_world(points, place, noisy, 0.0) - points.surface_m, axis=1)
    np.testing.assert_allclose(np.sqrt(np.mean(error_m**2)), 0.02, rtol=0.05)


def test_a_standing_vehicle_measures_the_same_again() -> None:
    moving = build_scenario("residential", "clear", 3, 2.0, density=0.0)
    pose = moving.ego
    stop = Trajectory(pose.times_s, np.tile(pose.positions_m[:1], (len(pose.times_s), 1)), 0 * pose.angles_rad)
    place = Scene.of(dataclasses.replace(moving, ego=stop))
    first, second = scan(place, time_s=0.5, seed=1), scan(place, time_s=1.0, seed=1)
    np.testing.assert_allclose(first.points_lidar, second.points_lidar, atol=1e-4)
    np.testing.assert_array_equal(first.semantic, second.semantic)
    np.testing.assert_array_equal(first.intensity, second.intensity)
    np.testing.assert_allclose(first.time_s, second.time_s, atol=1e-6)


def test_paint_is_brighter_than_asphalt_and_far_echoes_get_lost() -> None:
    place = scene([ground()])
    near = scan(place)
    radius = np.linalg.norm(near.points_lidar[:, :2], axis=1)
    fired = EXACT.columns
    counts = np.bincount(near.ring, minlength=32)
    assert counts[0] > 0.9 * fired
    assert counts[near.ring[radius.argmax()]] < counts[0]
    assert near.intensity.min() >= 0
    assert near.intensity.max() <= 255


def test_kitti_turns_around_its_timestamp_and_starts_behind() -> None:
    mount = dataclasses.replace(kitti_rig().lidar, range_noise_m=0.0, columns=200)
    points = scan(scene([ground()]), mount)
    assert len(mount.elevations_deg) == 64
    assert points.time_s.min() < -0.049
    assert points.time_s.max() > 0.049
    ahead = np.abs(np.arctan2(points.points_lidar[:, 1], points.points_lidar[:, 0])) < 0.02
    assert np.abs(points.time_s[ahead]).max() < 0.001
