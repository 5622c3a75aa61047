"""Where the sensors of KITTI's raw drives sit, from a date's calib_*.txt or from the tracking benchmark's files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from lima.datasets.kitti_text import matrix, read_keyed, rigid
from lima.geometry.rigid import RigidTransform

CAMERAS = ("00", "01", "02", "03")
CAM_TO_CAM, VELO_TO_CAM, IMU_TO_VELO = "calib_cam_to_cam.txt", "calib_velo_to_cam.txt", "calib_imu_to_velo.txt"


@dataclass(frozen=True, eq=False)
class RawCalibration:
    """projections: P of every camera, from the rectified camera 0 to pixels. sizes_px: where they are told.

    where: the file of every projection, for messages.
    """

    velo_from_imu: RigidTransform
    cam0_from_velo: RigidTransform
    projections: Mapping[str, Float64[np.ndarray, "3 4"]]
    sizes_px: Mapping[str, tuple[int, int]]
    where: Path


def find_calibration(date: Path) -> RawCalibration:
    """The calibration of the drives of a date: from the folder of the date, or from a folder tracking beside it.

    Raises FileNotFoundError where there is neither, ValueError.
    """
    if (date / CAM_TO_CAM).exists() or (date / VELO_TO_CAM).exists():
        return _from_date(date)
    beside = date.parent / "tracking"
    files = sorted(path for place in (beside, beside / "calib") if place.is_dir() for path in place.glob("*.txt"))
    files = [path for path in files if path.name.startswith("calib_") or path.parent.name == "calib"]
    if not files:
        raise FileNotFoundError(
            f"{date} has no {CAM_TO_CAM}, {VELO_TO_CAM} and {IMU_TO_VELO}, and there is no calibration of the tracking "
            f"benchmark in {beside}: unpack {date.name}_calib.zip here"
        )
    contents = {tuple(sorted((key, tuple(values)) for key, values in _tracking(path).items())) for path in files}
    if len(contents) > 1:
        raise ValueError(
            f"{beside} has {len(files)} calibrations that differ, and nothing tells which of them is that of "
            f"{date.name}: unpack {date.name}_calib.zip into {date}, or leave the right one only"
        )
    return _from_tracking(files[0])


def _from_date(date: Path) -> RawCalibration:
    between = read_keyed(date / CAM_TO_CAM, "the calibration of the cameras")
    velo = read_keyed(date / VELO_TO_CAM, "the calibration of the LiDAR")
    imu = read_keyed(date / IMU_TO_VELO, "the calibration of the IMU")
    where = date / CAM_TO_CAM
    rectifying = np.zeros((3, 4))
    rectifying[:, :3] = matrix(between, ("R_rect_00",), (3, 3), where)
    return RawCalibration(
        velo_from_imu=_rotation_and_translation(imu, date / IMU_TO_VELO),
        cam0_from_velo=rigid(rectifying, f"{where}: R_rect_00") @ _rotation_and_translation(velo, date / VELO_TO_CAM),
        projections={
            camera: matrix(between, (f"P_rect_{camera}",), (3, 4), where)
            for camera in CAMERAS
            if f"P_rect_{camera}" in between
        },
        sizes_px={
            camera: _size(matrix(between, (f"S_rect_{camera}",), (1, 2), where))
            for camera in CAMERAS
            if f"S_rect_{camera}" in between
        },
        where=where,
    )


def _from_tracking(path: Path) -> RawCalibration:
    keyed = _tracking(path)
    rectifying = np.zeros((3, 4))
    rectifying[:, :3] = matrix(keyed, ("R0_rect", "R_rect"), (3, 3), path)
    velo = matrix(keyed, ("Tr_velo_to_cam", "Tr_velo_cam"), (3, 4), path)
    imu = matrix(keyed, ("Tr_imu_to_velo", "Tr_imu_velo"), (3, 4), path)
    return RawCalibration(
        velo_from_imu=rigid(imu, f"{path}: Tr_imu_to_velo"),
        cam0_from_velo=rigid(rectifying, f"{path}: R0_rect") @ rigid(velo, f"{path}: Tr_velo_to_cam"),
        projections={
            camera: matrix(keyed, (f"P{int(camera)}",), (3, 4), path)
            for camera in CAMERAS
            if f"P{int(camera)}" in keyed
        },
        sizes_px={},
        where=path,
    )


def _tracking(path: Path) -> dict[str, list[float]]:
    return read_keyed(path, "the calibration of the tracking benchmark")


def _rotation_and_translation(keyed: dict[str, list[float]], path: Path) -> RigidTransform:
    rotation, translation = matrix(keyed, ("R",), (3, 3), path), matrix(keyed, ("T",), (3, 1), path)
    return rigid(np.concatenate([rotation, translation], axis=1), f"{path}: R, T")


def _size(width_height: Float64[np.ndarray, "1 2"]) -> tuple[int, int]:
    return round(width_height[0, 0]), round(width_height[0, 1])
