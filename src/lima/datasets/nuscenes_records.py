"""What one row of `sample_data` holds, joined with its calibration and pose, as a sweep or as an image."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Series
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lima.datasets import sensor_files
from lima.datasets.index import NuScenesIndex
from lima.datasets.recordings import TRUCK_LIDARS
from lima.datasets.trajectory import Trajectory
from lima.datasets.truckscenes import Turn, merged_sweep
from lima.geometry.camera import PinholeCamera
from lima.geometry.rigid import RigidTransform
from lima.scene import CameraImage, Sweep


@dataclass(frozen=True, eq=False)
class Record:
    """calibration: row of the index's calibrations. pose: of the vehicle, quaternion and translation."""

    token: str
    channel: str
    file: str
    time_us: int
    size_px: tuple[int, int]
    calibration: int
    pose_token: str
    pose: np.ndarray


def lidar_channels(index: NuScenesIndex) -> list[int]:
    """The first, whose time is the sweep's, and TruckScenes's others."""
    return [0, *(n for n, name in enumerate(index.channels.tolist()) if n and name.decode() in TRUCK_LIDARS)]


def camera_channels(index: NuScenesIndex) -> list[int]:
    """All others."""
    return sorted(set(range(len(index.channels))).difference(lidar_channels(index)))


def record_of_keyframe(index: NuScenesIndex, frame: int, channel: int) -> Record | None:
    """What a sensor recorded at a keyframe; None where it recorded nothing."""
    if not index.data_tokens[frame, channel]:
        return None
    width_px, height_px = index.data_sizes_px[frame, channel].tolist()
    return Record(
        token=index.data_tokens[frame, channel].decode(),
        channel=index.channels[channel].decode(),
        file=index.data_files[frame, channel].decode(),
        time_us=int(index.data_times_us[frame, channel]),
        size_px=(width_px, height_px),
        calibration=int(index.data_calibrations[frame, channel]),
        pose_token=index.ego_pose_tokens[frame, channel].decode(),
        pose=index.ego_poses[frame, channel],
    )


class RecordReader:
    """Makes sweeps and images of records.

    root: of the dataset. folder: with its tables, for messages. read_track: where the vehicle was at every time, asked
    for only where the points of several LiDARs meet.
    """

    def __init__(self, root: Path, folder: Path, index: NuScenesIndex, read_track: Callable[[], Trajectory]) -> None:
        self._root, self._folder, self._index, self._read_track = root, folder, index, read_track

    def sweep(self, records: Series[Record]) -> Sweep:
        """The points of the LiDAR, or of several as TruckScenes has them, read now."""
        record = records[0]
        if record.file.endswith(".pcd"):
            turns = [Turn(self._root / each.file, each.token, self.ego_from_sensor(each)) for each in records]
            return merged_sweep(turns, record.time_us * 1000, self._read_track())
        points = sensor_files.read_points(self._root / record.file, record.token)
        return Sweep(
            points_lidar=points[:, :3].contiguous(),
            intensity=points[:, 3] / 255,
            timestamp_ns=record.time_us * 1000,
            ego_from_lidar=self.ego_from_sensor(record),
            world_from_ego=self.world_from_ego(record),
            ring=points[:, 4].long(),
        )

    def image(self, record: Record) -> CameraImage:
        """The image; its pixels are read when they are asked for."""
        width_px, height_px = record.size_px
        return CameraImage(
            name=record.channel,
            camera=self._camera(record),
            timestamp_ns=record.time_us * 1000,
            ego_from_cam=self.ego_from_sensor(record),
            world_from_ego=self.world_from_ego(record),
            read_pixels=partial(sensor_files.read_pixels, self._root / record.file, record.token, width_px, height_px),
        )

    def ego_from_sensor(self, record: Record) -> RigidTransform:
        """Where the sensor sits on the vehicle."""
        token = self._index.calibration_tokens[record.calibration].decode()
        return self.transform(self._index.calibration_poses[record.calibration], "calibrated_sensor", token)

    def world_from_ego(self, record: Record) -> RigidTransform:
        """Where the vehicle was when the sensor recorded."""
        return self.transform(record.pose, "ego_pose", record.pose_token)

    def transform(self, pose: np.ndarray, table: str, token: str) -> RigidTransform:
        """A pose of the index. Raises ValueError naming table and row for what is no rotation."""
        try:
            return RigidTransform.from_quaternion(pose[:4].tolist(), pose[4:].tolist())
        except ValueError as problem:
            raise ValueError(f"{self._table(table)}: row {token}: {problem}") from None

    def _camera(self, record: Record) -> PinholeCamera:
        matrix = self._index.calibration_intrinsics[record.calibration]
        calibration = self._index.calibration_tokens[record.calibration].decode()
        if not np.isfinite(matrix).all() or not np.allclose([matrix[0, 1], *matrix[1:, 0], matrix[2, 1]], 0):
            raise ValueError(
                f"{self._table('calibrated_sensor')}: camera_intrinsic of {calibration} must be a calibration "
                f"matrix without skew, got {matrix.tolist()}"
            )
        try:
            return PinholeCamera(
                fx_px=float(matrix[0, 0]),
                fy_px=float(matrix[1, 1]),
                cx_px=float(matrix[0, 2]),
                cy_px=float(matrix[1, 2]),
                width_px=record.size_px[0],
                height_px=record.size_px[1],
            )
        except ValueError as problem:
            raise ValueError(
                f"{self._table('sample_data')}: {record.token} with calibrated_sensor {calibration}: {problem}"
            ) from None

    def _table(self, name: str) -> Path:
        return self._folder / f"{name}.json"
