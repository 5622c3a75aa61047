"""Rigid poses as 4 x 4 matrices from position and angles."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def rotation_matrix(yaw_rad: float, pitch_rad: float = 0.0, roll_rad: float = 0.0) -> NDArray[np.float64]:
    """world_from_thing for a thing turned left by yaw, then its nose lowered by pitch, then rolled about its x."""
    cos_yaw, sin_yaw = np.cos(yaw_rad), np.sin(yaw_rad)
    cos_pitch, sin_pitch = np.cos(pitch_rad), np.sin(pitch_rad)
    cos_roll, sin_roll = np.cos(roll_rad), np.sin(roll_rad)
    about_z = np.array([[cos_yaw, -sin_yaw, 0], [sin_yaw, cos_yaw, 0], [0, 0, 1]])
    about_y = np.array([[cos_pitch, 0, sin_pitch], [0, 1, 0], [-sin_pitch, 0, cos_pitch]])
    about_x = np.array([[1, 0, 0], [0, cos_roll, -sin_roll], [0, sin_roll, cos_roll]])
    return np.asarray(about_z @ about_y @ about_x)


def pose_matrix(
    position_m: ArrayLike, yaw_rad: float, pitch_rad: float = 0.0, roll_rad: float = 0.0
) -> NDArray[np.float64]:
    """(4, 4) world_from_thing."""
    pose = np.eye(4)
    pose[:3, :3] = rotation_matrix(yaw_rad, pitch_rad, roll_rad)
    pose[:3, 3] = position_m
    return pose
