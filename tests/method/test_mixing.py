"""Oracle: the union law (every point of both sweeps once in the two mixed ones) and the regions by their definition."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from lima.config import Mixing
from lima.method.mixing import LASER_BANDS, Mixed, laser_mix, mix, polar_mix


def sweeps(seed: int) -> tuple[Tensor, Tensor, torch.Generator]:
    generator = torch.Generator().manual_seed(seed)
    scale = torch.tensor([20.0, 20.0, 2.0])
    return torch.randn(700, 3, generator=generator) * scale, torch.randn(400, 3, generator=generator) * scale, generator


@pytest.mark.parametrize("kind", ["laser", "polar", "both"])
@pytest.mark.parametrize("seed", range(5))
def test_every_point_of_both_sweeps_is_in_one_mixed_sweep(kind: Mixing, seed: int) -> None:
    points_a, points_b, generator = sweeps(seed)
    first, second = mix(points_a, points_b, kind, generator)
    assert torch.cat([first.of_a, second.of_a]).sort().values.equal(torch.arange(700))
    assert torch.cat([first.of_b, second.of_b]).sort().values.equal(torch.arange(400))
    for mixed in (first, second):
        assert len(mixed.of_a) > 50
        assert len(mixed.of_b) > 50


def test_everything_of_a_point_comes_along() -> None:
    mixed = Mixed(torch.tensor([2, 0]), torch.tensor([1]))
    assert mixed.take(torch.tensor([10, 11, 12]), torch.tensor([20, 21])).tolist() == [12, 10, 21]
    rows = mixed.take(torch.arange(6).reshape(3, 2), torch.arange(10, 14).reshape(2, 2))
    assert rows.tolist() == [[4, 5], [0, 1], [12, 13]]


def test_no_mixing_mixes_nothing() -> None:
    points_a, points_b, generator = sweeps(0)
    assert mix(points_a, points_b, "none", generator) == ()


def inclinations(points: Tensor) -> list[float]:
    return [math.degrees(math.atan2(z, math.hypot(x, y))) for x, y, z in points.tolist()]


@pytest.mark.parametrize("seed", range(8))
def test_laser_bands_alternate_between_the_sweeps(seed: int) -> None:
    points_a, points_b, generator = sweeps(seed)
    first, second = laser_mix(points_a, points_b, generator)
    for mixed in (first, second):
        # Walking up in inclination, the sweep a point comes from changes once per edge between bands.
        tagged = [(angle, "a") for angle in inclinations(points_a[mixed.of_a])]
        tagged += [(angle, "b") for angle in inclinations(points_b[mixed.of_b])]
        tagged.sort()
        changes = sum(before[1] != after[1] for before, after in itertools.pairwise(tagged))
        assert LASER_BANDS[0] - 1 <= changes <= LASER_BANDS[1] - 1
    assert min(inclinations(points_a[first.of_a])) < min(inclinations(points_a[second.of_a]))


def test_a_stray_point_overhead_does_not_stretch_the_bands() -> None:
    inclination = torch.linspace(-30, 10, 1000).deg2rad()
    sweep = torch.stack([20 * inclination.cos(), torch.zeros(1000), 20 * inclination.sin()], dim=1)
    straight, _ = laser_mix(sweep, sweep, torch.Generator().manual_seed(3))
    strayed = sweep.clone()
    strayed[0] = torch.tensor([0.0, 0.0, 30.0])
    mixed, _ = laser_mix(strayed, sweep, torch.Generator().manual_seed(3))
    assert len(set(straight.of_a.tolist()) ^ set(mixed.of_a.tolist())) < 10


@pytest.mark.parametrize("seed", range(8))
def test_polar_mix_exchanges_one_half_of_the_turn(seed: int) -> None:
    points_a, points_b, generator = sweeps(seed)
    first, _ = polar_mix(points_a, points_b, generator)
    tagged = [(math.atan2(y, x), "a") for x, y, _ in points_a[first.of_a].tolist()]
    tagged += [(math.atan2(y, x), "b") for x, y, _ in points_b[first.of_b].tolist()]
    tagged.sort()
    turned = [*tagged, tagged[0]]
    changes = [index for index in range(len(tagged)) if turned[index][1] != turned[index + 1][1]]
    assert len(changes) == 2
    sector = tagged[changes[1]][0] - tagged[changes[0]][0]
    assert sector == pytest.approx(math.pi, abs=0.1)


def test_both_takes_each_sometimes() -> None:
    points_a, points_b, _ = sweeps(0)
    halves = 0
    for seed in range(40):
        first, _ = mix(points_a, points_b, "both", torch.Generator().manual_seed(seed))
        _, y, _ = points_a[first.of_a].unbind(dim=1)
        azimuth = torch.atan2(points_a[first.of_a][:, 0], y).sort().values
        gaps = torch.cat([azimuth[1:], azimuth[:1] + 2 * math.pi]) - azimuth
        halves += bool(gaps.max() > 3)
    assert 10 <= halves <= 30


def test_the_same_generator_gives_the_same_mix() -> None:
    points_a, points_b, _ = sweeps(0)
    one, other = (mix(points_a, points_b, "both", torch.Generator().manual_seed(7)) for _ in range(2))
    assert all(x.of_a.equal(y.of_a) and x.of_b.equal(y.of_b) for x, y in zip(one, other, strict=True))
