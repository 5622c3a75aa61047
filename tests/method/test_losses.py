"""Oracle: arithmetic by hand, and gradients against finite differences."""

import math
from typing import get_args

import pytest
import torch

from lima.config import Loss
from lima.method.losses import distillation_loss

KINDS: tuple[Loss, ...] = get_args(Loss)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_l2_is_the_mean_distance() -> None:
    predicted, target = torch.tensor([[3.0, 4.0], [1.0, 1.0]]), torch.tensor([[0.0, 0.0], [1.0, 3.0]])
    assert float(distillation_loss(predicted, target, "l2")) == pytest.approx((5 + 2) / 2)


def test_normalised_l2_and_cosine_see_directions_only() -> None:
    predicted, target = torch.tensor([[5.0, 0.0], [2.0, 2.0]]), torch.tensor([[0.0, 0.1], [7.0, 7.0]])
    assert float(distillation_loss(predicted, target, "normalised_l2")) == pytest.approx(math.sqrt(2) / 2)
    assert float(distillation_loss(predicted, target, "cosine")) == pytest.approx(0.5)


def test_contrastive_by_hand() -> None:
    # Two points, orthogonal targets, both predicted in the direction of the first.
    predicted, target = torch.tensor([[1.0, 0.0], [3.0, 0.0]]), torch.tensor([[2.0, 0.0], [0.0, 5.0]])
    hit = math.log(1 + math.exp(-1 / 0.07))
    missed = 1 / 0.07 + hit
    loss = distillation_loss(predicted, target, "contrastive", generator())
    assert float(loss) == pytest.approx((hit + missed) / 2, rel=1e-5)


def test_contrastive_over_many_points_takes_some_and_is_zero_only_for_the_right_partner() -> None:
    features = torch.randn(5000, 64, generator=generator())
    right = float(distillation_loss(features, features, "contrastive", generator()))
    wrong = float(distillation_loss(features, features.roll(1, dims=0), "contrastive", generator()))
    assert right < 0.1 < math.log(4096) < wrong
    with pytest.raises(ValueError, match="needs a generator"):
        distillation_loss(features, features, "contrastive")


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_finite_differences(kind: Loss) -> None:
    predicted = torch.randn(6, 4, dtype=torch.float64, generator=generator(), requires_grad=True)
    target = torch.randn(6, 4, dtype=torch.float64, generator=generator()) + 1
    assert torch.autograd.gradcheck(lambda p: distillation_loss(p, target, kind, generator()), predicted)


@pytest.mark.parametrize("kind", ["l2", "normalised_l2", "cosine"])
def test_a_perfect_student_has_no_loss_and_finite_gradients(kind: Loss) -> None:
    target = torch.randn(6, 4, generator=generator())
    predicted = target.clone().requires_grad_()
    loss = distillation_loss(predicted, target, kind)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-6)
    assert predicted.grad is not None
    assert bool(torch.isfinite(predicted.grad).all())


@pytest.mark.parametrize("kind", KINDS)
def test_no_points_no_loss_but_a_gradient(kind: Loss) -> None:
    predicted = torch.zeros(0, 4, requires_grad=True)
    loss = distillation_loss(predicted, torch.zeros(0, 4), kind, generator())
    loss.backward()
    assert float(loss.detach()) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_predictions_are_compared_in_single_precision(kind: Loss) -> None:
    predicted = torch.randn(50, 8, generator=generator()).bfloat16()
    target = torch.randn(50, 8, generator=generator())
    half = distillation_loss(predicted, target, kind, generator())
    assert half.dtype == torch.float32
    assert float(half) == float(distillation_loss(predicted.float(), target, kind, generator()))


@pytest.mark.parametrize("kind", KINDS)
def test_mixed_precision_outside_does_not_reach_the_loss(kind: Loss) -> None:
    predicted = torch.randn(50, 8, generator=generator())
    target = torch.randn(50, 8, generator=generator())
    plain = distillation_loss(predicted, target, kind, generator())
    with torch.autocast("cpu", torch.bfloat16):
        assert distillation_loss(predicted, target, kind, generator()).equal(plain)
