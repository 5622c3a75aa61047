"""Oracle: what a flip, a turn about the vertical and a scale leave alone, and the frequencies they are said to have."""

import math

import pytest
import torch

from lima.data.augment import augment, random_augmentation


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", range(10))
def test_distances_change_by_one_factor_and_up_stays_up(seed: int) -> None:
    points = torch.randn(50, 3, generator=generator(99)) * 20
    moved = augment(points, generator(seed))
    apart, apart_moved = torch.pdist(points.double()), torch.pdist(moved.double())
    scale = float(apart_moved.sum() / apart.sum())
    assert 0.95 <= scale <= 1.05
    torch.testing.assert_close(apart_moved, scale * apart, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(moved[:, 2], (scale * points[:, 2].double()).float(), rtol=1e-5, atol=1e-5)


def test_same_generator_same_points_and_the_input_is_left_alone() -> None:
    points = torch.randn(50, 3, generator=generator(99))
    before = points.clone()
    assert torch.equal(augment(points, generator(3)), augment(points, generator(3)))
    assert not torch.equal(augment(points, generator(3)), augment(points, generator(4)))
    assert torch.equal(points, before)


def test_mirrored_half_of_the_time_and_turned_everywhere() -> None:
    one = generator(0)
    matrices = torch.stack([random_augmentation(one) for _ in range(4000)])
    scales = matrices[:, 2, 2]
    assert float((torch.linalg.det(matrices) < 0).double().mean()) == pytest.approx(0.5, abs=0.03)
    assert float(scales.mean()) == pytest.approx(1.0, abs=0.002)
    assert float(scales.min()) >= 0.95
    assert float(scales.max()) <= 1.05
    ahead = matrices @ torch.tensor([1.0, 0, 0], dtype=torch.float64)
    eighth = torch.floor((torch.atan2(ahead[:, 1], ahead[:, 0]) + math.pi) / (math.pi / 4)).long().clamp(max=7)
    assert torch.bincount(eighth, minlength=8).min() > 4000 / 8 * 0.8
