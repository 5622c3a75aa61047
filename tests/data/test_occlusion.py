"""Oracle: the definition in loops (oracles/occlusion.py), and walls and grounds whose answer is plain."""

import pytest
import torch
from torch import Tensor

from lima.data.occlusion import hidden_points
from tests.oracles.occlusion import slow_hidden_points


def wall(distance_m: float, half_width_m: float = 2.0) -> Tensor:
    """Returns of 32 beams, 1.33 degrees apart, from a wall across the camera's view."""
    x, beam = torch.meshgrid(torch.arange(-half_width_m, half_width_m, 0.02), torch.arange(-6.0, 7), indexing="ij")
    y = torch.tan(torch.deg2rad(beam * 1.33)) * torch.hypot(x, torch.tensor(distance_m))
    return torch.stack([x, y, torch.full_like(x, distance_m)], dim=2).reshape(-1, 3)


def ground(height_m: float, beam_step: float) -> Tensor:
    """Returns from flat ground below the camera, the LiDAR 0.3 m above it."""
    azimuth, beam = torch.meshgrid(torch.arange(-30, 30, 0.33), torch.arange(1.5, 25, beam_step), indexing="ij")
    distance_m = (height_m + 0.3) / torch.tan(torch.deg2rad(beam))
    x, z = distance_m * torch.sin(torch.deg2rad(azimuth)), distance_m * torch.cos(torch.deg2rad(azimuth))
    return torch.stack([x, torch.full_like(x, height_m), z], dim=2).reshape(-1, 3)


def test_equals_the_definition_in_loops() -> None:
    generator = torch.Generator().manual_seed(0)
    spread = torch.tensor([0.2, 0.1, 1.0])
    points = torch.rand(600, 3, generator=generator) * spread * 40 + torch.tensor([-4.0, -2.0, 2.0])
    hidden = hidden_points(points)
    # Points on an edge between two cells may fall either way in single precision.
    flips = sum(fast != slow for fast, slow in zip(hidden.tolist(), slow_hidden_points(points), strict=True))
    assert flips <= 1
    assert 30 < int(hidden.sum()) < 570


@pytest.mark.parametrize("distance_m", [3.0, 8.0, 15.0])
def test_what_is_behind_a_wall_is_hidden_also_between_its_beams(distance_m: float) -> None:
    behind = wall(30.0) * torch.tensor([0.3, 0.5, 1.0]) + torch.tensor([0.0, 0.07, 0.0])
    hidden = hidden_points(torch.cat([wall(distance_m), behind]))
    assert not hidden[: -len(behind)].any()
    assert bool(hidden[-len(behind) :].all())


def test_what_is_beside_a_wall_is_not() -> None:
    beside = wall(30.0, half_width_m=0.5) + torch.tensor([16.0, 0.0, 0.0])
    assert not hidden_points(torch.cat([wall(8.0), beside])).any()


@pytest.mark.parametrize("height_m", [1.5, 1.65, 2.0])
@pytest.mark.parametrize("beam_step", [1.33, 0.42, 0.2], ids=["32 beams", "64 beams", "128 beams"])
def test_flat_ground_does_not_hide_itself(height_m: float, beam_step: float) -> None:
    assert not hidden_points(ground(height_m, beam_step)).any()


def test_a_wall_does_not_hide_itself_nor_what_stands_just_before_another() -> None:
    assert not hidden_points(torch.cat([wall(10.0), wall(10.4)])).any()


def test_no_points() -> None:
    assert hidden_points(torch.zeros(0, 3)).shape == (0,)
