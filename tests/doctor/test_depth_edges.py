"""Oracle: a board before a wall, met by beams at known angles."""

import math

import pytest
import torch

from lima.doctor.depth_edges import depth_edges, range_image
from tests.doctor.hand_made import sweep_of

STEP_DEG, BOARD_DEG = 0.3, 10.0
ELEVATIONS_DEG = torch.arange(-10.0, 11.0, 2.0)
BOARD_M, WALL_M = 6.0, 20.0


def board_before_wall() -> tuple[torch.Tensor, torch.Tensor]:
    """All around is a wall at 20 m; a board at 6 m spans 10 degrees to both sides of straight ahead, up to 3 degrees.

    Beams are half a step off round numbers, so that the board ends between two of them.
    """
    azimuth = torch.deg2rad(torch.arange(-180 + STEP_DEG / 2, 180, STEP_DEG))
    elevation = torch.deg2rad(ELEVATIONS_DEG)
    grid = torch.cartesian_prod(elevation, azimuth)
    on_board = (grid[:, 1].abs() < math.radians(BOARD_DEG)) & (grid[:, 0] < math.radians(3))
    distance = torch.where(on_board, BOARD_M, WALL_M)[:, None]
    flat = grid[:, 0].cos()
    directions = torch.stack([flat * grid[:, 1].cos(), flat * grid[:, 1].sin(), grid[:, 0].sin()], dim=1)
    ring = torch.arange(len(elevation)).repeat_interleave(len(azimuth))
    return directions * distance, ring


@pytest.mark.parametrize("rings", ["told", "found", "shuffled"])
def test_every_outline_crosses_the_boards_end(rings: str) -> None:
    """Also where the sensor tells no rings, or numbers that say nothing about where they look."""
    points, ring = board_before_wall()
    told = {"told": ring, "found": None, "shuffled": (7 * ring) % len(ELEVATIONS_DEG)}
    edges = depth_edges(sweep_of(points, told[rings]))
    ends = edges.stretches_lidar[:, [0, -1]].double()
    torch.testing.assert_close(ends.norm(dim=2), torch.full(ends.shape[:2], BOARD_M, dtype=torch.float64))
    azimuth = torch.rad2deg(torch.atan2(ends[..., 1], ends[..., 0])).abs()
    elevation = torch.rad2deg(torch.asin(ends[..., 2] / BOARD_M))
    sideways = (azimuth[:, 0] - azimuth[:, 1]).abs() > 0.01
    # to the sides: between the last beam on the board and the first beside it, in every row with a board
    assert int(sideways.sum()) == 2 * int((ELEVATIONS_DEG < 3).sum())
    assert bool(((azimuth[sideways, 0] < BOARD_DEG) & (azimuth[sideways, 1] > BOARD_DEG)).all())
    # upwards: from the highest row on the board to the first above it, in every column
    assert int((~sideways).sum()) >= int(2 * BOARD_DEG / STEP_DEG) - 2
    torch.testing.assert_close(elevation[~sideways, 0], torch.full_like(elevation[~sideways, 0], 2.0), atol=0.2, rtol=0)
    assert bool((elevation[~sideways, 1] > 3).all())


def test_a_plain_wall_has_none() -> None:
    points, ring = board_before_wall()
    assert len(depth_edges(sweep_of(points / points.norm(dim=1, keepdim=True) * WALL_M, ring))) == 0


def test_a_few_points_have_none() -> None:
    assert len(depth_edges(sweep_of(10 * torch.eye(3)))) == 0


def test_rows_and_columns_are_the_beams() -> None:
    points, ring = board_before_wall()
    image = range_image(sweep_of(points, ring))
    assert image is not None
    assert image.point.shape[0] == len(ELEVATIONS_DEG)
    assert image.step_rad == pytest.approx(math.radians(STEP_DEG), rel=0.01)
    torch.testing.assert_close(torch.rad2deg(image.elevation_rad).float(), ELEVATIONS_DEG, atol=0.01, rtol=0)
