"""Oracle: Fresnel's equations and the sum over all reflections inside the film, by hand."""

import math
from dataclasses import replace

import pytest
import torch

from lima.evaluate.corruptions.ground import faintest, ground_echoes
from lima.evaluate.corruptions.wet_ground import INSIDE_REFLECTANCE, transmittance, wet_ground, wet_over_dry, wetted
from tests.evaluate.corruptions.sweeps import HEIGHT_M, ROAD, spinning

N = 1.33


def through_one_by_one(angle: float) -> float:
    """Share of light that enters water at this angle of incidence, from Snell's and Fresnel's laws."""
    inside = math.asin(math.sin(angle) / N)
    s = -math.sin(angle - inside) / math.sin(angle + inside)
    p = math.tan(angle - inside) / math.tan(angle + inside)
    return 1 - (s * s + p * p) / 2


@pytest.mark.parametrize("degrees", [5, 30, 53.06, 70, 85, 89])
def test_fresnel(degrees: float) -> None:
    angle = math.radians(degrees)
    found = transmittance(torch.tensor([math.cos(angle)], dtype=torch.float64))
    assert float(found) == pytest.approx(through_one_by_one(angle), rel=1e-6)


def test_straight_down_two_percent_are_mirrored() -> None:
    found = transmittance(torch.ones(1, dtype=torch.float64))
    assert float(found) == pytest.approx(1 - (0.33 / 2.33) ** 2)  # 0.9799


@pytest.mark.parametrize("reflectance", [0.05, 0.3, 1.0])
def test_all_orders_of_reflection_in_the_film(reflectance: float) -> None:
    angle = math.radians(40)
    through = through_one_by_one(angle)
    escaping, light = 0.0, through  # the light that strikes the ground for the first, second … time
    for _ in range(200):
        escaping += light * reflectance * through / N**2
        light *= reflectance * INSIDE_REFLECTANCE
    ratio = wet_over_dry(torch.tensor([math.cos(angle)]).double(), torch.tensor([reflectance]).double())
    assert float(ratio) == pytest.approx(escaping / reflectance)


def test_wet_asphalt_is_about_half_as_bright_from_above_and_black_edge_on() -> None:
    cosines = torch.tensor([1.0, 0.1, 0.01], dtype=torch.float64)
    ratios = wet_over_dry(cosines, torch.full((3,), 0.1, dtype=torch.float64)).tolist()
    assert ratios[0] == pytest.approx(0.9799**2 / 1.7689 / (1 - 0.0472), rel=1e-4)
    assert ratios[0] > ratios[1] > ratios[2] > 0
    assert ratios[2] < 0.01


def test_a_dry_road_changes_nothing() -> None:
    sweep, known = spinning()
    dry = wetted(sweep, known, 0.0, 0.7)
    assert torch.equal(dry.source, torch.arange(len(sweep.points_lidar)))
    assert torch.equal(dry.sweep.intensity, sweep.intensity)


def test_only_the_ground_fades_and_the_farther_the_more() -> None:
    sweep, known = spinning()
    wet = wetted(sweep, known, 1.2, 0.0)
    assert len(wet.source) == len(sweep.points_lidar)
    share = wet.sweep.intensity / sweep.intensity
    road = known.labels == ROAD
    assert bool((share[~road] == 1).all())
    assert bool((share[road] < 0.65).all())
    near = road & (sweep.points_lidar.norm(dim=1) < 5)
    far = road & (sweep.points_lidar.norm(dim=1) > 20)
    assert float(share[near].median()) > 2 * float(share[far].median()) > 0
    point = int(torch.nonzero(far)[0])
    cosine = HEIGHT_M / float(sweep.points_lidar[point].norm())
    lowest = through_one_by_one(math.acos(cosine)) ** 2 / N**2 / (1 - INSIDE_REFLECTANCE * 0.05)
    highest = lowest * (1 - INSIDE_REFLECTANCE * 0.05) / (1 - INSIDE_REFLECTANCE)
    assert lowest * 0.999 <= float(share[point]) <= highest * 1.001


def test_half_covered_pavement_loses_half_as_much() -> None:
    sweep, known = spinning()
    half, full = (wetted(sweep, known, water, 0.0).sweep.intensity for water in (0.6, 1.2))
    torch.testing.assert_close(sweep.intensity - half, (sweep.intensity - full) / 2)


def test_points_below_the_noise_vanish() -> None:
    sweep, known = spinning()
    kept = [len(wetted(sweep, known, 1.2, floor).source) for floor in (0.0, 0.3, 0.7)]
    assert kept[0] == len(sweep.points_lidar) > kept[1] > kept[2] > 0
    heavy = wetted(sweep, known, 1.2, 0.7)
    gone = torch.ones(len(sweep.points_lidar), dtype=torch.bool)
    gone[heavy.source] = False
    assert bool((known.labels[gone] == ROAD).all())
    assert torch.equal(heavy.labels(known.labels), known.labels[heavy.source])


def test_the_faintest_echoes_are_a_line_over_range() -> None:
    """Ground whose echoes are (0.3 - 0.01 r) cos times 1 … 2: the 5th percentile lies 5 % above the least."""
    sweep, known = spinning(64, 720)
    road = known.labels == ROAD
    range_m = sweep.points_lidar.norm(dim=1)
    factor = 1 + torch.rand(len(range_m), generator=torch.Generator().manual_seed(1))
    intensity = (0.3 - 0.01 * range_m).clamp(min=0.05) * HEIGHT_M / range_m * factor
    lit = replace(sweep, intensity=torch.where(road & (range_m < 20), intensity, 0.3))
    echoes = ground_echoes(lit, replace(known, labels=torch.where(range_m < 20, known.labels, 0)))
    intercept, slope = faintest(echoes).tolist()
    assert intercept == pytest.approx(0.3 * 1.05, rel=0.05)
    assert slope == pytest.approx(-0.01 * 1.05, rel=0.15)


def test_ground_without_labels_is_what_lies_at_a_plane() -> None:
    sweep, known = spinning(64)
    nameless = replace(known, class_names=("ignored", "a", "b", "c"))
    found = ground_echoes(sweep, nameless).on
    truth = known.labels == ROAD
    assert float(found[truth].float().mean()) > 0.99
    assert float(truth[found].float().mean()) > 0.9
    tilted = replace(
        sweep, points_lidar=sweep.points_lidar + torch.tensor([0.0, 0.0, 0.03]) * sweep.points_lidar[:, :1]
    )
    assert float(ground_echoes(tilted, None).on[truth].float().mean()) > 0.95


def test_hardly_any_ground_changes_nothing() -> None:
    sweep, known = spinning(8, 16)
    assert torch.equal(wet_ground(sweep, known, "heavy").sweep.intensity, sweep.intensity)
