"""Oracle: worlds made by hand whose edges fall between known pixels; arithmetic of the pinhole."""

import math

import numpy as np

from streetsim.camera import Picture, take_picture, world_seen_from
from streetsim.mesh import Mesh
from streetsim.raycast import World
from streetsim.rigs import CameraMount, nuscenes_rig
from streetsim.scene import Scene
from streetsim.semantics import Semantic
from tests.streetsim.handmade import ground, scene, wall

# 40 x 20 pixels, 90 degrees wide: the focal length is 20 px, so that a wall 10 m away shows half a metre per pixel
CAMERA = CameraMount("CAM_FRONT", (0.0, 0.0, 5.0), 0.0, 90.0, 40, 20)


def look(at: Scene, mount: CameraMount = CAMERA, time_s: float = 0.0, samples: int = 0) -> tuple[Picture, World]:
    world = world_seen_from(at, mount, time_s)
    return take_picture(at, world, mount, time_s, samples, 0), world


def shows(picture: Picture, world: World, semantic: Semantic) -> np.ndarray:
    found = world.per_triangle("semantic", picture.triangle.ravel(), -1)
    return (found == semantic).reshape(picture.triangle.shape)


def test_zero_is_the_centre_of_the_first_pixel() -> None:
    intrinsics = CAMERA.intrinsics()
    np.testing.assert_allclose(intrinsics, [[20, 0, 19.5], [0, 20, 9.5], [0, 0, 1]], atol=1e-12)
    # a wall whose left edge lies at u = 9.5, between pixels 9 and 10, and whose top lies at v = 4.5
    left_m, top_m = (19.5 - 9.5) * 0.5, 5.0 + (9.5 - 4.5) * 0.5
    picture, world = look(scene([wall(10.0, (-30.0, left_m), (-30.0, top_m), Semantic.BUILDING)]))
    expected = np.zeros((20, 40), bool)
    expected[5:, 10:] = True
    np.testing.assert_array_equal(shows(picture, world, Semantic.BUILDING), expected)


def test_depth_is_measured_along_the_optical_axis() -> None:
    picture, world = look(scene([wall(12.0, (-4.0, 30.0), (-30.0, 30.0), Semantic.BUILDING)]))
    is_wall = shows(picture, world, Semantic.BUILDING)
    assert 0 < is_wall.sum() < is_wall.size
    np.testing.assert_allclose(picture.depth_m[is_wall], 12.0, rtol=1e-5)
    np.testing.assert_array_equal(picture.depth_m[~is_wall], 0.0)


def test_ground_by_arithmetic() -> None:
    picture, world = look(scene([ground()]))
    is_road = shows(picture, world, Semantic.ROAD)
    expected = np.repeat(np.arange(20)[:, None] > 9.5, 40, axis=1)
    np.testing.assert_array_equal(is_road, expected)
    rows = np.arange(10, 20)
    np.testing.assert_allclose(picture.depth_m[rows, 3], 5.0 * 20 / (rows - 9.5), rtol=1e-4)


def test_a_camera_sees_the_world_at_its_own_time_from_where_it_is_then() -> None:
    thing = wall(20.0, (-1.0, 1.0), (4.0, 6.0), Semantic.CAR, instance=7)
    place = scene([ground()], ego_velocity_mps=(10.0, 0.0, 0.0), thing=thing, thing_velocity_mps=(0.0, 40.0, 0.0))
    time_s = 0.1
    picture, world = look(place, time_s=time_s)
    rows, columns = np.nonzero(shows(picture, world, Semantic.CAR))
    # after 0.1 s it is 19 m away, and 4 m to the left; it spans 3 … 5 m
    distance_m = 20.0 - 10.0 * time_s
    u = [19.5 - 20 * y / distance_m for y in (5.0, 3.0)]
    assert (columns.min(), columns.max()) == (math.ceil(u[0]), math.floor(u[1]))
    np.testing.assert_allclose(picture.depth_m[rows, columns], distance_m, rtol=1e-5)


def test_every_camera_of_the_rig_looks_where_it_is_said_to() -> None:
    directions = {
        "CAM_FRONT": 0,
        "CAM_FRONT_RIGHT": -55,
        "CAM_BACK_RIGHT": -110,
        "CAM_BACK": 180,
        "CAM_BACK_LEFT": 110,
        "CAM_FRONT_LEFT": 55,
    }
    rig = nuscenes_rig()
    assert {camera.name for camera in rig.cameras} == set(directions)
    for camera in rig.cameras:
        axes = camera.ego_from_cam()[:3, :3]
        angle = math.radians(directions[camera.name])
        np.testing.assert_allclose(axes[:, 2], [math.cos(angle), math.sin(angle), 0], atol=1e-12)  # forward
        np.testing.assert_allclose(axes[:, 1], [0, 0, -1], atol=1e-12)  # down
        np.testing.assert_allclose(np.linalg.det(axes), 1.0)


def test_more_samples_soften_edges_and_leave_the_answers() -> None:
    place = scene([wall(10.0, (-30.0, 5.13), (-30.0, 7.3), Semantic.BUILDING)])
    rough, _ = look(place, samples=0)
    fine, _ = look(place, samples=4)
    np.testing.assert_array_equal(rough.triangle, fine.triangle)
    np.testing.assert_array_equal(rough.depth_m, fine.depth_m)
    inside = np.s_[12:, 20:]
    np.testing.assert_array_equal(rough.pixels[inside], fine.pixels[inside])
    assert (rough.pixels[:, 8:12] != fine.pixels[:, 8:12]).any()


def test_same_seed_same_picture() -> None:
    place = scene([ground(), wall(30.0, (-9.0, 9.0), (0.0, 8.0), Semantic.BUILDING)])
    np.testing.assert_array_equal(look(place, samples=2)[0].pixels, look(place, samples=2)[0].pixels)


def test_a_wall_throws_a_shadow() -> None:
    light, _ = look(scene([ground()]), samples=0)
    place = scene([ground()])
    sun = np.array(place.scenario.weather.sun_direction)
    # a small roof between the sun and the ground that pixel (15, 20) shows
    spot = np.array([5.0 * 20 / 5.5, -0.5 / 20 * 5.0 * 20 / 5.5, 0.0])
    middle = spot + sun * 30
    roof = _square(middle, 6.0)
    dark, _ = look(scene([ground(), roof]), samples=0)
    assert dark.pixels[15, 20].mean() < 0.8 * light.pixels[15, 20].mean()


def _square(middle: np.ndarray, half_m: float) -> Mesh:
    from tests.streetsim.handmade import quad

    x, y, z = (float(value) for value in middle)
    corners = [(x + a * half_m, y + b * half_m, z) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    return quad(corners, Semantic.BUILDING)
