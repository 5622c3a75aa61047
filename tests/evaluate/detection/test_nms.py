"""Oracles: clipping one polygon by the other's sides (tests/oracles/polygons.py), suppression in two loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lima.evaluate.detection.lidar_boxes import bev_corners
from lima.evaluate.detection.nms import intersection_area, rotated_iou, rotated_nms
from tests.oracles.polygons import overlap_area, rectangle


def clipped_iou(first: np.ndarray, second: np.ndarray) -> float:
    shared = overlap_area(
        *(rectangle(x, y, yaw, length / 2, width / 2) for x, y, length, width, yaw in (first, second))
    )
    return shared / (first[2] * first[3] + second[2] * second[3] - shared)


def random_rectangles(count: int, seed: int, spread_m: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    parts = torch.rand(count, 5, generator=generator, dtype=torch.float64)
    return torch.cat([(parts[:, :2] - 0.5) * spread_m, 0.3 + 5 * parts[:, 2:4], 4 * math.pi * parts[:, 4:]], dim=1)


@pytest.mark.parametrize("spread_m", [3.0, 12.0])
def test_equals_clipping(spread_m: float) -> None:
    first, second = random_rectangles(40, 0, spread_m), random_rectangles(30, 1, spread_m)
    found = rotated_iou(first, second)
    expected = [[clipped_iou(a, b) for b in second.numpy()] for a in first.numpy()]
    assert torch.allclose(found, torch.tensor(expected, dtype=torch.float64), atol=1e-9)
    assert float(found.max()) > 0.3


number = st.integers(-8, 8).map(lambda eighths: eighths / 4)
side = st.integers(1, 12).map(lambda quarters: quarters / 4)
shape = st.tuples(number, number, side, side, st.sampled_from([0, math.pi / 2, math.pi / 4, math.pi, 0.3]))


@settings(max_examples=300, deadline=None)
@given(shape, shape)
def test_equals_clipping_where_sides_and_corners_touch(first: tuple[float, ...], second: tuple[float, ...]) -> None:
    found = rotated_iou(torch.tensor([first], dtype=torch.float64), torch.tensor([second], dtype=torch.float64))
    assert float(found) == pytest.approx(clipped_iou(np.array(first), np.array(second)), abs=1e-5)


def test_laws() -> None:
    boxes = random_rectangles(50, 2, 5.0)
    own = intersection_area(boxes, boxes)
    assert torch.allclose(own, boxes[:, 2] * boxes[:, 3], rtol=1e-6)
    iou = rotated_iou(boxes, boxes)
    assert torch.allclose(iou, iou.T, atol=1e-9)
    turned = boxes + torch.tensor([0, 0, 0, 0, math.pi])  # a rectangle turned by half a turn is itself
    assert torch.allclose(rotated_iou(turned, boxes), iou, atol=1e-6)
    far = boxes + torch.tensor([1e4, -2e4, 0, 0, 0])
    assert torch.allclose(rotated_iou(far, far), iou, atol=1e-6)


def test_corners_are_counter_clockwise_from_the_front_left() -> None:
    found = bev_corners(torch.tensor([[1.0, 2.0, 4.0, 2.0, math.pi / 2]]))[0]
    assert torch.allclose(found, torch.tensor([[0.0, 4.0], [0.0, 0.0], [2.0, 0.0], [2.0, 4.0]]), atol=1e-6)


@pytest.mark.parametrize("max_iou", [0.0, 0.2, 0.7])
def test_suppression_by_definition(max_iou: float) -> None:
    boxes = random_rectangles(80, 3, 10.0)
    scores = torch.rand(80, generator=torch.Generator().manual_seed(4)).mul(20).round() / 20  # many are equal
    kept: list[int] = []
    for row in sorted(range(80), key=lambda row: (-float(scores[row]), row)):
        if all(clipped_iou(boxes[row].numpy(), boxes[other].numpy()) <= max_iou for other in kept):
            kept.append(row)
    assert rotated_nms(boxes, scores, max_iou).tolist() == kept
    assert rotated_nms(boxes[:0], scores[:0], max_iou).tolist() == []
