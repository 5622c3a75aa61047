"""AdamW and its one-cycle learning rate, a function of the step alone: a resumed run needs no state for it."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from lima.config import OptimiserConfig

WARM_UP_SHARE = 0.3
START_DIVISOR = 25.0
END_DIVISOR = 1e4  # of the start, as in torch


def one_cycle(step: int, steps: int, peak: float) -> float:
    """The learning rate of step `step` of `steps`, counted from 0: up along a cosine, then down along a longer one.

    From peak / 25 to the peak at 30 % of the steps, then to peak / 250 000 at the last. These are the defaults of
    `torch.optim.lr_scheduler.OneCycleLR` (Smith and Topin 2017), which the base code of the paper's authors uses;
    unlike there, Adam's betas stay where they are.
    """
    start, end = peak / START_DIVISOR, peak / START_DIVISOR / END_DIVISOR
    top = WARM_UP_SHARE * steps - 1
    if step <= top:
        return _cosine(start, peak, step / top)
    return _cosine(peak, end, (step - top) / max(steps - 1 - top, 1e-9))


def _cosine(begin: float, end: float, share: float) -> float:
    return end + (begin - end) * (1 + math.cos(math.pi * share)) / 2


def build_optimiser(parameters: Iterable[nn.Parameter], config: OptimiserConfig) -> torch.optim.AdamW:
    """AdamW over all parameters, with the same weight decay for each."""
    return torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)


def set_learning_rate(optimiser: torch.optim.Optimizer, learning_rate: float) -> None:
    """The same rate for every group of parameters."""
    for group in optimiser.param_groups:
        group["lr"] = learning_rate
