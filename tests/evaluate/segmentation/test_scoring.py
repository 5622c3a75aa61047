"""Oracle: nuscenes-devkit's lidarseg metric and SemanticKITTI's definition on the same predictions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from lima.evaluate.segmentation.scoring import frames_of, score, scores_from_confusion
from lima.evaluate.segmentation.segmenter import Segmenter
from lima.students.student import build_student
from tests.evaluate.segmentation.made_up import CLASSES, STUDENT, Drive
from tests.oracles.kitti_iou import KittiIoU


def untrained() -> Segmenter:
    torch.manual_seed(3)
    made = Segmenter(build_student(STUDENT), CLASSES)
    torch.nn.init.normal_(made.head.weight)
    return made


def test_scores_are_those_of_nuscenes_devkit_and_semantic_kitti() -> None:
    utils = pytest.importorskip("nuscenes.eval.lidarseg.utils", reason="the official nuscenes-devkit is not installed")
    segmenter, drives = untrained().eval(), [Drive("one"), Drive("two")]
    ours = scores_from_confusion(score(segmenter, frames_of(drives)), CLASSES)
    devkit, kitti = utils.ConfusionMatrix(num_classes=len(CLASSES), ignore_idx=0), KittiIoU(len(CLASSES), ignored=(0,))
    for frame in frames_of(drives):
        assert frame.read_labels is not None
        predicted, truth = segmenter.predict(frame).numpy(), frame.read_labels().numpy()
        devkit.update(truth, predicted)
        kitti.add(predicted, truth)
    assert ours.miou == pytest.approx(100 * devkit.get_mean_iou(), rel=1e-6)
    wanted = 100 * np.array(devkit.get_per_class_iou())[1:]
    assert list(ours.per_class.values()) == pytest.approx(wanted.tolist(), rel=1e-6, nan_ok=True)
    # SemanticKITTI's own evaluation counts a class that occurs nowhere as 0 instead of leaving it out
    mean, classes = kitti.mean_and_classes()
    present = [label for label in range(1, len(CLASSES)) if not math.isnan(wanted[label - 1])]
    assert [100 * classes[label] for label in present] == pytest.approx([wanted[label - 1] for label in present])
    assert ours.miou * len(present) / (len(CLASSES) - 1) == pytest.approx(100 * mean)
    assert ours.points == 2 * 3 * 360


def test_scoring_leaves_the_segmenter_as_it_was() -> None:
    segmenter = untrained().train()
    before = {name: tensor.clone() for name, tensor in segmenter.state_dict().items()}
    done: list[None] = []
    score(segmenter, frames_of([Drive("one")]), after_frame=lambda: done.append(None))
    assert segmenter.training
    assert len(done) == 3
    assert all(torch.equal(tensor, before[name]) for name, tensor in segmenter.state_dict().items())


def test_a_class_in_neither_is_null_and_not_in_the_mean() -> None:
    told = scores_from_confusion(torch.tensor([[0, 0, 0], [0, 3, 0], [0, 0, 0]]), ("ignored", "there", "absent"))
    assert told.as_dict() == {"miou": 100.0, "per_class": {"there": 100.0, "absent": None}, "points": 3}
