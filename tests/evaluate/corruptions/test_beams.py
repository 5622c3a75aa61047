"""Oracle: sweeps whose beams are known, made by hand, simulated and of the real sensor."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lima.datasets import open_dataset
from lima.evaluate.corruptions.beams import beam_of_point, estimated_beams
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


def test_the_real_sensor() -> None:
    sequence = open_dataset(shared_folder("data/nuscenes-scene-0523")).sequences(None)[0]
    for index in (1, 20):
        sweep = sequence.frame(index).sweep
        away = sweep.points_lidar.norm(dim=1) > 3
        assert float((estimated_beams(sweep.points_lidar) == rings(sweep))[away].float().mean()) > 0.99
