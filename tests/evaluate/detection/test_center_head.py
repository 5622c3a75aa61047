"""Oracles: the definition of a radius (how much two boxes overlap), peaks in loops, arithmetic by hand; a head that
says exactly the targets finds exactly the boxes."""

from __future__ import annotations

import math

import pytest
import torch

from lima.evaluate.detection.center_head import CODE_WEIGHTS, CenterHead, centre_focal_loss
from lima.evaluate.detection.center_targets import boxes_from_codes, center_targets, gaussian_radius
from lima.evaluate.detection.classes import DETECTION_CLASSES
from lima.evaluate.detection.lidar_boxes import LidarBoxes
from tests.evaluate.detection.lidar_boxes import BEV, same_boxes, spread_boxes


@pytest.mark.parametrize(("length", "width"), [(4.0, 2.0), (10.0, 2.5), (1.0, 1.0), (3.0, 30.0)])
@pytest.mark.parametrize("overlap", [0.1, 0.5, 0.7])
def test_a_box_moved_by_the_radius_still_overlaps(length: float, width: float, overlap: float) -> None:
    """Both corners move by r: one out and one in, both in, or both out. The worst of these overlaps just so much."""
    r = gaussian_radius(length, width, overlap)
    area = length * width
    shifted = (length - r) * (width - r)
    overlaps = [
        shifted / (2 * area - shifted),
        (length - 2 * r) * (width - 2 * r) / area if min(length, width) > 2 * r else 0.0,
        area / ((length + 2 * r) * (width + 2 * r)),
    ]
    assert r > 0
    assert min(overlaps) == pytest.approx(overlap, abs=1e-6)


def test_codes_say_the_boxes() -> None:
    boxes = spread_boxes()
    found = center_targets([boxes], list(range(10)), BEV)
    assert len(found.codes) == len(boxes)
    order = torch.cat([torch.nonzero(boxes.classes == cls)[:, 0] for cls in range(10)])
    decoded = LidarBoxes(boxes_from_codes(found.codes, found.cells, BEV), boxes.classes[order], torch.ones(12))
    assert same_boxes(decoded, boxes)
    assert bool((found.codes[:, :2] >= 0).all() and (found.codes[:, :2] < 1).all())


def test_peaks_by_definition() -> None:
    boxes = spread_boxes(1)
    classes = [0, 5]
    found = center_targets([boxes, LidarBoxes.none()], classes, BEV).heat
    for channel, cls in enumerate(classes):
        for row in range(BEV.rows):
            for col in range(BEV.cols):
                heights = [0.0]
                for values in boxes.values[boxes.classes == cls].tolist():
                    at_col, at_row = math.floor((values[0] + 16) / 0.8), math.floor((values[1] + 12) / 0.8)
                    radius = max(2, int(gaussian_radius(values[3] / 0.8, values[4] / 0.8)))
                    if max(abs(row - at_row), abs(col - at_col)) <= radius:
                        away = (row - at_row) ** 2 + (col - at_col) ** 2
                        heights.append(math.exp(-away / (2 * ((2 * radius + 1) / 6) ** 2)))
                assert float(found[0, channel, row, col]) == pytest.approx(max(heights), abs=1e-6)
    assert float(found[1].max()) == 0
    assert int((found[0] == 1).sum()) == 4  # three cars, one pedestrian


def test_boxes_beyond_the_map_are_left_out() -> None:
    boxes = spread_boxes()
    boxes.values[:, 0] += 100
    found = center_targets([boxes], [0], BEV)
    assert len(found.cells) == 0
    assert float(found.heat.max()) == 0


def ideal_answers(head: CenterHead, boxes: list[LidarBoxes]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """What a head would say that has learned its targets; each class's peaks higher than the last's."""
    found = []
    for classes in head.classes:
        targets = center_targets(boxes, classes, BEV)
        codes = torch.zeros(len(boxes), 10, BEV.rows * BEV.cols)
        codes[targets.sweeps, :, targets.cells] = targets.codes.nan_to_num()
        found.append((torch.logit(targets.heat, eps=1e-4), codes.view(len(boxes), 10, BEV.rows, BEV.cols)))
    return found


def test_ideal_answers_are_the_boxes_and_cost_little() -> None:
    torch.manual_seed(0)
    head = CenterHead(8, BEV, 4)
    boxes = [spread_boxes(2), spread_boxes(3)]
    answers = ideal_answers(head, boxes)
    found = head.candidates(answers, 0.9)
    assert all(same_boxes(ours, wanted) for ours, wanted in zip(found, boxes, strict=True))
    losses = head.loss(answers, boxes)
    assert float(losses["box"]) == pytest.approx(0, abs=1e-4)
    fresh = head.loss(head(torch.randn(2, 8, BEV.rows, BEV.cols)), boxes)
    assert float(losses["heat"]) < 0.05 * float(fresh["heat"].detach())
    fresh["box"].backward()
    assert all(p.grad is None or bool(torch.isfinite(p.grad).all()) for p in head.parameters())


def test_losses_by_hand() -> None:
    logits = torch.tensor([0.0, 0.0, math.log(3)])  # p = 1/2, 1/2, 3/4
    heat = torch.tensor([1.0, 0.5, 0.0])
    expected = 0.25 * math.log(2) + 0.5**4 * 0.25 * math.log(2) + 0.75**2 * math.log(4)
    assert float(centre_focal_loss(logits, heat)) == pytest.approx(expected)
    head = CenterHead(8, BEV, 4)
    boxes = spread_boxes(4)[torch.tensor([0])]
    boxes.values[0] = torch.tensor([0.0, 0.0, -1.0, math.e, math.e, 1.0, 0.0, 2.0, math.nan])
    answers = ideal_answers(head, [boxes])
    answers[0][1].zero_()  # codes of the cars: off by z 1, log length 1, log width 1, cos 1, vx 2 at a fifth
    assert float(head.loss(answers, [boxes])["box"]) == pytest.approx(0.25 * (4 + 0.2 * 2))
    assert len(CODE_WEIGHTS) == 10
    heavy = CenterHead(8, BEV, 4, box_weight=1.0)
    assert float(heavy.loss(answers, [boxes])["box"]) == pytest.approx(4 + 0.2 * 2)


def test_every_class_has_one_place() -> None:
    head = CenterHead(8, BEV, 4)
    assert sorted(cls for group in head.classes for cls in group) == list(range(len(DETECTION_CLASSES)))
    logits = [logits for logits, _ in head(torch.zeros(1, 8, BEV.rows, BEV.cols))]
    assert [tuple(of.shape[1:]) for of in logits] == [(len(group), BEV.rows, BEV.cols) for group in head.classes]
    names = {name for name, _ in head.named_parameters()}
    assert {"shared_conv.0.weight", "heads_list.5.hm.1.bias", "heads_list.0.center_z.0.0.weight"} <= names
