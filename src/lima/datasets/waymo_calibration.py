"""Where Waymo's LiDARs and cameras sit, their beams and their lenses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64

from lima.datasets.arrow import read_records
from lima.datasets.range_image import uniform_inclinations
from lima.geometry.camera import PinholeCamera
from lima.geometry.distortion import Distortion
from lima.geometry.rigid import RigidTransform

LASER = "key.laser_name"
CAMERA = "key.camera_name"
# Waymo's cameras look along x, with y to the left and z up
_WAYMO_CAM_FROM_CAM = RigidTransform(
    torch.tensor([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]], dtype=torch.float64),
    torch.zeros(3, dtype=torch.float64),
)


@dataclass(frozen=True, eq=False)
class LidarCalibration:
    """Where a LiDAR sits, and its beams from the lowest up; where they are not given one by one, their range."""

    ego_from_lidar: RigidTransform
    beams_rad: Float64[np.ndarray, "beams"] | None
    lowest_rad: float
    highest_rad: float

    def inclinations_rad(self, rows: int, where: str) -> Float64[np.ndarray, "rows"]:
        """Of the rows of a range image, from the lowest up. Raises ValueError for another number of beams."""
        if self.beams_rad is None:
            return uniform_inclinations(self.lowest_rad, self.highest_rad, rows)
        if len(self.beams_rad) != rows:
            raise ValueError(f"{where} has {rows} rows, the calibration of its LiDAR has {len(self.beams_rad)} beams")
        return self.beams_rad


@dataclass(frozen=True, eq=False)
class CameraCalibration:
    """Where a camera sits, and its lens."""

    ego_from_cam: RigidTransform
    camera: PinholeCamera
    distortion: Distortion


def read_lidars(path: Path) -> dict[int, LidarCalibration]:
    """Every LiDAR by its number. Raises FileNotFoundError, PermissionError, ValueError."""
    prefix = "[LiDARCalibrationComponent]."
    transform, beams, lowest, highest = (
        f"{prefix}{name}"
        for name in ("extrinsic.transform", "beam_inclination.values", "beam_inclination.min", "beam_inclination.max")
    )
    found: dict[int, LidarCalibration] = {}
    for record in read_records(path, "the LiDARs' calibration", (LASER, transform, beams, lowest, highest)):
        where = f"{path}, LiDAR {record[LASER]}"
        _once(record[LASER], found, where)
        found[record[LASER]] = LidarCalibration(
            ego_from_lidar=rigid(record[transform], where),
            beams_rad=None if record[beams] is None else _numbers(record[beams], beams, where),
            lowest_rad=float(_numbers(record[lowest], lowest, where)),
            highest_rad=float(_numbers(record[highest], highest, where)),
        )
    return found


def read_cameras(path: Path) -> dict[int, CameraCalibration]:
    """Every camera by its number. Raises FileNotFoundError, PermissionError, ValueError."""
    prefix = "[CameraCalibrationComponent]."
    transform, width, height = (f"{prefix}{name}" for name in ("extrinsic.transform", "width", "height"))
    lens = [f"{prefix}intrinsic.{name}" for name in ("f_u", "f_v", "c_u", "c_v", "k1", "k2", "p1", "p2", "k3")]
    found: dict[int, CameraCalibration] = {}
    for record in read_records(path, "the cameras' calibration", (CAMERA, transform, width, height, *lens)):
        where = f"{path}, camera {record[CAMERA]}"
        f_u, f_v, c_u, c_v, *coefficients = (float(_numbers(record[name], name, where)) for name in lens)
        width_px, height_px = (int(_numbers(record[name], name, where)) for name in (width, height))
        try:
            # Waymo's 0 is the outer edge of the first pixel, ours is its middle
            camera = PinholeCamera(f_u, f_v, c_u - 0.5, c_v - 0.5, width_px, height_px)
        except ValueError as problem:
            raise ValueError(f"{where}: {problem}") from None
        _once(record[CAMERA], found, where)
        found[record[CAMERA]] = CameraCalibration(
            ego_from_cam=rigid(record[transform], where) @ _WAYMO_CAM_FROM_CAM,
            camera=camera,
            distortion=Distortion("plumb_bob", tuple(coefficients)),
        )
    return found


def _once(number: int, found: Mapping[int, Any], where: str) -> None:
    if number in found:
        raise ValueError(f"{where} is there twice, one row was expected: copied twice?")


def of_sensor(found: Mapping[int, Any], number: int, path: Path) -> Any:
    """The calibration of one sensor. Raises ValueError where it has none."""
    if number not in found:
        raise ValueError(
            f"{path} has no calibration of sensor {number} (it has {', '.join(map(str, found)) or 'none'})"
        )
    return found[number]


def rigid(matrix: Any, where: str) -> RigidTransform:
    """A transform from 16 numbers, row by row. Raises ValueError for what is none."""
    numbers = _numbers(matrix, "transform", where)
    if numbers.shape != (16,):
        raise ValueError(f"{where}: transform must be 16 numbers, got {numbers.size}")
    try:
        return RigidTransform.from_matrix(torch.from_numpy(numbers.reshape(4, 4)))
    except ValueError as problem:
        raise ValueError(f"{where}: {problem}") from None


def _numbers(value: Any, name: str, where: str) -> np.ndarray:
    """A number or a list of them. Raises ValueError for gaps, NaN and texts."""
    try:
        numbers = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.array(np.nan)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{where}: {name} is {str(value)[:60]}, finite numbers were expected")
    return numbers
