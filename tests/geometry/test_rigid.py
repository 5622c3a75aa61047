"""Oracles: arithmetic by hand, and the laws of a group. Frames: `a_from_b` maps b to a."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lima.geometry.rigid import RigidTransform

numbers_of_a_transform = st.tuples(*[st.floats(-1, 1)] * 4, *[st.floats(-1000, 1000)] * 3)


def transform_from_numbers(numbers: tuple[float, ...]) -> RigidTransform:
    w, x, y, z, *translation_m = numbers
    norm = math.sqrt(w * w + x * x + y * y + z * z)
    quaternion = [w / norm, x / norm, y / norm, z / norm] if norm > 1e-3 else [1.0, 0.0, 0.0, 0.0]
    return RigidTransform.from_quaternion(quaternion, translation_m)


def test_quarter_turn_to_the_left_by_hand() -> None:
    # 90 degrees about z: what lies ahead (+x) comes to lie on the left (+y); then one metre up.
    half = math.sqrt(0.5)
    world_from_ego = RigidTransform.from_quaternion([half, 0, 0, half], [10.0, 0.0, 1.0])
    ahead = torch.tensor([[2.0, 0.0, 0.0]])
    assert world_from_ego.apply(ahead).tolist() == [pytest.approx([10.0, 2.0, 1.0], abs=1e-6)]
    assert world_from_ego.rotate(ahead).tolist() == [pytest.approx([0.0, 2.0, 0.0], abs=1e-6)]


def test_past_sweep_moved_to_now_by_hand() -> None:
    # The vehicle drove 10 m straight on while turning 5 degrees left. What lay 30 m ahead then lies, seen from
    # now, 20 m away in the old heading, which is 5 degrees to the right: the order of the inverse matters
    # (a public loader is 0.87 m off here).
    turn = math.radians(5)
    world_from_past = RigidTransform.identity()
    world_from_now = RigidTransform.from_quaternion([math.cos(turn / 2), 0, 0, math.sin(turn / 2)], [10.0, 0, 0])
    now_from_past = world_from_now.inverse() @ world_from_past
    expected = [20 * math.cos(turn), -20 * math.sin(turn), 0.0]
    assert now_from_past.apply(torch.tensor([[30.0, 0, 0]], dtype=torch.float64))[0].tolist() == pytest.approx(expected)


@settings(max_examples=30, deadline=None)
@given(numbers_of_a_transform, numbers_of_a_transform)
def test_inverse_undoes_and_products_compose(first: tuple[float, ...], second: tuple[float, ...]) -> None:
    a_from_b, b_from_c = transform_from_numbers(first), transform_from_numbers(second)
    points_c = torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 50
    there_and_back = a_from_b.inverse().apply(a_from_b.apply(points_c))
    assert torch.allclose(there_and_back, points_c, atol=1e-9)
    one_by_one = a_from_b.apply(b_from_c.apply(points_c))
    assert torch.allclose((a_from_b @ b_from_c).apply(points_c), one_by_one, atol=1e-9)
    homogeneous = torch.cat([points_c, torch.ones(7, 1, dtype=torch.float64)], dim=1)
    assert torch.allclose((homogeneous @ a_from_b.matrix().T)[:, :3], a_from_b.apply(points_c), atol=1e-9)


def test_single_precision_points_far_from_the_origin_keep_their_precision() -> None:
    # Subtracting two positions near 2 km in single precision would lose a tenth of a millimetre.
    world_from_lidar = RigidTransform.from_quaternion([1, 0, 0, 0], [2000.123456, -1500.654321, 3.0])
    points = torch.tensor([[1.2345678, 2.3456789, 0.1]])
    lidar_from_lidar = world_from_lidar.inverse() @ world_from_lidar
    assert lidar_from_lidar.apply(points).dtype == torch.float32
    assert torch.equal(lidar_from_lidar.apply(points), points)


@pytest.mark.parametrize(
    "matrix",
    [torch.eye(3) * 1.01, torch.diag(torch.tensor([1.0, 1.0, -1.0])), torch.full((3, 3), torch.nan)],
    ids=["scaled", "mirrored", "nan"],
)
def test_a_matrix_that_is_no_rotation_is_refused(matrix: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="orthonormal with determinant"):
        RigidTransform(matrix.double(), torch.zeros(3, dtype=torch.float64))


def test_quaternion_of_wrong_norm_and_nan_translation_are_refused() -> None:
    with pytest.raises(ValueError, match="four numbers of norm 1"):
        RigidTransform.from_quaternion([1, 1, 0, 0], [0, 0, 0])
    with pytest.raises(ValueError, match="translation must be finite"):
        RigidTransform.from_quaternion([1, 0, 0, 0], [0, math.nan, 0])
    with pytest.raises(ValueError, match=r"\(4, 4\) or \(3, 4\)"):
        RigidTransform.from_matrix(torch.zeros(3, 3))
