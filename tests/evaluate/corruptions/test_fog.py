"""Oracle: the equations of Hahner et al. (2021) evaluated one point at a time, and arithmetic by hand."""

import math
from dataclasses import replace

import pytest
import torch

from lima.evaluate.corruptions import fog as fog_module
from lima.evaluate.corruptions.fog import fog, foggy, soft_response, strongest_response
from tests.evaluate.corruptions.sweeps import draw, spinning


def definition(range_m: float, attenuation_per_m: float) -> float:
    """I(R) as an integral in a loop, with finer steps than the product's."""
    tau_h, steps, total = 20e-9, 4000, 0.0
    for step in range(steps):
        t = (step + 0.5) * 2 * tau_h / steps
        r = range_m - 299_792_458.0 * t / 2
        seen = 0.0 if r <= 0.9 else 1.0 if r >= 1.0 else (r - 0.9) / 0.1
        if seen:
            total += math.sin(math.pi * t / (2 * tau_h)) ** 2 * seen * math.exp(-2 * attenuation_per_m * r) / r**2
    return total * 2 * tau_h / steps


@pytest.mark.parametrize("attenuation_per_m", [0.0, 0.06])
def test_the_integral(attenuation_per_m: float) -> None:
    ranges = torch.tensor([0.5, 1.0, 2.5, 4.0, 8.0, 30.0], dtype=torch.float64)
    expected = [definition(range_m, attenuation_per_m) for range_m in ranges.tolist()]
    assert soft_response(ranges, attenuation_per_m).tolist() == pytest.approx(expected, rel=2e-2, abs=1e-14)


def test_echoes_fade_with_exp_of_minus_two_alpha_r() -> None:
    sweep, _ = spinning()
    thin = foggy(sweep, 0.03, 0.0, draw())
    range_m = sweep.points_lidar.norm(dim=1)
    assert not bool(thin.unreal.any())
    assert torch.equal(thin.sweep.points_lidar, sweep.points_lidar)
    torch.testing.assert_close(thin.sweep.intensity, sweep.intensity * torch.exp(-0.06 * range_m))
    fifty = replace(sweep, points_lidar=torch.tensor([[30.0, 40.0, 0.0]]), intensity=torch.tensor([0.8]), ring=None)
    assert float(foggy(fifty, 0.02, 0.0, draw()).sweep.intensity) == pytest.approx(0.8 * math.exp(-2))


def test_no_fog_changes_nothing() -> None:
    sweep, known = spinning()
    clear = foggy(sweep, 0.0, 0.0, draw())
    assert torch.equal(clear.sweep.points_lidar, sweep.points_lidar)
    assert torch.equal(clear.sweep.intensity, sweep.intensity)
    assert torch.equal(clear.labels(known.labels), known.labels)


def test_fog_answers_where_it_is_louder_than_the_thing() -> None:
    """Without attenuation the thing answers with i and the fog with i r^2 beta / beta_0 max I, so range alone decides:
    by hand, fog wins from sqrt(beta_0 / beta / max I) on."""
    strongest = max(definition(0.1 * step, 0.0) for step in range(20, 80))
    border_m = math.sqrt(1e-6 / math.pi / 0.05 / strongest)
    assert 20 < border_m < 60
    sweep, _ = spinning()
    range_m = torch.linspace(border_m - 3, border_m + 3, 301)
    ahead = replace(
        sweep,
        points_lidar=torch.stack([range_m, torch.zeros(301), torch.zeros(301)], dim=1),
        intensity=torch.full((301,), 0.3),
        ring=None,
    )
    thick = foggy(ahead, 0.0, 0.05, draw())
    assert not bool(thick.unreal[range_m < border_m - 0.3].any())
    assert bool(thick.unreal[range_m > border_m + 0.3].all())


def test_fog_echoes_lie_on_their_rays_near_the_sensor() -> None:
    sweep, known = spinning()
    thick = foggy(sweep, 0.06, 0.2, draw())
    assert 0.3 < float(thick.unreal.float().mean()) < 1
    before, after = sweep.points_lidar[thick.unreal], thick.sweep.points_lidar[thick.unreal]
    range_m = after.norm(dim=1)
    torch.testing.assert_close(after / range_m[:, None], before / before.norm(dim=1)[:, None], atol=1e-5, rtol=1e-5)
    _, at_m = strongest_response(0.06)
    nearest, farthest = float(at_m.max()) / 1.5, float(at_m.max()) * 2
    assert bool((range_m < farthest + 0.1).all())
    assert float(range_m.quantile(0.1)) > nearest * 0.5
    assert bool((thick.labels(known.labels)[thick.unreal] == 0).all())
    assert torch.equal(thick.labels(known.labels)[~thick.unreal], known.labels[~thick.unreal])
    assert bool((thick.sweep.intensity <= 1).all())


def test_heavier_fog_hides_more() -> None:
    sweep, _ = spinning()
    hidden = [int(foggy(sweep, 0.03, beta, draw()).unreal.sum()) for beta in (0.0, 0.008, 0.05, 0.2)]
    assert hidden == sorted(hidden)
    assert len(set(hidden)) == 4


def test_the_attenuation_is_drawn_among_six() -> None:
    """The darkening of points that are not fog tells which was drawn; over 60 draws each comes up."""
    sweep, _ = spinning(8, 16)
    seen = set()
    for seed in range(60):
        foggy_sweep = fog(sweep, "light", draw(seed))
        real = ~foggy_sweep.unreal
        range_m = sweep.points_lidar.norm(dim=1)[real]
        alpha = -torch.log(foggy_sweep.sweep.intensity[real] / sweep.intensity[real]) / (2 * range_m)
        seen.add(round(float(alpha.median()), 4))
    assert seen == set(fog_module.ATTENUATIONS_PER_M)
