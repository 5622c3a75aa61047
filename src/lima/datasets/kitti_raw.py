"""KITTI's raw data: DATE/DATE_drive_NNNN_sync with velodyne_points, image_00 … image_03 and oxts."""

from __future__ import annotations

import re
from collections.abc import Sequence as Series
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64

from lima.config import AtGap
from lima.datasets.drives import checked, members, with_own_splits
from lima.datasets.kitti_camera import RectifiedCamera, has_images, rectified_camera
from lima.datasets.kitti_raw_calibration import CAMERAS, RawCalibration, find_calibration
from lima.datasets.oxts import poses_from_packets, read_packet
from lima.datasets.rotations import quaternions
from lima.datasets.scan_drive import STEP_NS, Scan
from lima.datasets.scan_files import read_points, read_text, unit_intensity
from lima.datasets.semantic_kitti import subfolders
from lima.datasets.timeline import check_ascending
from lima.datasets.trajectory import Trajectory, read_poses
from lima.geometry.rigid import RigidTransform
from lima.scene import Frame, Sequence, Sweep, check_index

DATE = re.compile(r"\d{4}_\d\d_\d\d")
DRIVE = re.compile(r"(\d{4}_\d\d_\d\d)_drive_\d{4}_(sync|extract)")
COLOUR, GREY = ("02", "03"), ("00", "01")


def drive_folders(root: Path) -> dict[str, Path]:
    """The drives: in folders of dates, in this folder of a date, or this folder itself."""
    if DRIVE.fullmatch(root.name):
        return {root.name: root}
    places = [root, *(folder for folder in subfolders(root) if DATE.fullmatch(folder.name))]
    return {drive.name: drive for place in places for drive in subfolders(place) if DRIVE.fullmatch(drive.name)}


def recognises(root: Path) -> bool:
    """Whether there are folders like 2011_09_26_drive_0005_sync in it, or in a folder of a date in it."""
    return bool(drive_folders(root))


class KittiRaw:
    """An opened folder of raw drives.

    cameras: which of 00, 01 (grey), 02, 03 (colour); when left out, those in colour, or the grey ones of a drive
    without. There are no official splits: `splits.json` in the folder makes some. at_gap: as `ScanDataset`.
    """

    def __init__(self, root: Path, at_gap: AtGap = "raise", cameras: tuple[str, ...] | None = None) -> None:
        self.root = Path(root)
        self.at_gap = at_gap
        unknown = sorted(set(cameras or ()) - set(CAMERAS))
        if unknown:
            raise ValueError(f"KITTI's cameras are {', '.join(CAMERAS)}, not {', '.join(unknown)}")
        self._cameras = cameras
        self._folders = drive_folders(self.root)
        if not self._folders:
            raise FileNotFoundError(f"{self.root} has no drive such as 2011_09_26/2011_09_26_drive_0005_sync")
        self._splits = with_own_splits(self.root, list(self._folders), {})

    @property
    def name(self) -> str:
        return "KITTI raw"

    @property
    def class_names(self) -> tuple[str, ...]:
        return ("ignored",)

    @property
    def split_names(self) -> tuple[str, ...]:
        return tuple(self._splits)

    def drives(self, split: str | None = None) -> list[RawDrive]:
        """The drives of a split as they are, unchecked. Raises ValueError for a split that there is not."""
        return [RawDrive(self._folders[name], self._cameras) for name in members(self._splits, split, self.root)]

    def sequences(self, split: str | None = None) -> list[Sequence]:
        """The drives of a split; None or "all" for every one. Raises ValueError as `ScanDataset.sequences`."""
        drives = self.drives(split)
        for drive in drives:
            drive.check()
        return checked(drives, [drive.folder for drive in drives], self.at_gap)


class RawDrive:
    """One drive. The ego frame is the IMU's (x forward, y left, z up), the world where it stood at the first packet.

    Every sensor's time is that of its timestamps.txt, and its pose that of the IMU then, between the packets of oxts.
    Where a folder has no timestamps.txt, its frames are a tenth of a second apart, by their numbers. The points are as
    the LiDAR measured them, not compensated for the vehicle's motion; their time is that of the LiDAR facing forward.
    """

    def __init__(self, folder: Path, cameras: tuple[str, ...] | None = None) -> None:
        self.folder = folder
        self.name = folder.name
        self._camera_names = cameras

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def tokens(self) -> Series[str]:
        return [f"{self.name}/{number:010d}" for number in self._numbers]

    @cached_property
    def timestamps_ns(self) -> Series[int]:
        return self._times_of("velodyne_points", self._numbers).tolist()

    def check(self) -> None:
        """Raises ValueError or FileNotFoundError for drives that cannot be used: not synchronised, without poses."""
        if self.name.endswith("_extract"):
            raise ValueError(
                f"{self.folder} is an unsynchronised, unrectified drive: take its {self.name.removesuffix('extract')}"
                f"sync"
            )
        check_ascending(self.timestamps_ns, self.tokens, str(self.folder))
        assert len(self._trajectory)

    def scan(self, index: int) -> Scan:
        """The points alone, for whoever does without poses. Raises FileNotFoundError, ValueError."""
        path = self._file("velodyne_points", index, ".bin")
        rows = read_points(path, 4)
        return Scan(
            points_lidar=torch.from_numpy(np.ascontiguousarray(rows[:, :3])),
            intensity=torch.from_numpy(unit_intensity(rows[:, 3], 1.0, path)),
            timestamp_ns=self.timestamps_ns[index],
        )

    def frame(self, index: int) -> Frame:
        """The frame at that position; points are read now, images when they are asked for."""
        check_index(self, index)
        scan = self.scan(index)
        calibration = self._calibration
        ego_from_cam0 = self.ego_from_lidar @ calibration.cam0_from_velo.inverse()
        images = []
        for camera, times_ns in self._cameras:
            time_ns = int(times_ns[index])
            images.append(camera.image(f"{self._numbers[index]:010d}", time_ns, ego_from_cam0, self._at(time_ns)))
        return Frame(
            token=f"{self.name}/{self._numbers[index]:010d}",
            sequence=self.name,
            index=index,
            sweep=Sweep(
                points_lidar=scan.points_lidar,
                intensity=scan.intensity,
                timestamp_ns=scan.timestamp_ns,
                ego_from_lidar=self.ego_from_lidar,
                world_from_ego=self._at(scan.timestamp_ns),
            ),
            images=tuple(images),
        )

    def _at(self, time_ns: int) -> RigidTransform:
        return self._trajectory.at(time_ns)

    @cached_property
    def _numbers(self) -> list[int]:
        return _numbers(self.folder / "velodyne_points" / "data", ".bin", "the points")

    @cached_property
    def _calibration(self) -> RawCalibration:
        return find_calibration(self.folder.parent)

    @property
    def poses_file(self) -> Path:
        """Where poses of the IMU that somebody else has computed are, or would be; used where there are no packets."""
        return self.folder / "poses.txt"

    @property
    def has_poses(self) -> bool:
        """Whether there are packets, or poses that somebody else has computed."""
        return (self.folder / "oxts" / "data").is_dir() or self.poses_file.exists()

    @property
    def ego_from_lidar(self) -> RigidTransform:
        """The ego frame is the IMU's."""
        return self._calibration.velo_from_imu.inverse()

    @cached_property
    def _trajectory(self) -> Trajectory:
        """From every packet of the drive; the number in a packet's name is the line of its time."""
        folder = self.folder / "oxts" / "data"
        if not folder.is_dir():
            if self.poses_file.exists():
                return read_poses(self.poses_file, np.array(self.timestamps_ns, dtype=np.int64))
            raise FileNotFoundError(
                f"{folder} is missing, where the OXTS packets should be: without poses there is no memory of past "
                f"frames; unpack them, or compute poses with: lima odometry {self.folder}"
            )
        numbers = _numbers(folder, ".txt", "the OXTS packets")
        poses = poses_from_packets(np.array([read_packet(folder / f"{number:010d}.txt") for number in numbers]))
        times_ns = self._times_of("oxts", numbers)
        check_ascending(times_ns.tolist(), [f"{number:010d}" for number in numbers], str(folder))
        return Trajectory(folder, times_ns, quaternions(poses[:, :3, :3]), poses[:, :3, 3].copy())

    @cached_property
    def _cameras(self) -> tuple[tuple[RectifiedCamera, Int64[np.ndarray, "frames"]], ...]:
        """The cameras, and the times of the pictures that belong to the scans."""
        calibration = self._calibration
        for names in (self._camera_names,) if self._camera_names is not None else (COLOUR, GREY):
            there = [name for name in names if has_images(self.folder / f"image_{name}" / "data")]
            lost = [name for name in there if name not in calibration.projections]
            if lost:
                raise ValueError(f"{calibration.where} has no projection of camera {lost[0]}, though it has images")
            if there:
                return tuple((self._camera(name), self._times_of(f"image_{name}", self._numbers)) for name in there)
        return ()

    def _camera(self, name: str) -> RectifiedCamera:
        return rectified_camera(
            f"image_{name}",
            self.folder / f"image_{name}" / "data",
            self._calibration.projections[name],
            self._calibration.sizes_px.get(name),
            f"{self._calibration.where}: camera {name}",
        )

    def _times_of(self, sensor: str, numbers: list[int]) -> Int64[np.ndarray, "frames"]:
        path = self.folder / sensor / "timestamps.txt"
        if not path.exists():
            return np.array(numbers, dtype=np.int64) * STEP_NS
        lines = read_text(path, "the times").splitlines()
        if numbers[-1] >= len(lines):
            raise ValueError(
                f"{path} has {len(lines)} lines, frame {numbers[-1]:010d} needs line {numbers[-1] + 1}: cut short?"
            )
        return np.array([_time_ns(lines[number], path, number + 1) for number in numbers], dtype=np.int64)

    def _file(self, sensor: str, index: int, ending: str) -> Path:
        return self.folder / sensor / "data" / f"{self._numbers[index]:010d}{ending}"


def _numbers(folder: Path, ending: str, what: str) -> list[int]:
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is missing, where {what} should be: were all archives unpacked here?")
    found = sorted(int(path.stem) for path in folder.iterdir() if path.suffix == ending and path.stem.isdigit())
    if not found:
        raise FileNotFoundError(f"{folder} has no files like 0000000000{ending}, {what} of at least one were expected")
    return found


def _time_ns(line: str, path: Path, number: int) -> int:
    """Nanoseconds of a line like 2011-09-26 13:02:25.964389445, counted from 1970."""
    whole, _, fraction = line.strip().partition(".")
    try:
        seconds = datetime.strptime(whole, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
        return int(seconds) * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))
    except ValueError:
        raise ValueError(
            f"{path}: line {number} must be a time like 2011-09-26 13:02:25.964389445, got {line.strip()[:40]!r}"
        ) from None
