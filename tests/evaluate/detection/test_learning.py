"""Oracle: the score itself. Small detectors learn by heart a yard of boxes, with either head, and a simulated drive."""

from __future__ import annotations

import math
from collections.abc import Sequence as Series
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch

from lima.config import DetectionConfig, DetectorConfig, StudentConfig
from lima.datasets import open_dataset
from lima.evaluate.detection.detector import Detector
from lima.evaluate.detection.learner import Learner
from lima.evaluate.detection.scoring import detect_split
from lima.evaluate.fractions import LabelFraction, LabelList
from lima.geometry.boxes import Boxes
from lima.geometry.rigid import RigidTransform
from lima.scene import Frame, Sequence, Sweep
from lima.students.student import VoxelNetStudent, build_student

BY_HEART = DetectionConfig(
    detector=DetectorConfig(bev_width=0.25, bev_layers=1, head_channels=16, head_upsampling=2),
    steps=50,
    batch=2,
    learning_rate=0.01,
    sweeps=1,
    augmentation=False,
    ground_truth_sampling=False,
    class_balanced=False,
)
STUDENT = StudentConfig(
    backbone="voxelnet", width=0.5, voxel_size_m=0.3, max_range_m=12.0, lowest_m=-3.0, highest_m=5.0
)
HERE = RigidTransform(torch.eye(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64))


class Yard:
    """A vehicle that stands in a yard; six cars, never at the same places, with returns from their sides."""

    name = "yard"

    def __init__(self, frames: int) -> None:
        self.frames = [self._frame(index) for index in range(frames)]

    @property
    def tokens(self) -> Series[str]:
        return [frame.token for frame in self.frames]

    @property
    def timestamps_ns(self) -> Series[int]:
        return [frame.sweep.timestamp_ns for frame in self.frames]

    def __len__(self) -> int:
        return len(self.frames)

    def frame(self, index: int) -> Frame:
        return self.frames[index]

    def _frame(self, index: int) -> Frame:
        generator = torch.Generator().manual_seed(index)
        places = torch.cartesian_prod(torch.arange(3), torch.arange(2)) * 7.0 - torch.tensor([7.0, 3.5])
        centres = torch.cat([places + torch.rand(6, 2, generator=generator) - 0.5, torch.full((6, 1), 0.75)], dim=1)
        yaws = torch.randint(4, (6,), generator=generator) * math.pi / 2 + 0.2
        cos, sin, zero, one = yaws.cos(), yaws.sin(), torch.zeros(6), torch.ones(6)
        rotations = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], dim=1).view(6, 3, 3).double()
        boxes = Boxes(
            centres_m=centres.double(),
            sizes_m=torch.tensor([[4.0, 2.0, 1.5]], dtype=torch.float64).expand(6, 3).clone(),
            rotations=rotations,
            velocities_mps=torch.zeros(6, 3, dtype=torch.float64),
            categories=("vehicle.car",) * 6,
            instances=tuple("abcdef"),
        )
        local = torch.rand(6, 150, 3, generator=generator, dtype=torch.float64) - 0.5
        local[:, :60, 1] = 0.49 * local[:, :60, 1].sign()
        local[:, 60:, 0] = 0.49  # most returns come from the front, which is how the front is known
        cars = ((local * boxes.sizes_m[:, None]) @ rotations.transpose(1, 2) + boxes.centres_m[:, None]).reshape(-1, 3)
        ground = (torch.rand(800, 3, generator=generator) - 0.5) * torch.tensor([24.0, 24.0, 0.05])
        points = torch.cat([cars.float(), ground])
        sweep = Sweep(points, torch.full((len(points),), 0.3), 10**9 * (10 * index + 1), HERE, HERE)
        return Frame(f"yard {index}", self.name, index, sweep, (), None, lambda: boxes)


def learner_of(drives: Series[Sequence], shape: StudentConfig, config: DetectionConfig) -> Learner:
    torch.manual_seed(0)
    student = build_student(shape)
    assert isinstance(student, VoxelNetStudent)
    labels = LabelList(LabelFraction.parse("all"), drives, "by heart", "train")
    return Learner(Detector(student, config.detector), labels, config, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize(("head", "channels"), [("centerpoint", 16), ("second", None)])
def test_a_yard_by_heart(head: Literal["centerpoint", "second"], channels: int | None) -> None:
    yard = Yard(2)
    config = replace(BY_HEART, detector=replace(BY_HEART.detector, head=head, head_channels=channels), steps=60)
    learner = learner_of([yard], STUDENT, config)
    losses = [learner.train_step()["loss"]["total"] for _ in range(learner.steps)]
    assert losses[-1] < 0.2 * losses[0]
    found = detect_split(learner.detector, [yard], 1, 1.0)
    assert found.annotated["car"] == 12
    assert found.scores.class_precisions["car"] > 0.8
    assert found.scores.errors["car"]["orientation"] < 0.5


@pytest.mark.slow
def test_a_simulated_drive_by_heart(simulated_nuscenes: Path) -> None:
    """Four keyframes, as read from a dataset; some of the cars that count stand beyond the 30 m that are seen."""
    drives = open_dataset(simulated_nuscenes).sequences("val")
    shape = StudentConfig(backbone="voxelnet", width=0.25, voxel_size_m=0.3, max_range_m=30.0)
    learner = learner_of(drives, shape, BY_HEART)
    fresh = detect_split(learner.detector, drives, 1, 1.0)
    assert fresh.annotated["car"] > 30
    assert fresh.scores.class_precisions["car"] < 0.1
    learner.detector.train()
    for _ in range(learner.steps):
        learner.train_step()
    found = detect_split(learner.detector, drives, 1, 1.0).scores
    assert found.class_precisions["car"] > 0.5
    assert found.class_precisions["pedestrian"] > 0.4
    assert found.errors["car"]["orientation"] < 0.3
