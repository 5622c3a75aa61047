"""Oracle: the meaning of seeds and of the parts of a `Corrupted`, over all eight corruptions and three severities."""

from dataclasses import replace

import pytest
import torch

from lima.evaluate.corruptions.corrupted import SEVERITIES, generator_for, kept
from lima.evaluate.corruptions.every import CORRUPTIONS, corrupt
from tests.evaluate.corruptions.sweeps import draw, spinning

RANDOM = [name for name in CORRUPTIONS if name not in ("wet_ground", "cross_sensor")]


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_same_seed_same_sweep_and_the_clean_one_stays_clean(name: str, severity: str) -> None:
    sweep, known = spinning()
    points, intensity, labels = sweep.points_lidar.clone(), sweep.intensity.clone(), known.labels.clone()
    first, again = (corrupt(name, sweep, known, severity, draw(7)) for _ in range(2))
    for one, other in ((first.sweep.points_lidar, again.sweep.points_lidar), (first.source, again.source)):
        assert torch.equal(one, other)
    assert torch.equal(first.sweep.intensity, again.sweep.intensity)
    assert torch.equal(first.unreal, again.unreal)
    assert torch.equal(sweep.points_lidar, points)
    assert torch.equal(sweep.intensity, intensity)
    assert torch.equal(known.labels, labels)


@pytest.mark.parametrize("name", RANDOM)
def test_other_seeds_other_sweeps(name: str) -> None:
    sweep, known = spinning()
    first, other = (corrupt(name, sweep, known, "heavy", draw(seed)) for seed in (0, 1))
    same = first.source.shape == other.source.shape and torch.equal(first.source, other.source)
    assert not (same and torch.equal(first.sweep.points_lidar, other.sweep.points_lidar))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_point_left_comes_from_one_of_the_clean_sweep(name: str) -> None:
    sweep, known = spinning(64)
    found = corrupt(name, sweep, known, "heavy", draw())
    points = len(found.sweep.points_lidar)
    assert found.source.shape == found.unreal.shape == found.sweep.intensity.shape == (points,)
    assert bool((found.source.diff() > 0).all())
    assert torch.equal(found.sweep.ring, sweep.ring[found.source])
    real = ~found.unreal
    if name != "motion_blur":
        assert torch.equal(found.sweep.points_lidar[real], sweep.points_lidar[found.source][real])
    assert float(found.sweep.intensity.min()) >= 0
    assert float(found.sweep.intensity.max()) <= 1
    assert torch.equal(found.labels(known.labels) == 0, found.unreal)


def test_a_sensor_without_rings_can_have_them_all() -> None:
    sweep, known = spinning(with_ring=False)
    for name in CORRUPTIONS:
        assert corrupt(name, sweep, known, "light", draw()).sweep.ring is None


def test_there_is_no_other() -> None:
    sweep, known = spinning()
    with pytest.raises(ValueError, match="no corruption 'rain'; there are fog, wet_ground"):
        corrupt("rain", sweep, known, "light", draw())


def test_a_sweep_keeps_a_point() -> None:
    sweep, _ = spinning(8, 8)
    nearer = replace(sweep, points_lidar=sweep.points_lidar * torch.where(torch.arange(64) == 5, 0.1, 1.0)[:, None])
    assert kept(nearer, torch.zeros(64, dtype=torch.bool)).source.tolist() == [5]


def test_generators_depend_on_their_names_alone() -> None:
    def number(*names: str, seed: int = 0) -> int:
        return int(torch.randint(1 << 60, (1,), generator=generator_for(seed, *names)))

    assert number("fog", "light", "token") == number("fog", "light", "token")
    different = {number("fog", "light"), number("fog", "heavy"), number("foglight"), number("fog", "light", seed=1)}
    assert len(different) == 4
