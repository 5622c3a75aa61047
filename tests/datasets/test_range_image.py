"""Oracle: the definition of range images, pixel by pixel, in loops with math alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from lima.datasets.range_image import points_from_range_image, rings, uniform_inclinations
from lima.geometry.rigid import RigidTransform


def product(first: list[list[float]], second: list[list[float]]) -> list[list[float]]:
    return [[sum(first[i][k] * second[k][j] for k in range(3)) for j in range(3)] for i in range(3)]


def rotation(roll: float, pitch: float, yaw: float) -> list[list[float]]:
    """First about x, then about y, then about z."""
    about_x = [[1, 0, 0], [0, math.cos(roll), -math.sin(roll)], [0, math.sin(roll), math.cos(roll)]]
    about_y = [[math.cos(pitch), 0, math.sin(pitch)], [0, 1, 0], [-math.sin(pitch), 0, math.cos(pitch)]]
    about_z = [[math.cos(yaw), -math.sin(yaw), 0], [math.sin(yaw), math.cos(yaw), 0], [0, 0, 1]]
    return product(about_z, product(about_y, about_x))


def moved(turn: list[list[float]], shift: list[float], point: list[float]) -> list[float]:
    return [sum(turn[i][k] * point[k] for k in range(3)) + shift[i] for i in range(3)]


def pose(rng: np.random.Generator) -> RigidTransform:
    turn = rotation(*rng.uniform((-0.3, -0.3, -3), (0.3, 0.3, 3)))
    return RigidTransform(torch.tensor(turn, dtype=torch.float64), torch.from_numpy(rng.uniform(-50, 50, 3)))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("with_poses", [False, True])
def test_every_pixel_is_the_definition_s(seed: int, with_poses: bool) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = 5, 12
    range_m = rng.uniform(1, 70, (rows, columns)).astype(np.float32)
    range_m[rng.random((rows, columns)) < 0.3] = rng.choice([-1.0, 0.0])
    beams = np.sort(rng.uniform(-0.4, 0.1, rows))
    ego_from_lidar, world_from_ego = pose(rng), pose(rng)
    poses = rng.uniform((-0.2, -0.2, -3, -90, -90, -5), (0.2, 0.2, 3, 90, 90, 5), (rows, columns, 6))
    poses = poses.astype(np.float32)
    wanted, beam_numbers = [], []
    sensor_yaw = math.atan2(float(ego_from_lidar.rotation[1, 0]), float(ego_from_lidar.rotation[0, 0]))
    for row in range(rows):
        for column in range(columns):
            distance = float(range_m[row, column])
            if distance <= 0:
                continue
            inclination = beams[rows - 1 - row]
            azimuth = math.pi - (column + 0.5) * 2 * math.pi / columns - sensor_yaw
            point = [
                distance * math.cos(inclination) * math.cos(azimuth),
                distance * math.cos(inclination) * math.sin(azimuth),
                distance * math.sin(inclination),
            ]
            point = moved(ego_from_lidar.rotation.tolist(), ego_from_lidar.translation_m.tolist(), point)
            if with_poses:
                roll, pitch, yaw, *shift = poses[row, column].tolist()
                point = moved(rotation(roll, pitch, yaw), shift, point)
                point = world_from_ego.inverse().apply(torch.tensor([point], dtype=torch.float64))[0].tolist()
            wanted.append(point)
            beam_numbers.append(rows - 1 - row)
    extra = (poses, world_from_ego.inverse()) if with_poses else ()
    points, held = points_from_range_image(range_m, beams, ego_from_lidar, *extra)
    assert np.abs(points - np.array(wanted)).max() < 1e-9
    assert held.tolist() == (range_m > 0).tolist()
    assert rings(held).tolist() == beam_numbers


def test_columns_begin_behind_and_go_over_the_left() -> None:
    """Seen from above the LiDAR turns clockwise; where the sensor's own x axis points makes no difference."""
    for yaw in (0.0, 2.6):
        mount = RigidTransform(torch.tensor(rotation(0, 0, yaw), dtype=torch.float64), torch.zeros(3).double())
        points, _ = points_from_range_image(np.full((1, 4), 10, np.float32), np.array([0.0]), mount)
        half = math.sqrt(50)
        assert np.abs(points[:, :2] - [[-half, half], [half, half], [half, -half], [-half, -half]]).max() < 1e-9


def test_even_beams_lie_in_the_middle_of_their_steps() -> None:
    assert uniform_inclinations(-1.0, 1.0, 4).tolist() == [-0.75, -0.25, 0.25, 0.75]


def test_poses_of_pixels_need_the_frame_s() -> None:
    with pytest.raises(ValueError, match="pose of the frame"):
        points_from_range_image(
            np.ones((1, 4), np.float32), np.array([0.0]), RigidTransform.identity(), np.zeros((1, 4, 6), np.float32)
        )
