"""Oracle: rotations undone, points moved by hand, and the extrinsics themselves changed instead of the points."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lima.doctor.moves import camera_moves, lidar_moves, rigid, time_moves, turn_rad, turned
from lima.geometry.rigid import RigidTransform
from tests.doctor.hand_made import CAMERA, LOOKING_AHEAD, street

SMALL = st.floats(-1.7, 1.7)


@settings(deadline=None)  # the machine may be busy
@given(st.tuples(SMALL, SMALL, SMALL))
def test_turning_is_undone(axis: tuple[float, float, float]) -> None:
    axis_rad = torch.tensor(axis, dtype=torch.float64)
    torch.testing.assert_close(turn_rad(turned(axis_rad)), axis_rad, atol=1e-6, rtol=0)


def test_signs_are_those_of_the_words() -> None:
    """A point ahead goes up with a turn about the axis to the right, and right with one about the axis down."""
    ahead = torch.tensor([0.0, 0.0, 10.0, 1.0], dtype=torch.float64)
    evidence = street(frames=1, edges=1)
    up = camera_moves(evidence, torch.tensor([1.0, 0, 0, 0, 0, 0], dtype=torch.float64))[0] @ ahead
    right = camera_moves(evidence, torch.tensor([0, 1.0, 0, 0, 0, 0], dtype=torch.float64))[0] @ ahead
    assert math.isclose(float(up[1]), -10 * math.sin(math.radians(1)))
    assert math.isclose(float(right[0]), 10 * math.sin(math.radians(1)))


def test_a_late_image_sees_things_nearer() -> None:
    evidence = street(frames=1, edges=1, speed_mps=10.0)
    move = time_moves(evidence, torch.tensor([0.05], dtype=torch.float64))[0]
    ahead = torch.tensor([1.0, 2.0, 10.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(move @ ahead, torch.tensor([1.0, 2.0, 9.5, 1.0], dtype=torch.float64))


def test_moving_the_lidar_is_mounting_it_otherwise() -> None:
    evidence = street(frames=1, edges=1)
    mount = RigidTransform(torch.eye(3, dtype=torch.float64), torch.tensor([1.0, 0.3, 1.8], dtype=torch.float64))
    offset = torch.tensor([0.5, -0.4, 1.0, 0.05, -0.1, 0.02], dtype=torch.float64)
    correction = rigid(offset[:3], offset[3:])
    other = RigidTransform(correction[:3, :3] @ mount.rotation, mount.translation_m + offset[3:])
    point = torch.tensor([[4.0, -2.0, 0.5]], dtype=torch.float64)
    cam_from_ego = RigidTransform(LOOKING_AHEAD, torch.zeros(3, dtype=torch.float64)).inverse()
    expected = (cam_from_ego @ other).apply(point)[0]
    move = lidar_moves(evidence, offset, mount.translation_m)[0]
    before = (cam_from_ego @ mount).apply(point)[0]
    torch.testing.assert_close(move[:3, :3] @ before + move[:3, 3], expected)
    assert CAMERA.width_px == evidence.camera.width_px
