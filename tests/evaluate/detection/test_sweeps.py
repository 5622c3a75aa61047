"""Oracle: posts that stand still in the world are at the same place in every sweep that has been moved rightly."""

from __future__ import annotations

import pytest
import torch

from lima.datasets.parts import SequencePart
from lima.evaluate.detection.sweeps import SweepHistory
from tests.evaluate.detection.drives import DriveWithoutSweeps, DriveWithSweeps, HandMadeDrive, sweep_at

POSTS = torch.tensor([0.1, 0.2, 0.3, 0.4])


def ages_of(points: torch.Tensor) -> list[float]:
    return [round(age, 3) for age in torch.unique(points[:, 4]).tolist()]


@pytest.mark.parametrize("drive", [HandMadeDrive(4), DriveWithSweeps(4)])
def test_what_stands_still_stays_where_it_is(drive: HandMadeDrive) -> None:
    frame, points = SweepHistory(drive, 10, 1.2).read(3)
    own = points[:5]
    assert torch.equal(own[:, :3], frame.sweep.points_lidar)
    assert bool((own[:, 4] == 0).all())
    for post, intensity in enumerate(POSTS):
        seen = points[points[:, 3] == intensity]
        assert len(seen) > 1
        assert float((seen[:, :3] - own[post, :3]).abs().max()) < 1e-4
    vehicle = points[points[:, 3] == 0.9]
    assert vehicle[:, 4].tolist() == [0.0]  # past returns of the vehicle itself are left out


def test_which_sweeps_are_taken() -> None:
    keyframes, dense = HandMadeDrive(4), DriveWithSweeps(4)
    assert ages_of(SweepHistory(keyframes, 10, 0.55).read(3)[1]) == [0.0, 0.5]
    assert ages_of(SweepHistory(keyframes, 1, 9.0).read(3)[1]) == [0.0]
    assert ages_of(SweepHistory(keyframes, 10, 9.0).read(0)[1]) == [0.0]  # nothing is before the first
    assert ages_of(SweepHistory(keyframes, 3, 9.0).read(3)[1]) == [0.0, 0.5, 1.0]
    assert ages_of(SweepHistory(dense, 10, 0.55).read(3)[1]) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert ages_of(SweepHistory(dense, 3, 0.55).read(3)[1]) == [0.0, 0.1, 0.2]


def test_keyframes_stand_in_where_nothing_is_between_them() -> None:
    assert not SweepHistory(DriveWithSweeps(3), 5, 1.0).from_keyframes
    history = SweepHistory(DriveWithoutSweeps(3), 5, 1.0)
    assert history.from_keyframes
    assert ages_of(history.read(2)[1]) == [0.0, 0.5, 1.0]
    part = SequencePart(DriveWithSweeps(6), 3, 6, "second half")
    assert ages_of(SweepHistory(part, 3, 1.0).read(0)[1]) == [0.0, 0.1, 0.2]
    with pytest.raises(ValueError, match="sweeps = 0"):
        SweepHistory(HandMadeDrive(3), 0, 1.0)


def test_the_vehicle_moves_in_these_drives() -> None:
    """Otherwise the tests above would say nothing."""
    assert float((sweep_at(0.0).points_lidar - sweep_at(0.5).points_lidar)[:4].abs().max()) > 3
