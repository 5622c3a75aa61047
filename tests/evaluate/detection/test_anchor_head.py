"""Oracles: overlap by counting cells, assignment by its definition in loops, laws of half turns; a head that says
exactly the targets finds exactly the boxes."""

from __future__ import annotations

import math

import pytest
import torch

from lima.evaluate.detection.anchor_head import AnchorHead, box_loss, direction_of, facing, focal_loss
from lima.evaluate.detection.anchors import (
    NONE,
    UNSURE,
    anchors_on,
    assign,
    decode,
    encode,
    measured_shapes,
    upright_iou,
    usual_shapes,
)
from lima.evaluate.detection.lidar_boxes import LidarBoxes
from tests.evaluate.detection.lidar_boxes import BEV, same_boxes, spread_boxes


def test_anchors_stand_at_the_middle_of_every_cell() -> None:
    anchors = anchors_on(BEV, usual_shapes())
    assert anchors.shape == (1200, 10, 2, 7)
    first, last = anchors[0, 0, 0], anchors[-1, 0, 1]
    assert torch.allclose(first, torch.tensor([-15.6, -11.6, -1.84 + 0.87, 4.63, 1.97, 1.74, 0.0]))
    assert torch.allclose(last[[0, 1, 6]], torch.tensor([15.6, 11.6, math.pi / 2]))
    assert torch.allclose(anchors[1, 0, 0, :2] - first[:2], torch.tensor([0.8, 0.0]))  # columns along x


def test_shapes_are_the_means_of_what_is_learned_from() -> None:
    boxes = spread_boxes()
    cars = boxes[boxes.classes <= 0]
    found = measured_shapes([cars, LidarBoxes.none()])
    assert torch.allclose(found[0], cars.values[:, [3, 4, 5, 2]].mean(dim=0))
    assert torch.equal(found[1:], usual_shapes()[1:])


def test_upright_overlap_by_counting_cells() -> None:
    first = torch.tensor([[0.0, 0.0, 4.0, 2.0, 0.1], [1.0, 1.0, 2.0, 6.0, math.pi - 0.2]])
    second = torch.tensor(
        [[1.0, 0.0, 4.0, 2.0, math.pi / 2 + 0.3], [0.0, 1.0, 2.0, 2.0, 0.0], [9.0, 9.0, 1.0, 1.0, 0.0]]
    )
    found = upright_iou(first, second)
    grid = torch.cartesian_prod(torch.arange(-100, 100), torch.arange(-100, 100)) / 10 + 0.05

    def inside(box: torch.Tensor, along_x: float, along_y: float) -> torch.Tensor:
        away = (grid - box[:2]).abs()
        return (away[:, 0] < along_x / 2) & (away[:, 1] < along_y / 2)

    ones = [inside(first[0], 4, 2), inside(first[1], 2, 6)]
    others = [inside(second[0], 2, 4), inside(second[1], 2, 2), inside(second[2], 1, 1)]
    for row, one in enumerate(ones):
        for col, other in enumerate(others):
            assert float(found[row, col]) == pytest.approx(
                int((one & other).sum()) / int((one | other).sum()), abs=1e-6
            )


def test_assignment_by_definition() -> None:
    generator = torch.Generator().manual_seed(0)
    overlap = torch.rand(60, 5, generator=generator) * torch.tensor([1.0, 0.9, 0.5, 0.3, 0.0])
    found = assign(overlap, 0.6, 0.45)
    for anchor in range(60):
        favourites = [box for box in range(5) if float(overlap[:, box].max()) == float(overlap[anchor, box]) > 0]
        best = float(overlap[anchor].max())
        if favourites:
            assert int(found[anchor]) == favourites[-1]
        elif best >= 0.6:
            assert int(found[anchor]) == int(overlap[anchor].argmax())
        else:
            assert int(found[anchor]) == (NONE if best < 0.45 else UNSURE)
    assert 4 not in found  # nothing overlaps it
    assert bool((assign(overlap[:, :0], 0.6, 0.45) == NONE).all())


def test_codes_are_undone() -> None:
    boxes = spread_boxes().values
    anchors = boxes[:, :7] + torch.rand(12, 7)
    assert torch.allclose(decode(encode(boxes, anchors), anchors), boxes, atol=1e-5, equal_nan=True)
    box, anchor = torch.tensor([[3.0, 4.0, 1, 3, 4, 2, 0.5, 1, 2]]), torch.tensor([[0.0, 0, 0, 3, 4, 1, 0]])
    assert torch.allclose(encode(box, anchor), torch.tensor([[0.6, 0.8, 1, 0, 0, math.log(2), 0.5, 1, 2]]))


def test_directions_undo_what_the_sine_cannot_see() -> None:
    yaws = torch.linspace(-7, 7, 141)
    for turned in (yaws, yaws + math.pi, yaws - 3 * math.pi):
        found = facing(turned, direction_of(yaws))
        assert torch.allclose(found.cos(), yaws.cos(), atol=1e-5)
        assert torch.allclose(found.sin(), yaws.sin(), atol=1e-5)


def test_losses_by_hand() -> None:
    said, wanted = torch.zeros(1, 9), torch.zeros(1, 9)
    said[0, 6] = math.pi  # facing backwards costs nothing here
    assert float(box_loss(said, wanted)) == pytest.approx(0, abs=1e-6)
    said[0, 0], said[0, 1], said[0, 7], wanted[0, 8] = 1.0, 0.1, 5.0, math.nan
    expected = (1 - 1 / 18) + 0.01 * 9 / 2 + (1 - 1 / 18)
    assert float(box_loss(said, wanted)) == pytest.approx(expected, abs=1e-5)
    losses = focal_loss(torch.tensor([0.0, math.log(3)]), torch.tensor([True, False]))
    assert losses.tolist() == pytest.approx([0.25 * 0.25 * math.log(2), 0.75 * 0.75**2 * math.log(4)])


def test_ideal_answers_are_the_boxes_and_cost_little() -> None:
    torch.manual_seed(0)
    head = AnchorHead(8, BEV)
    boxes = [spread_boxes(2), spread_boxes(3)]
    head.shapes.copy_(measured_shapes(boxes))
    anchors = anchors_on(BEV, head.shapes)
    flat = anchors.view(-1, 7)
    fresh = head.loss(head(torch.randn(2, 8, BEV.rows, BEV.cols)), boxes)
    logits, codes, directions = (
        torch.full((2, len(flat)), -9.0),
        torch.zeros(2, len(flat), 9),
        torch.zeros(2, len(flat), 2),
    )
    for sweep, of_sweep in enumerate(boxes):
        stands_for = head.assignment(anchors, of_sweep)
        hit = torch.nonzero(stands_for >= 0)[:, 0]
        assert set(stands_for[hit].tolist()) == set(range(12))  # every box has an anchor
        values = of_sweep.values[stands_for[hit]]
        wanted = encode(values, flat[hit])
        wanted[:, 6] += math.pi * (hit % 3)  # the sine does not see half turns, the direction says them
        codes[sweep, hit] = wanted.nan_to_num()
        logits[sweep, hit] = 9.0
        directions[sweep, hit, direction_of(values[:, 6])] = 9.0
    losses = head.loss((logits, codes, directions), boxes)
    assert float(losses["box"]) == pytest.approx(0, abs=1e-4)
    assert float(losses["score"]) < 0.05 * float(fresh["score"].detach())
    assert float(losses["direction"]) < 0.05 * float(fresh["direction"].detach())
    for ours, wanted_boxes in zip(head.candidates((logits, codes, directions), 0.5), boxes, strict=True):
        first = [row for row in range(len(ours)) if not _repeats(ours, row)]
        assert same_boxes(ours[torch.tensor(first)], wanted_boxes, atol=1e-3)


def _repeats(boxes: LidarBoxes, row: int) -> bool:
    earlier = (boxes.values[:row, :2] - boxes.values[row, :2]).norm(dim=1) < 1e-2
    return bool((earlier & (boxes.classes[:row] == boxes.classes[row])).any())
