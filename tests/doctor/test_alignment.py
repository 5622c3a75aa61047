"""Oracle: edges and outlines that were made to meet, then moved by known offsets."""

from dataclasses import replace

import pytest
import torch

from lima.doctor.alignment import align
from lima.doctor.moves import camera_moves, lidar_moves, time_moves
from lima.doctor.reference import Reference
from lima.doctor.witness import confidence
from tests.doctor.hand_made import street

LIDAR_M = torch.tensor([0.5, 0.0, 1.5], dtype=torch.float64)
OFFSETS = {
    "nothing": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "some of each": (0.3, -0.4, 0.8, 0.08, -0.06, 0.2),
    "a large turn": (1.5, -2.0, 0.0, 0.0, 0.0, 0.0),
}


@pytest.mark.parametrize("name", OFFSETS)
def test_the_offset_is_found(name: str) -> None:
    offset = torch.tensor(OFFSETS[name], dtype=torch.float64)
    evidence = street(frames=6, edges=80)
    wrong = evidence.moved(torch.linalg.inv(camera_moves(evidence, offset)))
    fit = align([wrong], LIDAR_M).cameras[0]
    found = torch.tensor(fit.offset.place, dtype=torch.float64)
    torch.testing.assert_close(found[:3], offset[:3], atol=0.08, rtol=0)
    torch.testing.assert_close(found[3:], offset[3:], atol=0.04, rtol=0)
    assert fit.distinct == 1.0
    if name == "nothing":
        assert fit.offset.shift_deg < 0.03
    else:
        assert fit.offset.confidence > 0.99


def test_a_late_clock_is_found() -> None:
    late_s = -0.06
    evidence = street(frames=6, edges=80, speed_mps=8.0)
    wrong = evidence.moved(torch.linalg.inv(time_moves(evidence, torch.tensor([late_s], dtype=torch.float64))))
    late = align([wrong], LIDAR_M).late
    assert late is not None
    assert late.place[0] == pytest.approx(late_s, abs=0.005)
    assert late.confidence > 0.99


@pytest.mark.slow
def test_what_all_cameras_share_is_the_lidar() -> None:
    ahead = street(frames=6, edges=80)
    turn = torch.tensor([[-1.0, 0, 0, 0], [0, -1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=torch.float64)
    behind = replace(street(frames=6, edges=80, seed=1), name="behind", cam_from_ego=ahead.cam_from_ego @ turn)
    offset = torch.tensor([0.2, -0.3, 0.5, 0.03, -0.05, 0.04], dtype=torch.float64)
    wrong = [each.moved(torch.linalg.inv(lidar_moves(each, offset, LIDAR_M))) for each in (ahead, behind)]
    lidar = align(wrong, LIDAR_M).lidar
    assert lidar is not None
    torch.testing.assert_close(torch.tensor(lidar.place, dtype=torch.float64), offset, atol=0.04, rtol=0)


def test_edges_of_another_drive_are_not_distinct() -> None:
    evidence = street(frames=6, edges=60)
    noise = torch.rand(evidence.maps.shape, generator=torch.Generator().manual_seed(1)) * 2
    fit = align([replace(evidence, maps=noise.half())], LIDAR_M).cameras[0]
    assert fit.offset.gain < 0.02, "nothing is gained on parts of the drive that were not looked at"


def test_a_reference_takes_its_offset_away() -> None:
    evidence = street(frames=6, edges=80)
    offset = torch.tensor([0.3, -0.2, 0.4, 0.0, 0.0, 0.0], dtype=torch.float64)
    wrong = evidence.moved(torch.linalg.inv(camera_moves(evidence, offset)))
    found = align([Reference({"front": tuple(offset.tolist())}).apply(wrong)], LIDAR_M).cameras[0].offset
    assert found.shift_deg < 0.03
    assert Reference({"other": tuple(offset.tolist())}).apply(wrong) is wrong


def test_too_little_is_not_judged() -> None:
    standing = replace(street(frames=6, edges=60), place=torch.zeros(6, dtype=torch.int64))
    few = replace(street(frames=6, edges=10), name="few")
    alignment = align([standing, few], LIDAR_M)
    assert alignment.cameras == ()
    assert alignment.late is None
    assert [camera for camera, _ in alignment.unjudged] == ["front", "few"]
    assert "hardly moves" in alignment.unjudged[0][1]
    assert "60 outlines" in alignment.unjudged[1][1]


def test_confidence_counts_drives_made_of_blocks() -> None:
    """Two blocks, +2 and -1: of the four drives made of them only (-1, -1) has a sum that is not positive."""
    assert confidence(torch.tensor([2.0, -1.0], dtype=torch.float64)) == pytest.approx(0.75, abs=0.03)
    assert confidence(torch.tensor([1.0, 3.0], dtype=torch.float64)) == 1.0
    assert confidence(torch.zeros(3, dtype=torch.float64)) == 0.0
