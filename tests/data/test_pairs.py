"""Oracle: geometry by hand, every sensor moved through the world on its own; and the paths of points in loops."""

import pytest
import torch
from torch import Tensor

from lima.data.pairs import PointPixelPairs, pairs_from_frame
from lima.geometry.camera import PinholeCamera
from lima.geometry.rigid import RigidTransform
from lima.scene import CameraImage, Frame, Sweep

CAMERA = PinholeCamera(fx_px=100.0, fy_px=100.0, cx_px=99.5, cy_px=49.5, width_px=200, height_px=100)
# The camera looks along x of the vehicle: x_cam = -y, y_cam = -z, z_cam = x.
EGO_FROM_CAM = RigidTransform(
    torch.tensor([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]], dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
)


def moved(x: float, y: float, z: float) -> RigidTransform:
    return RigidTransform(torch.eye(3, dtype=torch.float64), torch.tensor([x, y, z], dtype=torch.float64))


def make_frame(
    points: Tensor,
    world_from_ego: list[RigidTransform],
    ego_from_lidar: RigidTransform | None = None,
    world_from_ego_at_sweep: RigidTransform | None = None,
) -> Frame:
    """The LiDAR at the origin of the world unless placed elsewhere, a camera for every pose of the vehicle."""
    identity = RigidTransform.identity()
    sweep = Sweep(points, torch.ones(len(points)), 0, ego_from_lidar or identity, world_from_ego_at_sweep or identity)
    images = tuple(
        CameraImage(f"CAM_{i}", CAMERA, 0, EGO_FROM_CAM, pose, lambda: torch.zeros(3, 100, 200, dtype=torch.uint8))
        for i, pose in enumerate(world_from_ego)
    )
    return Frame("token", "scene", 0, sweep, images)


def test_a_point_straight_ahead_is_in_the_middle_of_the_image() -> None:
    pairs = pairs_from_frame(make_frame(torch.tensor([[10.0, 0, 0]]), [moved(0, 0, 0)]))
    assert pairs.uv.tolist() == [[[0.5, 0.5]]]
    assert pairs.visible.all()


def test_the_vehicle_moves_between_lidar_and_shutter() -> None:
    """When the shutter opens, the vehicle is 5 m ahead and 1 m to the left: the point is nearer, and to the right."""
    pairs = pairs_from_frame(make_frame(torch.tensor([[15.0, 0, 0]]), [moved(5, 1, 0)]))
    assert pairs.uv[0, 0].tolist() == pytest.approx([(99.5 + 100 * 1 / 10 + 0.5) / 200, 0.5])


def test_the_lidar_is_where_it_is_mounted() -> None:
    """A LiDAR 2 m above the camera gives z = -2 to a point in front of the camera."""
    points = torch.tensor([[10.0, 0, -2.0]])
    assert pairs_from_frame(make_frame(points, [moved(0, 0, 0)], moved(0, 0, 2))).uv.tolist() == [[[0.5, 0.5]]]


def test_equals_the_path_of_every_point_in_loops() -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(300, 3, generator=generator) * 20
    angle = torch.tensor(0.3)
    turn = torch.tensor([[angle.cos(), -angle.sin(), 0], [angle.sin(), angle.cos(), 0], [0, 0, 1]])
    poses = [
        moved(0, 0, 0),
        RigidTransform.from_matrix(torch.cat([turn, torch.tensor([[3.0], [1], [0.2]])], dim=1)),
        RigidTransform.from_quaternion([0.0, 0, 0, 1], [0.5, 0, 0]),
    ]
    frame = make_frame(points, poses, moved(0.9, 0, 1.8), moved(-0.4, 0.3, 0.1))
    pairs = pairs_from_frame(frame)
    seen = 0
    for cam, image in enumerate(frame.images):
        for index, point in enumerate(points.double()):
            ego = frame.sweep.ego_from_lidar.rotation @ point + frame.sweep.ego_from_lidar.translation_m
            world = frame.sweep.world_from_ego.rotation @ ego + frame.sweep.world_from_ego.translation_m
            ego = image.world_from_ego.rotation.T @ (world - image.world_from_ego.translation_m)
            x, y, z = (image.ego_from_cam.rotation.T @ (ego - image.ego_from_cam.translation_m)).tolist()
            visible = False
            if z > 0.1:
                column, row = 100 * x / z + 99.5, 100 * y / z + 49.5  # pixel (0, 0) has its centre at (0, 0)
                visible = 0 <= column + 0.5 < 200 and 0 <= row + 0.5 < 100
            assert bool(pairs.visible[cam, index]) == visible
            if visible:
                expected = [(column + 0.5) / 200, (row + 0.5) / 100]
                assert pairs.uv[cam, index].tolist() == pytest.approx(expected, abs=1e-5)
                seen += 1
    assert seen > 50


def test_places_of_visible_points_are_inside_the_image() -> None:
    points = torch.randn(2000, 3, generator=torch.Generator().manual_seed(0)) * 20
    pairs = pairs_from_frame(make_frame(points, [moved(0, 0, 0), moved(1, 0, 0)]))
    inside = ((pairs.uv >= 0) & (pairs.uv <= 1)).all(dim=2)
    assert bool(inside[pairs.visible].all())


def test_places_do_not_depend_on_the_size_of_the_image() -> None:
    points = torch.randn(500, 3, generator=torch.Generator().manual_seed(0)) * 20
    frame = make_frame(points, [moved(0, 0, 0)])
    image = frame.images[0]
    smaller = CameraImage("CAM", CAMERA.resized(77, 31), 0, image.ego_from_cam, image.world_from_ego, image.read_pixels)
    large, small = pairs_from_frame(frame), pairs_from_frame(Frame("token", "scene", 0, frame.sweep, (smaller,)))
    assert small.visible.equal(large.visible)
    torch.testing.assert_close(small.uv[large.visible], large.uv[large.visible])


def test_a_frame_without_cameras_has_no_pairs() -> None:
    pairs = pairs_from_frame(make_frame(torch.ones(5, 3), []))
    assert pairs.visible.shape == (0, 5)


def test_the_occlusion_test_only_takes_away() -> None:
    """A wall of points 5 m ahead, and a point far behind it that only the LiDAR, higher up, can see."""
    y, z = torch.meshgrid(torch.arange(-2, 2, 0.02), torch.arange(-1, 1, 0.05), indexing="ij")
    wall = torch.stack([torch.full_like(y, 5.0), y, z], dim=2).reshape(-1, 3)
    points = torch.cat([wall, torch.tensor([[20.0, 0, 0], [20.0, 15.0, 0]])])
    frame = make_frame(points, [moved(0, 0, 0)])
    plain, tested = pairs_from_frame(frame), pairs_from_frame(frame, occlusion_test=True)
    assert plain.visible[0, -2:].tolist() == [True, True]
    assert tested.visible[0, -2:].tolist() == [False, True]
    assert bool(tested.visible[0, :-2].all())
    assert tested.uv.equal(plain.uv)


def test_pairs_of_different_shapes_are_refused() -> None:
    with pytest.raises(Exception, match="visible"):
        PointPixelPairs(torch.zeros(2, 10, 2), torch.zeros(2, 11, dtype=torch.bool))
