"""Oracle: torch's own OneCycleLR, and the end points by hand."""

import pytest
import torch

from lima.config import OptimiserConfig
from lima.train.schedule import build_optimiser, one_cycle, set_learning_rate


@pytest.mark.parametrize("steps", [10, 37, 1000])
def test_equals_torch_one_cycle(steps: int) -> None:
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    torch_cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=0.01, total_steps=steps, cycle_momentum=False)
    for step in range(steps):
        assert one_cycle(step, steps, 0.01) == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-9)
        optimiser.step()
        if step < steps - 1:
            torch_cycle.step()


def test_starts_at_a_25th_peaks_and_ends_near_nothing() -> None:
    rates = [one_cycle(step, 100, 1.0) for step in range(100)]
    assert rates[0] == pytest.approx(1 / 25)
    assert max(rates) == rates[29] == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(1 / 250_000)


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_the_shortest_runs_have_a_rate_too(steps: int) -> None:
    for step in range(steps):
        assert 0 < one_cycle(step, steps, 1.0) <= 1.0


def test_the_rate_reaches_every_group() -> None:
    optimiser = build_optimiser([torch.nn.Parameter(torch.zeros(1))], OptimiserConfig(weight_decay=0.02))
    optimiser.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))]})
    set_learning_rate(optimiser, 0.125)
    assert [group["lr"] for group in optimiser.param_groups] == [0.125, 0.125]
    assert optimiser.param_groups[0]["weight_decay"] == 0.02
