"""Oracle: counting. Motion blur, missing beams, crosstalk, incomplete echo and another sensor, with 32 and 64 beams."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch

from lima.evaluate.corruptions.beam_missing import beam_missing, without_beams
from lima.evaluate.corruptions.cross_sensor import cross_sensor, sparser
from lima.evaluate.corruptions.crosstalk import crosstalk, disturbed
from lima.evaluate.corruptions.incomplete_echo import incomplete_echo, without_echoes
from lima.evaluate.corruptions.motion_blur import blurred, motion_blur
from tests.evaluate.corruptions.sweeps import CAR, draw, rings, spinning

BEAMS = pytest.mark.parametrize("beams", [32, 64])


@pytest.mark.parametrize(("severity", "spread_m"), [("light", 0.20), ("moderate", 0.25), ("heavy", 0.30)])
def test_motion_blur_shifts_all_and_shakes_each(severity: str, spread_m: float) -> None:
    sweep, known = spinning(64, 720)
    shifts = []
    for seed in range(200):
        apart = motion_blur(sweep, severity, draw(seed)).sweep.points_lidar - sweep.points_lidar
        shifts.append(apart.mean(dim=0))
        if seed == 0:
            tremble = (apart - apart.mean(dim=0)).std(dim=0).tolist()
            assert tremble == pytest.approx([0.1 * spread_m, 0.1 * spread_m, 0.05 * spread_m], rel=0.02)
    assert torch.stack(shifts).std(dim=0).tolist() == pytest.approx([spread_m] * 3, rel=0.15)
    assert torch.equal(motion_blur(sweep, severity, draw()).labels(known.labels), known.labels)


def test_no_motion_no_blur() -> None:
    sweep, _ = spinning()
    assert torch.equal(blurred(sweep, 0.0, draw()).sweep.points_lidar, sweep.points_lidar)


@BEAMS
@pytest.mark.parametrize(("severity", "share"), [("light", 1 / 4), ("moderate", 1 / 2), ("heavy", 3 / 4)])
def test_so_many_beams_are_missing(beams: int, severity: str, share: float) -> None:
    sweep, known = spinning(beams)
    left = beam_missing(sweep, severity, draw())
    alive = torch.unique(rings(left.sweep))
    assert len(alive) == beams - share * beams  # nuScenes: 32 - 8, 16, 24
    assert torch.equal(left.source, torch.nonzero(torch.isin(rings(sweep), alive))[:, 0])
    assert torch.equal(left.labels(known.labels), known.labels[left.source])
    others = {tuple(torch.unique(rings(beam_missing(sweep, severity, draw(seed)).sweep)).tolist()) for seed in range(5)}
    assert len(others) > 1


@BEAMS
def test_beams_of_a_sensor_that_does_not_tell_them(beams: int) -> None:
    """Dropped by estimated beams, the rings left are the same as those dropped by the known ones."""
    told, _ = spinning(beams, 720)
    untold = replace(told, ring=None)
    for corruption in (beam_missing, lambda sweep, severity, _: cross_sensor(sweep, severity)):
        with_ring, without = (corruption(sweep, "moderate", draw()) for sweep in (told, untold))
        both = set(with_ring.source.tolist()) & set(without.source.tolist())
        assert len(both) > 0.95 * len(with_ring.source)


def test_no_beam_missing_and_never_all() -> None:
    sweep, _ = spinning()
    assert len(without_beams(sweep, 0.0, draw()).source) == len(sweep.points_lidar)
    assert len(torch.unique(rings(without_beams(sweep, 1.0, draw()).sweep))) == 1


@pytest.mark.parametrize(
    ("beams", "shares"), [(32, (0.03, 0.07, 0.12)), (64, (0.006, 0.008, 0.010))], ids=["nuScenes", "KITTI"]
)
def test_crosstalk_disturbs_a_share(beams: int, shares: tuple[float, float, float]) -> None:
    sweep, known = spinning(beams)
    points = len(sweep.points_lidar)
    for severity, share in zip(("light", "moderate", "heavy"), shares, strict=True):
        found = crosstalk(sweep, severity, draw())
        assert int(found.unreal.sum()) == int(share * points)
        apart = found.sweep.points_lidar - sweep.points_lidar
        assert bool((apart[~found.unreal] == 0).all())
        assert torch.equal(found.sweep.intensity[~found.unreal], sweep.intensity[~found.unreal])
        assert bool((found.labels(known.labels)[found.unreal] == 0).all())
    many = disturbed(sweep, 0.9, draw())
    apart = (many.sweep.points_lidar - sweep.points_lidar)[many.unreal]
    assert apart.std(dim=0).tolist() == pytest.approx([3.0] * 3, rel=0.05)
    dimmer = (many.sweep.intensity - sweep.intensity)[many.unreal]
    assert float(dimmer.std()) == pytest.approx(3 / 255, rel=0.05)


def test_no_crosstalk() -> None:
    sweep, _ = spinning()
    assert torch.equal(disturbed(sweep, 0.0, draw()).sweep.points_lidar, sweep.points_lidar)


@pytest.mark.parametrize(("severity", "percent"), [("light", 75), ("moderate", 85), ("heavy", 95)])
def test_vehicles_lose_their_points(severity: str, percent: int) -> None:
    sweep, known = spinning()
    found = incomplete_echo(sweep, known, severity, draw())
    labels = found.labels(known.labels)
    cars = int((known.labels == CAR).sum())
    assert int((labels == CAR).sum()) == cars - cars * percent // 100
    assert int((labels != CAR).sum()) == int((known.labels != CAR).sum())


def test_small_classes_and_other_classes_keep_their_points() -> None:
    sweep, known = spinning()
    cars = torch.nonzero(known.labels == CAR)[:, 0]
    few = known.labels.clone()
    few[cars[10:]] = 0
    assert len(without_echoes(sweep, replace(known, labels=few), 0.95, draw()).source) == len(sweep.points_lidar)
    assert len(without_echoes(sweep, known, 0.0, draw()).source) == len(sweep.points_lidar)
    with pytest.raises(ValueError, match="none of the classes is one: ignored, tree"):
        incomplete_echo(sweep, replace(known, class_names=("ignored", "tree")), "light", draw())


@BEAMS
@pytest.mark.parametrize(("severity", "eighths"), [("light", 24), ("moderate", 16), ("heavy", 8)])
def test_another_sensor_has_fewer_beams_and_half_the_points_on_each(beams: int, severity: str, eighths: int) -> None:
    sweep, _ = spinning(beams, columns=360)
    found = cross_sensor(sweep, severity)
    left, points = torch.unique(rings(found.sweep), return_counts=True)
    assert len(left) == eighths * beams // 32
    assert int(left.diff().max()) <= 32 // eighths + 1  # an even comb, no holes
    assert set(points.tolist()) == {180}
    of_one = torch.sort(torch.atan2(*found.sweep.points_lidar[rings(found.sweep) == left[0]][:, [1, 0]].T)).values
    steps = torch.rad2deg(of_one.diff())
    assert float(steps.min()) == pytest.approx(2.0, abs=1e-3)
    assert float(steps.max()) == pytest.approx(2.0, abs=1e-3)


def test_the_same_sensor() -> None:
    sweep, _ = spinning()
    assert len(sparser(sweep, Fraction(1), 1).source) == len(sweep.points_lidar)
