"""Oracle: a recording whose calibration is good, and the same with a camera that is told to look elsewhere."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lima.datasets import open_dataset
from lima.doctor import examination
from lima.doctor.examination import Judge, examine_drive
from lima.doctor.fits import Tolerance
from lima.doctor.moves import rigid
from lima.doctor.selection import Chosen
from lima.geometry.rigid import RigidTransform
from lima.scene import Frame
from tests.doctor.hand_made import MemoryDrive
from tests.shared import shared_folder

JUDGE = Judge(Tolerance(0.7, 0.05))


def looking_elsewhere(frame: Frame, right_deg: float) -> Frame:
    """The points appear so many degrees farther to the right than they should."""
    move = rigid(torch.tensor([0.0, right_deg, 0.0], dtype=torch.float64), torch.zeros(3, dtype=torch.float64))
    turn = RigidTransform.from_matrix(move).inverse()
    images = tuple(replace(image, ego_from_cam=image.ego_from_cam @ turn) for image in frame.images)
    return replace(frame, images=images)


@pytest.mark.slow
def test_kitti_is_good_until_its_camera_is_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    (sequence,) = open_dataset(shared_folder("data/kitti-raw")).sequences()
    monkeypatch.setattr(examination, "follow", lambda *_: None)  # slow, and not about cameras
    frames = [sequence.frame(index) for index in range(len(sequence))]
    chosen = tuple(range(len(frames)))
    good = examine_drive(Chosen(MemoryDrive(frames), chosen), JUDGE)
    assert [finding.line for finding in good.findings if finding.level == "wrong"] == []
    turned = MemoryDrive([looking_elsewhere(frame, 1.5) for frame in frames])
    wrong = [finding for finding in examine_drive(Chosen(turned, chosen), JUDGE).findings if finding.level == "wrong"]
    assert len(wrong) == 1
    assert "points fit best" in wrong[0].words
    assert "° left" in wrong[0].words
