"""Oracle: every point by itself, into the world at its own moment and back out at the sweep's."""

from __future__ import annotations

import numpy as np
import torch

from lima.datasets.compensation import STEP_S, compensated
from lima.geometry.rigid import RigidTransform

NOW_NS = 1_700_000_000_000_000_000


def world_from_lidar(time_ns: int) -> RigidTransform:
    """Through a bend, up a ramp, far from the origin."""
    time_s = (time_ns - NOW_NS) * 1e-9
    yaw, pitch = 2.0 + 0.9 * time_s, 0.2 * time_s
    turn = RigidTransform.from_quaternion(
        [np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)], [300.0 + 12 * time_s, 40.0, 5.0]
    )
    return turn @ RigidTransform.from_quaternion([np.cos(pitch / 2), 0.0, np.sin(pitch / 2), 0.0], [0.0, 0.0, time_s])


def many(times_ns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    poses = [world_from_lidar(int(time_ns)) for time_ns in times_ns]
    return np.stack([pose.rotation.numpy() for pose in poses]), np.stack([pose.translation_m.numpy() for pose in poses])


def test_every_point_is_moved_to_the_timestamp() -> None:
    rng = np.random.default_rng(0)
    xyz_m = rng.normal(scale=20, size=(300, 3)).astype(np.float32)
    time_s = (np.round(rng.uniform(-0.05, 0.1, 300) / STEP_S) * STEP_S).astype(np.float32)
    found = compensated(xyz_m, time_s, NOW_NS, many)
    lidar_from_world = world_from_lidar(NOW_NS).inverse()
    for point, moment_s, moved in zip(xyz_m, time_s, found, strict=True):
        moment_ns = NOW_NS + round(float(moment_s) * 1e9)
        world = world_from_lidar(moment_ns).apply(torch.from_numpy(point.astype(np.float64))[None])
        assert np.abs(lidar_from_world.apply(world)[0].numpy() - moved).max() < 1e-5


def test_points_between_steps_are_off_by_less_than_the_vehicle_moves_in_half_a_step() -> None:
    """At 12 m/s and 0.9 rad/s that is 0.6 mm and, 20 m away, 0.9 mm."""
    xyz_m = np.full((50, 3), 20 / np.sqrt(3), dtype=np.float32)
    time_s = np.linspace(0, 3e-4, 50).astype(np.float32)
    found = compensated(xyz_m, time_s, NOW_NS, many)
    lidar_from_world = world_from_lidar(NOW_NS).inverse()
    for point, moment_s, moved in zip(xyz_m, time_s, found, strict=True):
        world = world_from_lidar(NOW_NS + round(float(moment_s) * 1e9)).apply(
            torch.from_numpy(point.astype(np.float64))[None]
        )
        assert np.linalg.norm(lidar_from_world.apply(world)[0].numpy() - moved) < 1.6e-3
