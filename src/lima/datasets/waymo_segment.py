"""The files of one Waymo segment: frames, poses, range images, pictures."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from lima.datasets.arrow import read_parquet, read_records
from lima.datasets.parquet_rows import list_values, open_rows
from lima.datasets.waymo_calibration import (
    CAMERA,
    LASER,
    CameraCalibration,
    LidarCalibration,
    of_sensor,
    read_cameras,
    read_lidars,
    rigid,
)
from lima.geometry.rigid import RigidTransform

TIME = "key.frame_timestamp_micros"
WHAT = {
    "vehicle_pose": "the poses of the vehicle",
    "lidar": "the range images",
    "lidar_pose": "the poses of the range images' pixels",
    "lidar_segmentation": "the labels of points",
    "camera_image": "the images",
}
CLASS_OF_COMPONENT = {
    "lidar": "LiDARComponent",
    "lidar_pose": "LiDARPoseComponent",
    "lidar_segmentation": "LiDARSegmentationLabelComponent",
}
CHANNELS = {"lidar": 4, "lidar_pose": 6, "lidar_segmentation": 2}
KEPT_IMAGES = 10  # cameras do not come in the order of their numbers
KEPT_RANGE_IMAGES = 2
FARTHEST_IMAGE_S = 1.0
_POSE = "[VehiclePoseComponent].world_from_vehicle.transform"
_IMAGE, _IMAGE_POSE, _IMAGE_TIME = (
    f"[CameraImageComponent].{name}" for name in ("image", "pose.transform", "pose_timestamp")
)


class Segment:
    """The files `<component>/<name>.parquet` of a segment, tables read when they are first asked for.

    Rows of a component are found by their keys, whatever their order. Every method raises FileNotFoundError,
    PermissionError or ValueError naming the file.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name

    def path(self, component: str) -> Path:
        """The file of a component, whether it is there or not."""
        return self.folder / component / f"{self.name}.parquet"

    def has(self, component: str) -> bool:
        """Whether that component has been downloaded."""
        return self.path(component).exists()

    @cached_property
    def times_us(self) -> Int64[np.ndarray, "frames"]:
        """Of the frames, sorted."""
        path = self.path("vehicle_pose")
        times_us = read_parquet(path, WHAT["vehicle_pose"], whole=(TIME,))[TIME].astype(np.int64)
        if len(times_us) == 0:
            raise ValueError(f"{path} has no rows, one pose for every frame was expected")
        return np.sort(times_us)

    def world_from_ego(self, time_us: int) -> RigidTransform:
        """The pose of a frame: where the vehicle was about the middle of the turn."""
        return rigid(self._poses[time_us], f"{self.path('vehicle_pose')}, frame {time_us}")

    @cached_property
    def _poses(self) -> dict[int, list[float]]:
        records = read_records(self.path("vehicle_pose"), WHAT["vehicle_pose"], (TIME, _POSE))
        return {record[TIME]: record[_POSE] for record in records}

    def lidar(self, laser: int) -> LidarCalibration:
        """The calibration of a LiDAR."""
        calibration: LidarCalibration = of_sensor(self._lidars, laser, self.path("lidar_calibration"))
        return calibration

    @cached_property
    def _lidars(self) -> dict[int, LidarCalibration]:
        return read_lidars(self.path("lidar_calibration"))

    def camera(self, camera: int) -> CameraCalibration:
        """The calibration of a camera."""
        calibration: CameraCalibration = of_sensor(self._cameras, camera, self.path("camera_calibration"))
        return calibration

    @cached_property
    def _cameras(self) -> dict[int, CameraCalibration]:
        return read_cameras(self.path("camera_calibration"))

    def range_image(self, component: str, time_us: int, laser: int, which: int) -> np.ndarray | None:
        """One return (1 or 2) of a LiDAR in a frame: (rows, columns, channels); None where there is none."""
        if component != "lidar" and not self.has(component):
            return None
        number = self.rows(component, LASER).get((time_us, laser))
        if number is None:
            return None
        path = self.path(component)
        returns = (1,) if component == "lidar_pose" else (1, 2)
        prefix = f"[{CLASS_OF_COMPONENT[component]}].range_image_return"
        columns = tuple(f"{prefix}{each}.{part}" for each in returns for part in ("values", "shape"))
        wanted = frozenset(row for (_, other), row in self.rows(component, LASER).items() if other == laser)
        row = open_rows(path, WHAT[component], columns, KEPT_RANGE_IMAGES, wanted).row(number)
        values, shape = (list_values(row, f"{prefix}{which}.{part}", path) for part in ("values", "shape"))
        if values is None or len(values) == 0:
            return None
        channels = CHANNELS[component]
        if shape is None or len(shape) != 3 or shape[2] != channels or np.prod(shape) != len(values):
            told = None if shape is None else shape.tolist()
            raise ValueError(
                f"{path}: return {which} of LiDAR {laser} in frame {time_us} has {len(values)} numbers and shape "
                f"{told}; (rows, columns, {channels}) was expected: truncated?"
            )
        return values.reshape(shape)

    def has_image(self, time_us: int, camera: int) -> bool:
        """Whether the camera has an image in the frame."""
        return self.has("camera_image") and (time_us, camera) in self.rows("camera_image", CAMERA)

    def image(self, time_us: int, camera: int) -> bytes:
        """The image as it lies in the file, JPEG."""
        rows = open_rows(self.path("camera_image"), WHAT["camera_image"], (_IMAGE,), KEPT_IMAGES)
        data = rows.row(self.rows("camera_image", CAMERA)[time_us, camera]).column(0)[0].as_py()
        if not isinstance(data, bytes):
            found = type(data).__name__
            raise ValueError(
                f"{self._image_place(time_us, camera)}: column {_IMAGE} holds {found}, not the bytes of one"
            )
        return data

    def image_pose(self, time_us: int, camera: int) -> tuple[int, RigidTransform]:
        """When the middle of the image was taken, in nanoseconds, and where the vehicle was then."""
        seconds, pose = self._image_poses[time_us, camera]
        where = self._image_place(time_us, camera)
        if not isinstance(seconds, float) or not np.isfinite(seconds):
            raise ValueError(f"{where}: pose_timestamp is {seconds}, seconds were expected")
        if abs(seconds - time_us * 1e-6) > FARTHEST_IMAGE_S:
            raise ValueError(
                f"{where}: pose_timestamp is {seconds - time_us * 1e-6:.2f} s from the frame, at most "
                f"{FARTHEST_IMAGE_S:g} s was expected"
            )
        return round(seconds * 1e9), rigid(pose, where)

    @cached_property
    def _image_poses(self) -> dict[tuple[int, int], tuple[float, list[float]]]:
        """Read apart from the images, which are a thousand times larger and often not wanted."""
        columns = (TIME, CAMERA, _IMAGE_TIME, _IMAGE_POSE)
        records = read_records(self.path("camera_image"), WHAT["camera_image"], columns)
        return {(record[TIME], record[CAMERA]): (record[_IMAGE_TIME], record[_IMAGE_POSE]) for record in records}

    def _image_place(self, time_us: int, camera: int) -> str:
        return f"{self.path('camera_image')}, camera {camera} in frame {time_us}"

    def rows(self, component: str, sensor: str) -> dict[tuple[int, int], int]:
        """Which row holds which frame (its time) of which sensor."""
        if component not in self._rows:
            self._rows[component] = self._read_rows(component, sensor)
        return self._rows[component]

    @cached_property
    def _rows(self) -> dict[str, dict[tuple[int, int], int]]:
        return {}

    def _read_rows(self, component: str, sensor: str) -> dict[tuple[int, int], int]:
        path = self.path(component)
        columns = read_parquet(path, WHAT[component], whole=(TIME, sensor))
        keys = list(zip(columns[TIME].tolist(), columns[sensor].tolist(), strict=True))
        rows = {key: row for row, key in enumerate(keys)}
        if len(rows) < len(keys):
            time_us, number = next(key for row, key in enumerate(keys) if rows[key] != row)
            raise ValueError(f"{path} has two rows for frame {time_us}, sensor {number}: one was expected")
        return rows
