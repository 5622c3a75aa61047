"""Intersection over union from one confusion matrix over a whole split, as nuScenes and SemanticKITTI define it."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

IGNORED = 0


def confusion_matrix(
    predicted: Int64[Tensor, "points"], truth: Int64[Tensor, "points"], classes: int
) -> Int64[Tensor, "{classes} {classes}"]:
    """How many points of every true class (row) were given every class (column). Matrices of sweeps add up.

    classes: their number, the ignored class 0 included. Points whose truth is 0 are left out. Raises ValueError for
    classes out of range, and for a prediction of 0: every point is to be given a class.
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"{len(predicted)} predictions do not go with {len(truth)} labels")
    if len(truth) and not (int(truth.min()) >= 0 and int(truth.max()) < classes):
        raise ValueError(f"labels must be 0 … {classes - 1}, got {int(truth.min())} … {int(truth.max())}")
    if len(truth) and not (int(predicted.min()) > 0 and int(predicted.max()) < classes):
        raise ValueError(
            f"predictions must be 1 … {classes - 1} (0 is the ignored class, which cannot be predicted), got "
            f"{int(predicted.min())} … {int(predicted.max())}"
        )
    counted = truth != IGNORED
    pairs = truth[counted] * classes + predicted[counted]
    return torch.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def iou_percent(confusion: Int64[Tensor, "classes classes"]) -> Float64[Tensor, "classes"]:
    """Points that are of a class and were given it, over those that are either, in percent.

    NaN for a class absent from both prediction and truth, and for the ignored class 0.
    """
    both = confusion.diagonal().double()
    either = (confusion.sum(dim=0) + confusion.sum(dim=1)).double() - both
    iou = 100 * both / either  # 0 / 0 is NaN, as wanted
    iou[IGNORED] = math.nan
    return iou


def miou_percent(confusion: Int64[Tensor, "classes classes"]) -> float:
    """The mean over the classes that occur in prediction or truth, in percent; NaN where none does."""
    return float(iou_percent(confusion).nanmean())
