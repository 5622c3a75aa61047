"""Oracle: arithmetic by hand, and a box that moves together with its points."""

import math

import pytest
import torch

from lima.geometry.boxes import Boxes
from lima.geometry.rigid import RigidTransform


def a_box(yaw: float) -> Boxes:
    """Four metres long, two wide, one high, in the middle of (10, 0, 0)."""
    cosine, sine = math.cos(yaw), math.sin(yaw)
    return Boxes(
        centres_m=torch.tensor([[10.0, 0, 0]], dtype=torch.float64),
        sizes_m=torch.tensor([[4.0, 2, 1]], dtype=torch.float64),
        rotations=torch.tensor([[[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]], dtype=torch.float64),
        velocities_mps=torch.tensor([[1.0, 0, 0]], dtype=torch.float64),
        categories=("vehicle.car",),
        instances=("a",),
    )


def test_length_lies_along_the_heading() -> None:
    points = torch.tensor([[11.9, 0, 0], [10, 1.9, 0], [10, 0.99, 0.49], [10, 0, 0.51]])
    assert a_box(0.0).contain(points).tolist() == [[True, False, True, False]]
    assert a_box(math.pi / 2).contain(points).tolist() == [[False, True, True, False]]


def test_corners_are_the_extremes_and_the_front_comes_first() -> None:
    corners = a_box(0.0).corners_m()[0]
    assert corners.amin(dim=0).tolist() == [8, -1, -0.5]
    assert corners.amax(dim=0).tolist() == [12, 1, 0.5]
    assert corners[:4, 0].tolist() == [12] * 4
    assert len({tuple(corner) for corner in corners.tolist()}) == 8


def test_a_box_moved_with_its_points_holds_the_same() -> None:
    box = a_box(0.3)
    generator = torch.Generator().manual_seed(1)
    points = torch.tensor([10.0, 0, 0]) + torch.randn(200, 3, generator=generator) * 2
    half = math.sqrt(0.5)
    ego_from_world = RigidTransform.from_quaternion([half, half, 0, 0], [1.0, 2.0, 3.0])
    moved = box.transformed(ego_from_world)
    assert torch.equal(moved.contain(ego_from_world.apply(points)), box.contain(points))
    assert 0 < int(box.contain(points).sum()) < 200
    assert moved.velocities_mps.norm() == pytest.approx(1)


def test_flat_boxes_and_missing_names_are_refused() -> None:
    box = a_box(0.0)
    with pytest.raises(ValueError, match="must be positive"):
        Boxes(box.centres_m, box.sizes_m * 0, box.rotations, box.velocities_mps, ("a",), ("b",))
    with pytest.raises(ValueError, match="as many categories"):
        Boxes(box.centres_m, box.sizes_m, box.rotations, box.velocities_mps, (), ("b",))
