"""KITTI's OXTS packets (GPS and inertial) as poses, as the raw data's development kit computes them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from lima.datasets.rotations import about
from lima.datasets.scan_files import read_text

EARTH_RADIUS_M = 6378137.0
VALUES = 30
"""latitude, longitude in degrees, altitude in metres, roll, pitch, yaw in radians, and 24 more"""


def read_packet(path: Path) -> list[float]:
    """Latitude, longitude, altitude, roll, pitch, yaw. Raises FileNotFoundError, ValueError."""
    try:
        values = [float(word) for word in read_text(path, "an OXTS packet").split()]
    except ValueError as problem:
        raise ValueError(f"{path} must be {VALUES} numbers: {problem}") from None
    if len(values) != VALUES or not np.isfinite(values[:6]).all() or not abs(values[0]) < 85:
        raise ValueError(
            f"{path} must be {VALUES} numbers, latitude, longitude, altitude, roll, pitch and yaw first, got "
            f"{len(values)}: {values[:6]}: truncated? Copy it again"
        )
    return values[:6]


def poses_from_packets(packets: Float64[np.ndarray, "packets 6"]) -> Float64[np.ndarray, "packets 4 4"]:
    """`world_from_imu` of every packet; the world is where the IMU stood at the first (convertOxtsToPose.m).

    The IMU's axes are x forward, y left, z up. Positions are Mercator's, scaled at the first packet's latitude.
    """
    latitude, longitude, altitude_m, roll, pitch, yaw = packets.T
    scale = math.cos(math.radians(packets[0, 0]))
    east_m = scale * EARTH_RADIUS_M * np.radians(longitude)
    north_m = scale * EARTH_RADIUS_M * np.log(np.tan(np.radians(90 + latitude) / 2))
    poses = np.tile(np.eye(4), (len(packets), 1, 1))
    poses[:, :3, :3] = about(yaw, 0, 1) @ about(pitch, 2, 0) @ about(roll, 1, 2)
    poses[:, :3, 3] = np.stack([east_m, north_m, altitude_m], axis=1)
    return np.linalg.inv(poses[0]) @ poses
