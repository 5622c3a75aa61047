"""Poses and calibration of an Argoverse 2 log."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from lima.datasets.arrow import check_finite, read_feather
from lima.geometry.camera import PinholeCamera
from lima.geometry.rigid import RigidTransform

_POSE = ("qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m")
_CAMERA = ("fx_px", "fy_px", "cx_px", "cy_px", "width_px", "height_px")


class LogTables:
    """The tables beside the sensors' files, read when they are first asked. Raises FileNotFoundError, ValueError."""

    def __init__(self, folder: Path) -> None:
        self.poses_file = folder / "city_SE3_egovehicle.feather"
        self.extrinsics_file = folder / "calibration" / "egovehicle_SE3_sensor.feather"
        self.intrinsics_file = folder / "calibration" / "intrinsics.feather"

    @cached_property
    def _poses(self) -> tuple[Int64[np.ndarray, "poses"], Float64[np.ndarray, "poses 7"]]:
        """Times in ascending order, and the pose that belongs to each."""
        path = self.poses_file
        columns = read_feather(path, "the poses of the vehicle", whole=("timestamp_ns",), number=_POSE)
        check_finite(path, columns, _POSE)
        times_ns = columns["timestamp_ns"].astype(np.int64)
        order = np.argsort(times_ns, kind="stable")
        twice = np.flatnonzero(np.diff(times_ns[order]) == 0)
        if len(twice):
            raise ValueError(f"{path} has two poses for {times_ns[order][twice[0]]} ns: one was expected")
        return times_ns[order], np.stack([columns[name].astype(np.float64) for name in _POSE], axis=1)[order]

    def world_from_ego(self, time_ns: int) -> RigidTransform:
        """Where the vehicle was at the time of a sweep or an image: the table has a pose for each."""
        times_ns, poses = self._poses
        path = self.poses_file
        row = int(np.searchsorted(times_ns, time_ns))
        if row == len(times_ns) or times_ns[row] != time_ns:
            raise ValueError(
                f"{path} has no pose for {time_ns} ns, the time of a sweep or an image of this log: cut short, or of "
                f"another log? Copy it again"
            )
        return _rigid(poses[row], f"{path}, pose of {time_ns} ns")

    @cached_property
    def _extrinsics(self) -> dict[str, Float64[np.ndarray, "7"]]:
        path = self.extrinsics_file
        columns = read_feather(path, "where the sensors sit", text=("sensor_name",), number=_POSE)
        check_finite(path, columns, _POSE)
        _once(columns["sensor_name"], path)
        poses = np.stack([columns[name].astype(np.float64) for name in _POSE], axis=1)
        return dict(zip(columns["sensor_name"], poses, strict=True))

    def ego_from_sensor(self, name: str) -> RigidTransform:
        """Where a LiDAR or a camera sits."""
        path = self.extrinsics_file
        if name not in self._extrinsics:
            raise ValueError(f"{path} has no sensor {name} (it has {', '.join(self._extrinsics) or 'none'})")
        return _rigid(self._extrinsics[name], f"{path}, {name}")

    @cached_property
    def _intrinsics(self) -> dict[str, dict[str, float]]:
        path = self.intrinsics_file
        columns = read_feather(path, "the cameras' intrinsics", text=("sensor_name",), number=_CAMERA)
        check_finite(path, columns, _CAMERA)
        _once(columns["sensor_name"], path)
        return {
            sensor: {name: float(columns[name][row]) for name in _CAMERA}
            for row, sensor in enumerate(columns["sensor_name"])
        }

    def camera(self, name: str) -> PinholeCamera:
        """A pinhole: the images are undistorted as they are delivered, k1 … k3 tell of the lens before that."""
        path = self.intrinsics_file
        if name not in self._intrinsics:
            raise ValueError(f"{path} has no camera {name} (it has {', '.join(self._intrinsics) or 'none'})")
        numbers = self._intrinsics[name]
        try:
            return PinholeCamera(
                fx_px=numbers["fx_px"],
                fy_px=numbers["fy_px"],
                cx_px=numbers["cx_px"],
                cy_px=numbers["cy_px"],
                width_px=int(numbers["width_px"]),
                height_px=int(numbers["height_px"]),
            )
        except ValueError as problem:
            raise ValueError(f"{path}, {name}: {problem}") from None


def _once(names: list[str], path: Path) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{path} has {names.count(twice[0])} rows for {twice[0]}, one was expected: copied twice?")


def _rigid(pose: Float64[np.ndarray, "7"], where: str) -> RigidTransform:
    try:
        return RigidTransform.from_quaternion(pose[:4].tolist(), pose[4:].tolist())
    except ValueError as problem:
        raise ValueError(f"{where}: {problem}") from None
