"""What is mounted on the vehicle: a spinning LiDAR and cameras.

Positions are metres in the ego frame: x forward, y left, z up, its origin on the ground below the rear axle. Times are
seconds from the timestamp of a sweep.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streetsim.poses import pose_matrix, rotation_matrix

Position = tuple[float, float, float]

# camera axes (x right, y down, z forward) written in those of a vehicle that looks the same way
_VEHICLE_FROM_CAMERA_AXES = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True)
class CameraMount:
    """A pinhole camera on the vehicle.

    Attributes:
        name: channel, such as CAM_FRONT: letters, digits, underscores.
        position_m: in the ego frame.
        yaw_deg: where it looks, 0 forward, 90 left.
        pitch_deg: positive looks down.
        horizontal_fov_deg: between the outer edges of the first and the last column.
        width_px, height_px: size of the image.
        principal_row: height of the optical axis in the image, 0 the upper edge, 1 the lower.
        trigger_s: when the shutter opens, from the timestamp of the sweep.
    """

    name: str
    position_m: Position
    yaw_deg: float
    horizontal_fov_deg: float
    width_px: int = 448
    height_px: int = 252
    pitch_deg: float = 0.0
    principal_row: float = 0.5
    trigger_s: float = 0.0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_]+", self.name):
            raise ValueError(f"a camera's name is letters, digits and underscores, got {self.name!r}")
        if not 1 <= self.horizontal_fov_deg <= 150:
            raise ValueError(f"{self.name}: horizontal_fov_deg must lie in 1 … 150, got {self.horizontal_fov_deg}")
        if min(self.width_px, self.height_px) < 8 or max(self.width_px, self.height_px) > 4096:
            raise ValueError(f"{self.name}: images are 8 … 4096 pixels wide and high, got {self.size_text}")
        if abs(self.trigger_s) > 0.25:
            raise ValueError(f"{self.name}: trigger_s must lie within 0.25 s of the sweep, got {self.trigger_s}")

    @property
    def size_text(self) -> str:
        """Width x height."""
        return f"{self.width_px} x {self.height_px}"

    def intrinsics(self) -> NDArray[np.float64]:
        """The calibration matrix K in pixels; (0, 0) is the centre of the first pixel."""
        focal_px = self.width_px / 2 / math.tan(math.radians(self.horizontal_fov_deg) / 2)
        centre_u, centre_v = self.width_px / 2 - 0.5, self.height_px * self.principal_row - 0.5
        return np.array([[focal_px, 0.0, centre_u], [0.0, focal_px, centre_v], [0.0, 0.0, 1.0]])

    def ego_from_cam(self) -> NDArray[np.float64]:
        """(4, 4); the camera's axes are x right, y down, z forward."""
        pose = np.eye(4)
        turned = rotation_matrix(math.radians(self.yaw_deg), math.radians(self.pitch_deg))
        pose[:3, :3] = turned @ _VEHICLE_FROM_CAMERA_AXES
        pose[:3, 3] = self.position_m
        return pose


@dataclass(frozen=True)
class LidarMount:
    """A spinning LiDAR on the vehicle; seen from above it turns clockwise.

    Attributes:
        name: channel, such as LIDAR_TOP.
        position_m: in the ego frame.
        yaw_deg: direction of the sensor's own x axis.
        elevations_deg: of the beams, from the lowest up: the ring number counts through them.
        columns: shots of every beam per turn.
        turn_s: begin and end of the turn, from the sweep's timestamp.
        first_azimuth_deg: direction of the first column, in the ego frame, 0 forward, 90 left.
        max_range_m: farther echoes are not reported.
        range_noise_m: standard deviation of a measured range.
    """

    name: str
    position_m: Position
    yaw_deg: float
    elevations_deg: tuple[float, ...]
    columns: int
    turn_s: tuple[float, float]
    first_azimuth_deg: float
    max_range_m: float
    range_noise_m: float

    def __post_init__(self) -> None:
        if not 1 <= len(self.elevations_deg) <= 256 or list(self.elevations_deg) != sorted(set(self.elevations_deg)):
            raise ValueError("elevations_deg must be 1 … 256 different angles from the lowest up")
        if not -90 <= self.elevations_deg[0] <= self.elevations_deg[-1] <= 90:
            raise ValueError(f"elevations must lie in -90 … 90 degrees, got {self.elevations_deg}")
        if not 8 <= self.columns <= 10_000:
            raise ValueError(f"a turn has 8 … 10000 columns, got {self.columns}")
        if not -0.25 <= self.turn_s[0] <= self.turn_s[1] <= 0.25:
            raise ValueError(f"turn_s must be begin and end within 0.25 s of the sweep, got {self.turn_s}")
        if not 2 <= self.max_range_m <= 300:
            raise ValueError(f"max_range_m must lie in 2 … 300, got {self.max_range_m}")
        if not 0 <= self.range_noise_m <= 1:
            raise ValueError(f"range_noise_m must lie in 0 … 1, got {self.range_noise_m}")

    def ego_from_lidar(self) -> NDArray[np.float64]:
        """(4, 4)."""
        return pose_matrix(self.position_m, math.radians(self.yaw_deg))


@dataclass(frozen=True)
class Rig:
    """All sensors of a vehicle, and how often an annotated keyframe is taken."""

    name: str
    lidar: LidarMount
    cameras: tuple[CameraMount, ...]
    keyframes_per_s: float = 2.0

    def __post_init__(self) -> None:
        names = [self.lidar.name, *(camera.name for camera in self.cameras)]
        if len(set(names)) != len(names):
            raise ValueError(f"rig {self.name}: every sensor needs a name of its own, got {', '.join(names)}")
        if not self.cameras:
            raise ValueError(f"rig {self.name}: at least one camera is needed")
        if not 0.1 <= self.keyframes_per_s <= 20:
            raise ValueError(f"rig {self.name}: keyframes_per_s must lie in 0.1 … 20, got {self.keyframes_per_s}")

    def with_image_size(self, width_px: int, height_px: int) -> Rig:
        """The same rig with every camera's image of another size, its horizontal field of view kept."""
        cameras = tuple(replace(camera, width_px=width_px, height_px=height_px) for camera in self.cameras)
        return replace(self, cameras=cameras)


def _evenly(low: float, high: float, count: int) -> tuple[float, ...]:
    return tuple(round(float(angle), 6) for angle in np.linspace(low, high, count))


def nuscenes_rig() -> Rig:
    """Six cameras and 32 beams, mounted and timed as on the nuScenes vehicles.

    The LiDAR needs 50 ms for a turn that ends at the timestamp; every camera opens when the beam passes its view.
    """
    lidar = LidarMount(
        name="LIDAR_TOP",
        position_m=(0.94, 0.0, 1.84),
        yaw_deg=-90.0,
        elevations_deg=_evenly(-30.67, 10.67, 32),
        columns=1085,
        turn_s=(-0.05, 0.0),
        first_azimuth_deg=110.0,
        max_range_m=105.0,
        range_noise_m=0.015,
    )
    cameras = (
        CameraMount("CAM_FRONT", (1.70, 0.0, 1.51), 0.0, 70.0, trigger_s=-0.035),
        CameraMount("CAM_FRONT_RIGHT", (1.55, -0.49, 1.50), -55.0, 70.0, trigger_s=-0.026),
        CameraMount("CAM_BACK_RIGHT", (1.01, -0.48, 1.56), -110.0, 70.0, trigger_s=-0.018),
        CameraMount("CAM_BACK", (0.03, 0.0, 1.57), 180.0, 90.0, trigger_s=-0.008),
        CameraMount("CAM_BACK_LEFT", (1.04, 0.48, 1.59), 110.0, 70.0, trigger_s=0.0),
        CameraMount("CAM_FRONT_LEFT", (1.52, 0.49, 1.51), 55.0, 70.0, trigger_s=-0.043),
    )
    return Rig("nuscenes", lidar, cameras)


def kitti_rig() -> Rig:
    """Two colour cameras that look forward, 0.54 m apart, and 64 beams that turn once in 100 ms, as in KITTI."""
    lidar = LidarMount(
        name="velodyne",
        position_m=(0.76, 0.0, 1.73),
        yaw_deg=0.0,
        elevations_deg=_evenly(-24.8, -8.87, 32) + _evenly(-8.33, 2.0, 32),
        columns=2000,
        turn_s=(-0.05, 0.05),
        first_azimuth_deg=180.0,
        max_range_m=120.0,
        range_noise_m=0.012,
    )
    cameras = (
        CameraMount("image_2", (1.03, 0.06, 1.65), 0.0, 81.6, 620, 188, principal_row=0.48),
        CameraMount("image_3", (1.03, -0.48, 1.65), 0.0, 81.6, 620, 188, principal_row=0.48),
    )
    return Rig("kitti", lidar, cameras)


RIGS = {"nuscenes": nuscenes_rig, "kitti": kitti_rig}
"""Rigs by name; `rig_file.read_rig` reads others."""
