"""Oracle: arithmetic by hand, torch's own one-cycle schedule, and a count of every parameter."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lima import recipes
from lima.config import SegmentationConfig, StudentConfig
from lima.evaluate.segmentation.optimisation import (
    build_optimiser,
    cosine,
    layer_depths,
    one_cycle,
    set_rates,
    warm_up_cosine,
)
from lima.evaluate.segmentation.segmenter import Segmenter
from lima.students.student import build_student
from tests.evaluate.segmentation.made_up import CLASSES, STUDENT


def segmenter(config: StudentConfig = STUDENT) -> Segmenter:
    return Segmenter(build_student(config), CLASSES)


def rate_of(optimiser: torch.optim.Optimizer, parameter: torch.nn.Parameter) -> float:
    found = [group["lr"] for group in optimiser.param_groups if any(each is parameter for each in group["params"])]
    assert len(found) == 1
    return float(found[0])


def test_every_parameter_is_in_one_group_and_the_head_learns_faster() -> None:
    made = segmenter()
    optimiser = build_optimiser(made, SegmentationConfig(head_rate_factor=10.0))
    assert sum(len(group["params"]) for group in optimiser.param_groups) == len(list(made.parameters()))
    set_rates(optimiser, 0.01)
    assert rate_of(optimiser, made.head.weight) == pytest.approx(0.1)
    assert rate_of(optimiser, next(made.student.parameters())) == pytest.approx(0.01)


def test_layers_learn_the_slower_the_earlier_they_are() -> None:
    made = segmenter()
    config = SegmentationConfig(head_rate_factor=1.0, layer_decay=0.5)
    optimiser = build_optimiser(made, config)
    assert sum(len(group["params"]) for group in optimiser.param_groups) == len(list(made.parameters()))
    set_rates(optimiser, 1.0)
    backbone = dict(made.student.backbone.named_parameters())
    wanted = {
        "decoder.3.": 1,
        "up.3.": 1,
        "decoder.0.": 0.5**3,
        "encoder.3.": 0.5**4,
        "down.0.": 0.5**7,
        "stem.": 0.5**8,
    }
    for prefix, share in wanted.items():
        names = [name for name in backbone if name.startswith(prefix)]
        assert names
        assert [rate_of(optimiser, backbone[name]) for name in names] == pytest.approx([share] * len(names))
    assert rate_of(optimiser, made.head.weight) == 1.0


def test_a_network_of_other_parts_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a Linear is no U-Net .* use --layer-decay 1"):
        layer_depths(torch.nn.Linear(2, 2))


def test_the_one_cycle_is_torch_s() -> None:
    steps, parameter = 200, torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=1.0, total_steps=steps + 1, pct_start=0.2, div_factor=25.0, final_div_factor=100.0,
        cycle_momentum=False,
    )  # fmt: skip
    for step in range(steps):
        assert one_cycle(step / steps) == pytest.approx(optimiser.param_groups[0]["lr"], abs=0.02)
        optimiser.step()
        schedule.step()


def test_the_other_schedules_by_hand() -> None:
    assert [cosine(done) for done in (0.0, 0.5, 1.0)] == pytest.approx([1, 0.5, 0], abs=1e-12)
    of_45_epochs = [warm_up_cosine(epoch / 45) for epoch in (0, 1, 4, 4 + 41 / 2, 45)]
    assert of_45_epochs == pytest.approx([0, 0.25, 1, 0.5, 0], abs=1e-12)


def test_the_protocols_are_those_of_their_sources() -> None:
    slidr, scalr, superflow = (recipes.PROTOCOLS[name]() for name in ("slidr", "scalr", "superflow"))
    assert (slidr.optimiser, slidr.learning_rate, slidr.weight_decay, slidr.batch) == ("sgd", 0.05, 0.0001, 16)
    made = build_optimiser(segmenter(), slidr)
    assert isinstance(made, torch.optim.SGD)
    assert (made.param_groups[0]["momentum"], made.param_groups[0]["dampening"]) == (0.9, 0.1)
    assert (scalr.learning_rate, scalr.layer_decay, scalr.epochs, scalr.batch, scalr.head) == (
        0.002, 0.95, 45, 8, "norm_linear",
    )  # fmt: skip
    assert (superflow.learning_rate, superflow.head_rate_factor, superflow.weight_decay) == (0.001, 10.0, 0.01)
    assert (superflow.epochs, superflow.batch, superflow.lovasz_weight, superflow.views) == (100, 16, 2.0, 1)
    assert replace(recipes.PROTOCOLS["lima"](), clip_norm=None) == superflow
