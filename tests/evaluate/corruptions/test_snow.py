"""Oracle: moments of Gunn and Marshall's distribution by hand, Poisson counts, and the sum of pulses beam by beam."""

import math
from dataclasses import replace

import pytest
import torch

from lima.evaluate.corruptions.snow import DIVERGENCE_RAD, PULSE_M, SNOWFALL, snow, snowy
from lima.evaluate.corruptions.snowflakes import Snowfall, disc_radii_m, flakes_in_beams
from tests.evaluate.corruptions.sweeps import draw, spinning


@pytest.mark.parametrize(
    ("severity", "rain_mm_h", "occupancy"),
    [
        ("light", 2.2383844962893775, 6.944444444444445e-07),
        ("moderate", 8.847991609353935, 1.7361111111111108e-06),
        ("heavy", 34.97475775452152, 4.340277777777777e-06),
    ],
)
def test_the_laws_of_snowfall(severity: str, rain_mm_h: float, occupancy: float) -> None:
    """The figures that Hahner et al. give their patterns of flakes in their names."""
    assert SNOWFALL[severity].rain_mm_h == pytest.approx(rain_mm_h)
    assert SNOWFALL[severity].occupancy == pytest.approx(occupancy)


def test_flakes_are_exponentially_large() -> None:
    """At 1 mm/h of rain, Lambda is 25.5 per cm: D has mean 10 / 25.5 mm and its square 2 / Lambda^2. A disc is the cut
    of a ball at an even height: E[a] = pi / 8 E[D], E[a^2] = E[D^2] / 6."""
    one = Snowfall(487 * 0.1 * 0.003 * 2.0, 2.0)
    assert one.rain_mm_h == pytest.approx(1.0)
    assert one.mean_diameter_mm == pytest.approx(10 / 25.5)
    assert one.mean_square_radius_m2 == pytest.approx(2 * (0.01 / 25.5) ** 2 / 6)
    radii = disc_radii_m(one, 400_000, draw())
    assert float(radii.mean()) == pytest.approx(math.pi / 8 * 0.01 / 25.5, rel=0.01)
    assert float(radii.square().mean()) == pytest.approx(one.mean_square_radius_m2, rel=0.02)


def test_no_flake_is_larger_than_two_centimetres() -> None:
    """In snow so heavy that the cut matters: both moments by a sum over the density."""
    blizzard = Snowfall(20.0, 1.0)
    mean = blizzard.mean_diameter_mm
    assert mean > 6
    steps = torch.arange(200_000, dtype=torch.float64) / 200_000 * 20 + 5e-5
    density = torch.exp(-steps / mean)
    square = float((steps.square() * density).sum() / density.sum()) * 1e-6
    assert blizzard.mean_square_radius_m2 == pytest.approx(square / 6, rel=1e-4)
    radii = disc_radii_m(blizzard, 100_000, draw())
    assert float(radii.max()) <= 0.01
    assert float(radii.square().mean()) == pytest.approx(square / 6, rel=0.02)


def test_as_much_of_the_plane_is_snow_as_the_occupancy_says() -> None:
    heavy = SNOWFALL["heavy"]
    assert heavy.discs_per_m2 * math.pi * heavy.mean_square_radius_m2 == pytest.approx(4.340277777777777e-06)


def test_flakes_in_a_beam_are_poisson_and_denser_far_out() -> None:
    heavy, range_m, beams = SNOWFALL["heavy"], 40.0, 20_000
    flakes = flakes_in_beams(torch.full((beams,), range_m).double(), 0.003, heavy, draw())
    counts = torch.bincount(flakes.beam, minlength=beams).double()
    expected = heavy.discs_per_m2 * 0.003 * range_m**2 / 2
    assert float(counts.mean()) == pytest.approx(expected, rel=0.02)
    assert float(counts.var()) == pytest.approx(expected, rel=0.05)
    assert float(flakes.range_m.mean()) == pytest.approx(2 / 3 * range_m, rel=0.01)  # density 2 r / R^2
    order = flakes.beam.double() * 100 + flakes.range_m
    assert bool((order.diff() >= 0).all())


def test_light_lost_to_flakes() -> None:
    """A beam loses n E[2 a] of its width per metre: exp(-n E[2a] r) of the light is left after r metres on average,
    because the flakes of a Poisson process cover independently."""
    heavy, range_m, beams = SNOWFALL["heavy"], 60.0, 20_000
    flakes = flakes_in_beams(torch.full((beams,), range_m).double(), 0.003, heavy, draw())
    left = torch.ones(beams).double().scatter_reduce(0, flakes.beam, 1 - flakes.covered, "prod")
    mean_diameter_m = math.pi / 4 * heavy.mean_diameter_mm / 1000
    assert float(left.mean()) == pytest.approx(math.exp(-heavy.discs_per_m2 * mean_diameter_m * range_m), rel=0.01)


def test_without_snow_nothing_changes() -> None:
    sweep, known = spinning()
    clear = snowy(sweep, known, Snowfall(0.0, 1.6), 0.7, draw())
    assert torch.equal(clear.source, torch.arange(len(sweep.points_lidar)))
    assert torch.equal(clear.sweep.points_lidar, sweep.points_lidar)
    assert torch.equal(clear.sweep.intensity, sweep.intensity)


def one_by_one(thing: float, range_m: float, flakes: list[tuple[float, float]]) -> tuple[float, float]:
    """Range and power of the strongest echo of one beam: the sum of pulses at the middle of each, in loops."""
    echoes, left = [], 1.0
    for flake_m, covered in flakes:
        seen = min(max((flake_m - 0.9) / 0.1, 0.0), 1.0)
        echoes.append((flake_m, 0.9 * covered * left * seen / max(flake_m, 0.9) ** 2))
        left *= 1 - covered
    echoes.append((range_m, thing * left))
    best = (0.0, -1.0)
    for middle, _ in echoes:
        power = 0.0
        for start, height in echoes:
            since = middle - start + PULSE_M / 2
            if 0 < since < PULSE_M:
                power += height * math.sin(math.pi * since / PULSE_M) ** 2
        if power >= best[1]:
            best = (middle, power)
    return best


def test_every_beam_returns_the_strongest_echo() -> None:
    sweep, known = spinning(16, 90)
    sweep = replace(sweep, intensity=sweep.intensity / 40)  # dark things, so that flakes win often
    thick = Snowfall(20.0, 1.0)
    range_m = sweep.points_lidar.double().norm(dim=1)
    flakes = flakes_in_beams(range_m, DIVERGENCE_RAD, thick, draw(3))
    found = snowy(sweep, known, thick, 0.0, draw(3))
    assert 0.01 < float(found.unreal.float().mean()) < 0.9
    for point in range(len(range_m)):
        own = flakes.beam == point
        mine = list(zip(flakes.range_m[own].tolist(), flakes.covered[own].tolist(), strict=True))
        at_m, power = one_by_one(float(sweep.intensity[point]), float(range_m[point]), mine)
        is_flake = float(range_m[point]) - at_m >= 0.2
        assert bool(found.unreal[point]) == is_flake
        got_m = float(found.sweep.points_lidar[point].norm())
        assert got_m == pytest.approx(at_m if is_flake else float(range_m[point]), rel=1e-4)
        limit = 1.0 if is_flake else float(sweep.intensity[point])
        assert float(found.sweep.intensity[point]) == pytest.approx(min(power, limit), rel=1e-4)


def test_more_snow_hides_more() -> None:
    sweep, known = spinning(64)
    hidden = [float(snow(sweep, known, severity, draw()).unreal.float().mean()) for severity in SNOWFALL]
    assert 0 < hidden[0] < hidden[1] < hidden[2] < 0.2
    heavy = snow(sweep, known, "heavy", draw())
    assert bool((heavy.sweep.points_lidar.norm(dim=1) <= sweep.points_lidar[heavy.source].norm(dim=1) + 1e-3).all())
    assert bool((heavy.labels(known.labels)[heavy.unreal] == 0).all())
