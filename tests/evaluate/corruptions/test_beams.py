"""Oracle: sweeps whose beams are known, made by hand, simulated and of the real sensor."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lima.datasets import open_dataset
from lima.evaluate.corruptions.beams import beam_of_point, beams_in_order, estimated_beams
from tests.evaluate.corruptions.sweeps import rings, spinning
from tests.shared import shared_folder


@pytest.mark.parametrize("beams", [16, 32, 64])
@pytest.mark.parametrize("travel_m", [0.0, 0.5, 1.5, -0.7])
def test_every_beam_is_found_again_standing_and_driving(beams: int, travel_m: float) -> None:
    sweep, _ = spinning(beams, columns=720, travel_m=travel_m)
    found = estimated_beams(sweep.points_lidar)
    assert int(found.max()) + 1 == beams
    assert float((found == rings(sweep)).float().mean()) > 0.97


def test_the_travel_is_what_tells_them_apart() -> None:
    """Without it, 1.5 m smear a beam of 64 over its neighbours: the plain elevations are no comb."""
    sweep, _ = spinning(64, columns=720, travel_m=1.5)
    plain = torch.rad2deg(torch.atan2(sweep.points_lidar[:, 2], sweep.points_lidar[:, :2].norm(dim=1)))
    spread = torch.stack([plain[rings(sweep) == ring].std() for ring in (0, 8)])
    assert bool((spread > 40 / 63 / 2).all())


def test_the_sensors_own_rings_come_first_and_gaps_are_closed() -> None:
    sweep, _ = spinning(8)
    gapped = replace(sweep, ring=rings(sweep) * 3 + 5)
    assert torch.equal(beam_of_point(gapped), rings(sweep))


@pytest.mark.parametrize("turn", [0.0, 2.0, -1.0])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("from_above", [False, True])
def test_files_that_go_round_beam_after_beam(turn: float, mirrored: bool, from_above: bool) -> None:
    """Driving so fast that elevations tell nothing, with echoes missing at random and a view blocked for 70 degrees."""
    sweep, _ = spinning(64, columns=720, travel_m=3.0)
    order = torch.argsort(rings(sweep) * (-1 if from_above else 1), stable=True)
    draw = torch.Generator().manual_seed(0)
    there = torch.rand(len(order), generator=draw) < 0.9
    azimuth = torch.atan2(sweep.points_lidar[:, 1], sweep.points_lidar[:, 0])[order]
    there &= ((azimuth - 1).abs() > 0.6) | (torch.rand(len(order), generator=draw) < 0.01)
    points, ring = sweep.points_lidar[order][there], rings(sweep)[order][there]
    c, s = torch.cos(torch.tensor(turn)), torch.sin(torch.tensor(turn))
    points = torch.stack(
        [c * points[:, 0] - s * points[:, 1], s * points[:, 0] + c * points[:, 1], points[:, 2]], dim=1
    )
    points[:, 1] *= -1 if mirrored else 1
    found = beams_in_order(points)
    assert found is not None
    assert int(found.max()) + 1 == 64
    assert float((found == ring).float().mean()) > 0.98
    assert torch.equal(estimated_beams(points), found)


def test_other_orders_tell_no_beams() -> None:
    sweep, _ = spinning(32)
    assert beams_in_order(sweep.points_lidar) is None  # column after column: one turn
    shuffled = torch.randperm(len(sweep.points_lidar), generator=torch.Generator().manual_seed(0))
    assert beams_in_order(sweep.points_lidar[shuffled]) is None
    assert beams_in_order(sweep.points_lidar[:3]) is None


def test_points_anywhere_become_bands_of_even_height() -> None:
    points = torch.randn(20000, 3, generator=torch.Generator().manual_seed(0)) * 10
    bands = estimated_beams(points)
    assert int(bands.max()) + 1 == 64
    elevation = torch.atan2(points[:, 2], points[:, :2].norm(dim=1))
    middle = torch.stack([elevation[bands == band].mean() for band in range(int(bands.max()) + 1)])
    assert torch.rad2deg(middle.diff())[4:-4].tolist() == pytest.approx([180 / 64] * 55, abs=0.6)


def test_a_sweep_at_the_sensor_is_one_beam() -> None:
    assert estimated_beams(torch.zeros(5, 3)).tolist() == [0] * 5


def test_simulated_drives(simulated_nuscenes: Path) -> None:
    sequence = open_dataset(simulated_nuscenes).sequences("train")[0]
    for index in (0, 3):
        sweep = sequence.frame(index).sweep
        assert float((estimated_beams(sweep.points_lidar) == rings(sweep)).float().mean()) > 0.98


def test_the_real_sensor_of_kitti() -> None:
    """Its files begin a beam ahead of the vehicle and go round once: the azimuth falls from 360 to 0 degrees there."""
    sequence = open_dataset(shared_folder("data/semantic-kitti")).sequences(None)[0]
    for index in range(3):
        points = sequence.frame(index).sweep.points_lidar
        azimuth = torch.remainder(torch.atan2(points[:, 1], points[:, 0]), 2 * torch.pi)
        row = torch.cat([torch.zeros(1, dtype=torch.int64), torch.cumsum((azimuth.diff() < -torch.pi).long(), dim=0)])
        assert int(row[-1]) == 63
        assert torch.equal(estimated_beams(points), 63 - row)


def test_the_real_sensor_of_nuscenes() -> None:
    sequence = open_dataset(shared_folder("data/nuscenes-scene-0523")).sequences(None)[0]
    for index in (1, 20):
        sweep = sequence.frame(index).sweep
        away = sweep.points_lidar.norm(dim=1) > 3
        assert float((estimated_beams(sweep.points_lidar) == rings(sweep))[away].float().mean()) > 0.99
