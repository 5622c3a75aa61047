"""Which layer learns how fast, and when: parameter groups and schedules of fine-tuning."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from lima.config import RateSchedule, SegmentationConfig
from lima.evaluate.segmentation.segmenter import Segmenter

START_DIVISOR, END_DIVISOR, WARM_UP_SHARE = 25.0, 100.0, 0.2
SCALR_WARM_UP_SHARE = 4 / 45
SGD_MOMENTUM, SGD_DAMPENING = 0.9, 0.1


def one_cycle(done: float) -> float:
    """Share of the peak rate: up along a cosine over a fifth of the run from 1/25, then down to 1/2500.

    SuperFlow's settings (pct_start 0.2, div_factor 25, final_div_factor 100).
    """
    start, end = 1 / START_DIVISOR, 1 / START_DIVISOR / END_DIVISOR
    if done < WARM_UP_SHARE:
        return _cosine(start, 1.0, done / WARM_UP_SHARE)
    return _cosine(1.0, end, (done - WARM_UP_SHARE) / (1 - WARM_UP_SHARE))


def cosine(done: float) -> float:
    """From the peak to zero along a cosine (SLidR)."""
    return _cosine(1.0, 0.0, done)


def warm_up_cosine(done: float) -> float:
    """Up in a straight line over 4 of 45 epochs, then down to zero along a cosine (ScaLR with 1 % of the labels)."""
    if done < SCALR_WARM_UP_SHARE:
        return done / SCALR_WARM_UP_SHARE
    return _cosine(1.0, 0.0, (done - SCALR_WARM_UP_SHARE) / (1 - SCALR_WARM_UP_SHARE))


SCHEDULES: dict[RateSchedule, Callable[[float], float]] = {
    "one_cycle": one_cycle,
    "cosine": cosine,
    "warm_up_cosine": warm_up_cosine,
}


def _cosine(begin: float, end: float, share: float) -> float:
    return end + (begin - end) * (1 + math.cos(math.pi * share)) / 2


def build_optimiser(segmenter: Segmenter, config: SegmentationConfig) -> torch.optim.Optimizer:
    """AdamW or SGD over groups of parameters; `scale` of a group is its factor on the learning rate of the step.

    The head learns `head_rate_factor` times as fast as the backbone's last layer, and every layer of the backbone
    before that `layer_decay` times as fast as the next.
    """
    groups = [
        {"params": parameters, "scale": scale, "lr": config.learning_rate * scale}
        for scale, parameters in _scaled_parameters(segmenter, config).items()
    ]
    if config.optimiser == "sgd":
        return torch.optim.SGD(
            groups,
            lr=config.learning_rate,
            momentum=SGD_MOMENTUM,
            dampening=SGD_DAMPENING,
            weight_decay=config.weight_decay,
        )
    return torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=config.weight_decay)


def set_rates(optimiser: torch.optim.Optimizer, learning_rate: float) -> None:
    """Every group its share of the step's learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = learning_rate * group["scale"]


def _scaled_parameters(segmenter: Segmenter, config: SegmentationConfig) -> dict[float, list[nn.Parameter]]:
    scaled: dict[float, list[nn.Parameter]] = {config.head_rate_factor: list(segmenter.head.parameters())}
    if config.layer_decay == 1:
        scaled.setdefault(1.0, []).extend(segmenter.student.parameters())
        return scaled
    depths = layer_depths(segmenter.student.backbone)
    deepest = max(depths.values())
    for name, parameter in segmenter.student.backbone.named_parameters():
        scaled.setdefault(config.layer_decay ** (deepest - depths[name]), []).append(parameter)
    return scaled


def layer_depths(backbone: nn.Module) -> dict[str, int]:
    """How deep every parameter of a U-Net lies: the stem 0, then its steps down and its steps up.

    Raises ValueError for a network of other parts.
    """
    down = getattr(backbone, "down", None)
    steps_down = len(down) if isinstance(down, nn.ModuleList) else 0
    depths = {}
    for name, _ in backbone.named_parameters():
        part, _, rest = name.partition(".")
        place = rest.partition(".")[0]
        if part == "stem":
            depths[name] = 0
        elif part in ("down", "encoder") and place.isdigit():
            depths[name] = 1 + int(place)
        elif part in ("up", "decoder") and place.isdigit():
            depths[name] = 1 + steps_down + int(place)
        else:
            raise ValueError(
                f"a {type(backbone).__name__} is no U-Net whose layers are counted (it has {name!r}): use "
                f"--layer-decay 1"
            )
    return depths
