"""A street of walls and boxes that stand still, and a vehicle that scans it: every answer is known exactly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from lima.geometry.rigid import RigidTransform
from lima.scene import Frame, Sweep

POINTS, FARTHEST_M, NOISE_M = 4000, 40.0, 0.01
FIRST_NS, STEP_NS, TURN_S = 1_600_000_000_000_000_000, 100_000_000, 0.1
EGO_FROM_LIDAR = RigidTransform.from_quaternion([np.cos(0.2), 0.0, 0.0, np.sin(0.2)], [1.0, 0.2, 1.8])
Way = Callable[[float], tuple[float, float, float]]
"""x, y in metres and yaw in radians at a time in seconds"""


def ahead(speed_mps: float = 8.0) -> Way:
    """Straight on, speeding up evenly in the first second."""
    return lambda time_s: (speed_mps * (time_s**2 / 2 if time_s < 1 else time_s - 0.5), 0.0, 0.0)


def around(radius_m: float = 10.0, turn_s: float = 8.0) -> Way:
    """In circles, to the left."""

    def way(time_s: float) -> tuple[float, float, float]:
        angle = 2 * np.pi * time_s / turn_s
        return radius_m * np.sin(angle), radius_m * (1 - np.cos(angle)), angle

    return way


def pose_on(way: Way, time_s: float) -> RigidTransform:
    """`world_from_ego`."""
    x, y, yaw = way(time_s)
    return RigidTransform.from_quaternion([np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)], [x, y, 0.0])


def street(length_m: float = 160.0) -> np.ndarray:
    """Points on the road, on two walls with pillars, and on boxes at the kerb, 20 cm apart."""
    rng = np.random.default_rng(7)
    parts = []
    for _ in range(int(length_m * 12)):
        parts.append((*rng.uniform((-40, -15), (length_m - 40, 15)), 0.0))  # the road
    for side in (-16.0, 16.0):
        for x in np.arange(-40, length_m - 40, 0.2):
            depth = 1.5 * (int(x // 7) % 3 == 0)
            parts += [(x, side - np.sign(side) * depth, z) for z in np.arange(0.2, 5, 0.4)]
    for x, y in rng.uniform((-35, -12), (length_m - 45, 12), (40, 2)):
        if abs(y) > 4:
            parts += [(x + u, y + v, z) for u in (0, 1.6) for v in np.arange(0, 2, 0.2) for z in np.arange(0.2, 2, 0.3)]
            parts += [(x + u, y + v, z) for u in np.arange(0, 1.6, 0.2) for v in (0, 2) for z in np.arange(0.2, 2, 0.3)]
    return np.array(parts)


def scans(way: Way, sweeps: int, moving: bool = False) -> tuple[list[Frame], list[np.ndarray]]:
    """Frames without pictures, and when each point was measured, in seconds from its sweep's timestamp.

    moving: points are where the LiDAR saw them at their own moment; else all as if at the timestamp.
    """
    world, rng = street(), np.random.default_rng(0)
    frames, times = [], []
    for index in range(sweeps):
        now_s = index * STEP_NS * 1e-9
        world_from_ego = pose_on(way, now_s)
        world_from_lidar = world_from_ego @ EGO_FROM_LIDAR
        near = np.linalg.norm(world - world_from_lidar.translation_m.numpy(), axis=1) < FARTHEST_M
        chosen = rng.choice(np.flatnonzero(near), POINTS, replace=True)
        points = world[chosen] + rng.normal(scale=NOISE_M, size=(POINTS, 3))
        time_s = np.round(rng.integers(0, 50, POINTS) / 50 * TURN_S - TURN_S / 2, 6)
        lidar = _seen_from(world_from_lidar, points)
        if moving:
            for moment_s in np.unique(time_s):
                rows = time_s == moment_s
                lidar[rows] = _seen_from(pose_on(way, now_s + moment_s) @ EGO_FROM_LIDAR, points[rows])
        sweep = Sweep(
            points_lidar=torch.from_numpy(lidar.astype(np.float32)),
            intensity=torch.zeros(POINTS),
            timestamp_ns=FIRST_NS + index * STEP_NS,
            ego_from_lidar=EGO_FROM_LIDAR,
            world_from_ego=world_from_ego,
        )
        frames.append(Frame(token=str(index), sequence="street", index=index, sweep=sweep, images=()))
        times.append(time_s)
    return frames, times


def _seen_from(world_from_lidar: RigidTransform, points: np.ndarray) -> np.ndarray:
    return world_from_lidar.inverse().apply(torch.from_numpy(points)).numpy()
