"""Oracle: worlds made by hand where it is plain what hides what, and the brute force over their triangles."""

from pathlib import Path

import numpy as np

from streetsim.camera import take_picture, world_seen_from
from streetsim.exact import camera_answers, carried, in_view, thing_poses, unhidden, write_exact
from streetsim.lidar import take_scan
from streetsim.raycast import World
from streetsim.rigs import CameraMount, nuscenes_rig
from streetsim.semantics import NUSCENES_CATEGORIES, Semantic
from tests.streetsim.handmade import ground, scene, wall

CAMERA = CameraMount("CAM_FRONT", (2.0, 0.0, 1.5), 0.0, 90.0, 60, 40)


def test_what_stands_behind_a_wall_is_hidden() -> None:
    place = scene([wall(10.0, (-2.0, 2.0), (0.0, 3.0), Semantic.FENCE), ground()])
    world = World(place.standing, None)
    eye = np.array([0.0, 0.0, 1.0])
    points = np.array([[20.0, 0, 1.0], [20.0, 5.0, 1.0], [20.0, 0.0, 6.0], [10.0, 1.0, 1.0], [5.0, 0.0, 0.0]])
    instance = np.zeros(5, np.int32)
    np.testing.assert_array_equal(unhidden(world, eye, points, instance), [False, True, True, True, True])


def test_in_view_is_the_image_from_outer_edge_to_outer_edge() -> None:
    world_from_cam = CAMERA.ego_from_cam()
    # at 10 m depth the image of 60 px and 90 degrees is 20 m wide and 13.3 m high
    y = np.array([9.99, -9.99, 10.01, -10.01, 0, 0, 0])
    z = 1.5 + np.array([0, 0, 0, 0, 6.66, -6.68, 0])
    x = np.array([12.0] * 6 + [1.0])  # the last lies behind the lens
    seen = in_view(np.stack([x, y, z], axis=1), CAMERA, world_from_cam)
    np.testing.assert_array_equal(seen, [True, True, False, False, True, False, False])


def test_points_ride_on_their_things() -> None:
    thing = wall(10.0, (-1.0, 1.0), (0.0, 2.0), Semantic.CAR, instance=3)
    place = scene([ground()], thing=thing, thing_velocity_mps=(4.0, -2.0, 0.0))
    points = np.array([[10.0, 0.5, 1.0], [10.0, 0.5, 1.0]])
    moved = carried(
        points,
        np.array([3, 0], np.int32),
        thing_poses(place.scenario.boxes(0.0)),
        thing_poses(place.scenario.boxes(0.5)),
    )
    np.testing.assert_allclose(moved, [[12.0, -0.5, 1.0], [10.0, 0.5, 1.0]])


def test_a_turning_thing_carries_its_points_round() -> None:
    before, after = np.eye(4), np.eye(4)
    before[:3, 3] = after[:3, 3] = [5.0, 0.0, 0.0]
    after[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]  # a quarter turn to the left
    moved = carried(np.array([[7.0, 0.0, 1.0]]), np.array([1], np.int32), {1: before}, {1: after})
    np.testing.assert_allclose(moved, [[5.0, 2.0, 1.0]], atol=1e-12)


def test_the_lidar_sees_over_what_hides_from_the_camera() -> None:
    # a low wall: the LiDAR (1.84 m) sees ground behind it that the camera (1.5 m) does not
    place = scene([ground(), wall(6.0, (-20.0, 20.0), (0.0, 1.0), Semantic.FENCE)])
    points = take_scan(place, nuscenes_rig().lidar, 0.0, np.random.default_rng(0))
    world = world_seen_from(place, CAMERA, 0.0)
    picture = take_picture(place, world, CAMERA, 0.0, 0, 0)
    answers = camera_answers(world, CAMERA, CAMERA.ego_from_cam(), picture, points.surface_m, points)
    inside = in_view(points.surface_m, CAMERA, CAMERA.ego_from_cam())
    behind = (points.surface_m[:, 0] > 6.1) & inside
    # the camera looks over the wall at 1.5 - 0.5 / 4 * (x - 2) metres
    shadow_end_m = 2.0 + 4.0 * 1.5 / 0.5
    hidden = behind & (points.surface_m[:, 0] < shadow_end_m)
    assert hidden.sum() > 20
    np.testing.assert_array_equal(answers.seen[hidden], False)
    clear = behind & (points.surface_m[:, 0] > shadow_end_m + 1.0)
    assert clear.sum() > 20
    np.testing.assert_array_equal(answers.seen[clear], True)
    np.testing.assert_array_equal(answers.seen & ~inside, False)


def test_classes_and_depth_of_pixels_and_what_is_written(tmp_path: Path) -> None:
    thing = wall(10.0, (-1.0, 1.0), (0.5, 2.5), Semantic.CAR, instance=300)
    place = scene([ground()], thing=thing)
    points = take_scan(place, nuscenes_rig().lidar, 0.0, np.random.default_rng(0))
    world = world_seen_from(place, CAMERA, 0.0)
    picture = take_picture(place, world, CAMERA, 0.0, 0, 0)
    answers = camera_answers(world, CAMERA, CAMERA.ego_from_cam(), picture, points.surface_m, points)
    middle, below, above = (20, 30), (38, 5), (2, 5)
    assert NUSCENES_CATEGORIES[answers.classes[middle]] == "vehicle.car"
    assert NUSCENES_CATEGORIES[answers.classes[below]] == "flat.driveable_surface"
    assert answers.classes[above] == 255
    assert answers.instances[middle] == 300
    assert answers.instances[below] == 0
    flow_m = np.zeros((len(points), 3))
    write_exact(tmp_path / "scene" / "000.npz", points, {"CAM_FRONT": answers}, flow_m)
    stored = np.load(tmp_path / "scene" / "000.npz")
    assert stored["cameras"].tolist() == ["CAM_FRONT"]
    assert stored["CAM_FRONT_depth_cm"][middle] == 800
    np.testing.assert_array_equal(stored["CAM_FRONT_class"], answers.classes)
    np.testing.assert_array_equal(stored["seen"], answers.seen[None])
    np.testing.assert_array_equal(stored["time_s"], points.time_s)
    np.testing.assert_array_equal(stored["instance"], points.instance)
    assert stored["flow_m"].shape == (len(points), 3)
