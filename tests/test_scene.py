"""Oracle: the definitions in the docstrings. What a frame is made of refuses nonsense at birth."""

import pytest
import torch

from lima.geometry.rigid import RigidTransform
from lima.scene import Batch, Sweep


def make_sweep(points: torch.Tensor, intensity: torch.Tensor) -> Sweep:
    return Sweep(points, intensity, 0, RigidTransform.identity(), RigidTransform.identity())


def test_sweep_refuses_transposed_points() -> None:
    with pytest.raises(Exception, match="points_lidar"):
        make_sweep(torch.zeros(3, 100), torch.zeros(100))


def test_sweep_refuses_nan_and_says_how_many() -> None:
    points = torch.zeros(5, 3)
    points[2, 1] = torch.nan
    with pytest.raises(ValueError, match="1 of 5 are NaN"):
        make_sweep(points, torch.zeros(5))


def test_sweep_refuses_no_points() -> None:
    with pytest.raises(ValueError, match="at least one point"):
        make_sweep(torch.zeros(0, 3), torch.zeros(0))


def test_batch_lays_sweeps_end_to_end() -> None:
    batch = Batch.from_points(
        [torch.zeros(2, 3), torch.ones(3, 3)], [torch.tensor([0.1, 0.2]), torch.tensor([0.3, 0.4, 0.5])]
    )
    assert batch.sweeps == 2
    assert batch.sweep_of_point.tolist() == [0, 0, 1, 1, 1]
    assert batch.points_lidar[2:].eq(1).all()
    assert batch.intensity.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
