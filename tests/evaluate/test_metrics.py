"""Oracle: nuscenes-devkit's own lidarseg evaluation, SemanticKITTI's definition in a loop, and counting by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from lima.evaluate.metrics import confusion_matrix, iou_percent, miou_percent

CLASSES = 17


def random_split(seed: int, absent: tuple[int, ...] = ()) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Predictions and labels of some sweeps, right about half the time; some classes are in neither."""
    rng = np.random.default_rng(seed)
    present = np.array([label for label in range(CLASSES) if label not in absent])
    sweeps = []
    for points in (1000, 1, 777):
        truth = rng.choice(present, points)
        guess = rng.choice(present[present > 0], points)
        predicted = np.where((rng.uniform(size=points) < 0.5) & (truth > 0), truth, guess)
        sweeps.append((torch.from_numpy(predicted), torch.from_numpy(truth)))
    return sweeps


@pytest.mark.parametrize("absent", [(), (3, 16)])
@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_nuscenes_devkit(seed: int, absent: tuple[int, ...]) -> None:
    utils = pytest.importorskip("nuscenes.eval.lidarseg.utils", reason="the official nuscenes-devkit is not installed")
    official = utils.ConfusionMatrix(num_classes=CLASSES, ignore_idx=0)
    ours = torch.zeros(CLASSES, CLASSES, dtype=torch.int64)
    for predicted, truth in random_split(seed, absent):
        official.update(truth.numpy(), predicted.numpy())
        ours += confusion_matrix(predicted, truth, CLASSES)
    assert ours.tolist() == official.global_cm.tolist()
    assert np.allclose(iou_percent(ours) / 100, official.get_per_class_iou(), rtol=1e-6, equal_nan=True)
    assert miou_percent(ours) / 100 == pytest.approx(official.get_mean_iou(), rel=1e-6)
    assert [bool(torch.isnan(iou_percent(ours)[label])) for label in absent] == [True] * len(absent)


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_semantickitti(seed: int) -> None:
    """Its definition: true positives over true positives, false positives and false negatives of the whole split."""
    sweeps = random_split(seed)
    confusion = sum(confusion_matrix(predicted, truth, CLASSES) for predicted, truth in sweeps)
    ious = []
    for label in range(1, CLASSES):
        hits = misses = alarms = 0
        for predicted, truth in sweeps:
            for ours, theirs in zip(predicted.tolist(), truth.tolist(), strict=True):
                if theirs != 0:
                    hits += ours == theirs == label
                    misses += theirs == label != ours
                    alarms += ours == label != theirs
        ious.append(100 * hits / (hits + misses + alarms))
    assert iou_percent(confusion)[1:].tolist() == pytest.approx(ious)
    assert miou_percent(confusion) == pytest.approx(sum(ious) / len(ious))


def test_a_case_by_hand() -> None:
    truth = torch.tensor([1, 1, 1, 2, 2, 0, 0])
    predicted = torch.tensor([1, 1, 2, 2, 3, 1, 4])
    confusion = confusion_matrix(predicted, truth, 5)
    assert confusion.tolist() == [[0] * 5, [0, 2, 1, 0, 0], [0, 0, 1, 1, 0], [0] * 5, [0] * 5]
    ious = iou_percent(confusion).tolist()
    assert ious[1:4] == pytest.approx([200 / 3, 100 / 3, 0])  # class 3 is predicted, though there is none: 0
    assert math.isnan(ious[0])
    assert math.isnan(ious[4])  # predicted on an ignored point only: that counts nowhere
    assert miou_percent(confusion) == pytest.approx(100 / 3)


def test_all_right_is_a_hundred_and_order_does_not_matter() -> None:
    truth = torch.randint(1, CLASSES, (500,), generator=torch.Generator().manual_seed(0))
    assert miou_percent(confusion_matrix(truth, truth, CLASSES)) == 100
    predicted = truth.roll(7)
    shuffled = torch.randperm(500, generator=torch.Generator().manual_seed(1))
    assert torch.equal(
        confusion_matrix(predicted, truth, CLASSES), confusion_matrix(predicted[shuffled], truth[shuffled], CLASSES)
    )


def test_nothing_to_score_is_not_a_score() -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    assert math.isnan(miou_percent(confusion_matrix(nothing, nothing, CLASSES)))
    ignored = torch.zeros(3, dtype=torch.int64)
    assert int(confusion_matrix(ignored + 1, ignored, CLASSES).sum()) == 0


def test_nonsense_is_refused() -> None:
    one, two = torch.tensor([1]), torch.tensor([1, 2])
    with pytest.raises((ValueError, TypeCheckError)):
        confusion_matrix(one, two, 3)
    with pytest.raises(ValueError, match="labels must be 0 … 2, got 1 … 3"):
        confusion_matrix(two, torch.tensor([1, 3]), 3)
    with pytest.raises(ValueError, match=r"predictions must be 1 … 2 \(0 is the ignored class.*got 0 … 1"):
        confusion_matrix(torch.tensor([0, 1]), two, 3)
