"""Oracle: the Lovász extension by its definition, a sum over sets in loops; limits and gradients."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lima.evaluate.segmentation.losses import lovasz_softmax, segmentation_loss


def jaccard_loss(mistaken: set[int], members: set[int]) -> float:
    """1 - IoU of a class when exactly these points are mistaken: |mistaken| / |members or mistaken|."""
    return len(mistaken) / len(members | mistaken) if members | mistaken else 0.0


def slow_lovasz(probabilities: Tensor, truth: Tensor) -> float:
    """Sum over points in descending order of their errors of error x (loss with the point - loss before it)."""
    losses = []
    for label in sorted(set(truth.tolist())):
        members = {point for point, true in enumerate(truth.tolist()) if true == label}
        errors = {
            point: 1 - float(row[label]) if point in members else float(row[label])
            for point, row in enumerate(probabilities)
        }
        mistaken: set[int] = set()
        total = 0.0
        for point in sorted(errors, key=lambda point: -errors[point]):
            before = jaccard_loss(mistaken, members)
            mistaken.add(point)
            total += errors[point] * (jaccard_loss(mistaken, members) - before)
        losses.append(total)
    return sum(losses) / len(losses)


@given(seed=st.integers(min_value=0, max_value=10_000), points=st.integers(min_value=1, max_value=30))
def test_it_is_the_lovasz_extension(seed: int, points: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    probabilities = torch.randn(points, 4, generator=generator).softmax(dim=1)
    truth = torch.randint(0, 3, (points,), generator=generator)  # class 3 never occurs
    assert float(lovasz_softmax(probabilities, truth)) == pytest.approx(slow_lovasz(probabilities, truth), abs=1e-5)


def test_of_certain_predictions_it_is_one_minus_the_mean_iou() -> None:
    truth = torch.tensor([0, 0, 0, 1, 1, 2])
    predicted = torch.tensor([0, 0, 1, 1, 1, 0])
    ious = [2 / 4, 2 / 3, 0.0]
    found = lovasz_softmax(torch.nn.functional.one_hot(predicted, 3).float(), truth)
    assert float(found) == pytest.approx(1 - sum(ious) / 3)
    perfect = torch.nn.functional.one_hot(truth, 3).float()
    assert float(lovasz_softmax(perfect, truth)) == 0


def test_gradients_are_those_of_the_definition() -> None:
    generator = torch.Generator().manual_seed(1)
    scores = torch.randn(7, 3, generator=generator).double().requires_grad_(True)
    truth = torch.tensor([0, 1, 2, 1, 0, 0, 1])
    assert torch.autograd.gradcheck(lambda given: lovasz_softmax(given.softmax(dim=1).float(), truth).double(),
                                    scores, eps=1e-3, atol=1e-2)  # fmt: skip


def test_the_parts_add_up_and_nothing_is_nothing() -> None:
    scores = torch.randn(9, 4, generator=torch.Generator().manual_seed(2))
    truth = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3, 0])
    parts = segmentation_loss(scores, truth, lovasz_weight=2.0)
    by_hand = sum(-math.log(float(row.softmax(dim=0)[label])) for row, label in zip(scores, truth, strict=True)) / 9
    assert float(parts["cross_entropy"]) == pytest.approx(by_hand, rel=1e-5)
    assert float(parts["lovasz"]) == pytest.approx(2 * slow_lovasz(scores.softmax(dim=1), truth), rel=1e-4)
    assert list(segmentation_loss(scores, truth, lovasz_weight=0.0)) == ["cross_entropy"]
    empty = segmentation_loss(scores[:0], truth[:0], lovasz_weight=1.0)
    assert [float(part) for part in empty.values()] == [0.0, 0.0]
