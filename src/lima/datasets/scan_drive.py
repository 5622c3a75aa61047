"""A folder of numbered scans as a sequence: what SemanticKITTI and its relatives call a sequence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Sequence as Series
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from lima.datasets.kitti_camera import RectifiedCamera, has_images, rectified_camera
from lima.datasets.kitti_text import matrix, poses_have_times, read_keyed, read_poses, read_times, rigid
from lima.datasets.label_maps import LabelMap
from lima.datasets.scan_files import read_labels, read_points, unit_intensity
from lima.datasets.timeline import check_ascending
from lima.datasets.trajectory import read_poses as read_trajectory
from lima.geometry.rigid import RigidTransform
from lima.scene import Frame, Sweep, check_index

MOST_SCANS = 10**9
"""a larger number in a name is something else, such as a time"""
STEP_NS = 100_000_000
"""between scans whose times nobody has written: a LiDAR that turns ten times a second"""

FrameLists = Mapping[str, Mapping[str, frozenset[str]]]
"""of splits that are lists of frames: split, sequence, names of its frames"""


@dataclass(frozen=True)
class ScanFormat:
    """How one of the sets lies on disk and what its numbers mean.

    recognises: the set's folder, from names alone. drives: the folder of every sequence. columns: numbers per point,
    x, y, z, intensity first. full_scale: of the intensity, None where nothing tells (`unit_intensity`). label_folders:
    the first that a sequence has is taken. label_maps: names, the first is taken where none is asked for.
    official_splits: names of sequences. frame_lists: splits that are lists of frames, read from files of the set.
    has_cameras: images and a calibration belong to it, and poses too: without them it is refused.
    """

    name: str
    recognises: Callable[[Path], bool]
    drives: Callable[[Path], dict[str, Path]]
    label_maps: tuple[str, ...]
    scans: str = "velodyne"
    scan_ending: str = ".bin"
    label_folders: tuple[str, ...] = ("labels",)
    label_ending: str = ".label"
    columns: int = 4
    full_scale: float | None = None
    official_splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    frame_lists: Callable[[Path], FrameLists] | None = None
    has_cameras: bool = False


@dataclass(frozen=True, eq=False)
class Scan:
    """What the LiDAR saw, before anybody says where it stood."""

    points_lidar: Float32[Tensor, "points 3"]
    intensity: Float32[Tensor, "points"]
    timestamp_ns: int


class ScanDrive:
    """One sequence of such a set.

    The ego frame is the LiDAR's own (x forward, y left, z up), the world's where the LiDAR stood at the first pose:
    poses.txt moves the rectified camera 0, so Tr (camera 0 from LiDAR) stands on both sides of it. Without a
    calib.txt the poses are taken for the LiDAR's; so are poses with times (eight numbers, `trajectory.read_poses`).
    Scans without times.txt are a tenth of a second apart, by the number in their name.
    """

    def __init__(self, name: str, folder: Path, scan_format: ScanFormat, labels: LabelMap) -> None:
        self.name = name
        self.folder = folder
        self._format = scan_format
        self._label_map = labels

    def __len__(self) -> int:
        return len(self._stems)

    @property
    def stems(self) -> Series[str]:
        """The names of the scans, without folder and ending, in order."""
        return self._stems

    @property
    def tokens(self) -> Series[str]:
        return [f"{self.name}/{stem}" for stem in self._stems]

    @cached_property
    def timestamps_ns(self) -> Series[int]:
        path = self.folder / "times.txt"
        if not path.exists():
            return (self._numbers * STEP_NS).tolist()
        return self._of_frames(read_times(path), path, "times").tolist()

    @property
    def poses_file(self) -> Path:
        """Where its poses are, or would be: beside the scans, or in KITTI's poses/ for all sequences."""
        together = self.folder.parents[1] / "poses" / f"{self.folder.name}.txt"
        own = self.folder / "poses.txt"
        return together if together.exists() and not own.exists() else own

    @property
    def has_poses(self) -> bool:
        """Whether anybody has written down where it went."""
        return self.poses_file.exists()

    @property
    def ego_from_lidar(self) -> RigidTransform:
        """The ego frame is the LiDAR's own."""
        return RigidTransform.identity()

    def check(self) -> None:
        """Raises ValueError where times or poses are not those of its scans."""
        check_ascending(self.timestamps_ns, self._stems, str(self.folder))
        assert len(self._world_from_lidar) == len(self)

    def scan(self, index: int) -> Scan:
        """The points alone, for whoever does without poses. Raises FileNotFoundError, ValueError."""
        path = self._file(self._format.scans, index, self._format.scan_ending)
        rows = read_points(path, self._format.columns)
        return Scan(
            points_lidar=torch.from_numpy(np.ascontiguousarray(rows[:, :3])),
            intensity=torch.from_numpy(unit_intensity(rows[:, 3], self._format.full_scale, path)),
            timestamp_ns=self.timestamps_ns[index],
        )

    def frame(self, index: int) -> Frame:
        """The frame at that position; points are read now, images and labels when they are asked for."""
        check_index(self, index)
        return self._frame(
            index, rigid(self._world_from_lidar[index], f"{self.poses_file}: the pose of scan {self._stems[index]}")
        )

    def still(self, index: int) -> Frame:
        """The frame by itself: the world is where the LiDAR stood. Of no use beside another frame."""
        return self._frame(index, RigidTransform.identity())

    def _frame(self, index: int, world_from_ego: RigidTransform) -> Frame:
        scan = self.scan(index)
        stem, timestamp_ns = self._stems[index], scan.timestamp_ns
        sweep = Sweep(
            points_lidar=scan.points_lidar,
            intensity=scan.intensity,
            timestamp_ns=timestamp_ns,
            ego_from_lidar=self.ego_from_lidar,
            world_from_ego=world_from_ego,
        )
        ego_from_cam0 = self._cam0_from_lidar.inverse()
        read = None
        if self._labels_folder is not None:
            path = self._file(self._labels_folder, index, self._format.label_ending)
            read = partial(read_labels, path, len(scan.points_lidar), self._label_map)
        return Frame(
            token=f"{self.name}/{stem}",
            sequence=self.name,
            index=index,
            sweep=sweep,
            images=tuple(camera.image(stem, timestamp_ns, ego_from_cam0, world_from_ego) for camera in self._cameras),
            read_labels=read,
        )

    @cached_property
    def _stems(self) -> list[str]:
        folder = self.folder / self._format.scans
        if not folder.is_dir():
            raise FileNotFoundError(
                f"{folder} is missing, where the points of sequence {self.name} should be ({self._format.name}): were "
                f"all archives unpacked into one folder? Or list the other sequences in splits.json"
            )
        stems = [path.stem for path in folder.iterdir() if path.suffix == self._format.scan_ending]
        if not stems:
            raise FileNotFoundError(f"{folder} has no {self._format.scan_ending} files, at least one was expected")
        return sorted(stems, key=lambda stem: (int(stem) if _is_number(stem) else -1, stem))

    @cached_property
    def _numbers(self) -> Int64[np.ndarray, "frames"]:
        """The line of every frame in the files of poses and times: its number, or its place where it has none."""
        if all(_is_number(stem) for stem in self._stems):
            return np.array([int(stem) for stem in self._stems], dtype=np.int64)
        return np.arange(len(self._stems))

    @cached_property
    def _labels_folder(self) -> str | None:
        return next((name for name in self._format.label_folders if (self.folder / name).is_dir()), None)

    @cached_property
    def _world_from_lidar(self) -> Float64[np.ndarray, "frames 3 4"]:
        path = self.poses_file
        if not path.exists():
            raise ValueError(
                f"{path} is missing, the poses of sequence {self.name}: unpack them, or compute them with: "
                f"lima odometry {self.folder}"
            )
        if poses_have_times(path):
            times_ns = np.array(self.timestamps_ns, dtype=np.int64)
            rotations, translations_m = read_trajectory(path, times_ns).many(times_ns)
            return np.concatenate([rotations, translations_m[:, :, None]], axis=2)
        poses = self._of_frames(read_poses(path), path, "poses")
        bottom = np.broadcast_to(np.eye(4)[3:], (len(poses), 1, 4))
        cam0_from_lidar = self._cam0_from_lidar.matrix().numpy()
        return (np.linalg.inv(cam0_from_lidar) @ np.concatenate([poses, bottom], axis=1) @ cam0_from_lidar)[:, :3]

    def _of_frames(self, lines: np.ndarray, path: Path, what: str) -> np.ndarray:
        last = int(self._numbers[-1])
        if last >= len(lines):
            raise ValueError(
                f"{path} has {len(lines)} {what}, but scan {self._stems[-1]} needs line {last + 1}: cut short, or of "
                f"another sequence?"
            )
        return lines[self._numbers]

    @cached_property
    def _calibration(self) -> dict[str, list[float]]:
        return read_keyed(self.folder / "calib.txt", "the calibration")

    @cached_property
    def _cam0_from_lidar(self) -> RigidTransform:
        path = self.folder / "calib.txt"
        if not self._format.has_cameras and not path.exists():
            return RigidTransform.identity()
        return rigid(matrix(self._calibration, ("Tr", "Tr_velo_to_cam"), (3, 4), path), f"{path}: Tr")

    @cached_property
    def _cameras(self) -> tuple[RectifiedCamera, ...]:
        """The colour cameras, or the grey ones where there are no others."""
        if not self._format.has_cameras:
            return ()
        path = self.folder / "calib.txt"
        for numbers in ((2, 3), (0, 1)):
            found = [number for number in numbers if has_images(self.folder / f"image_{number}")]
            if found:
                return tuple(
                    rectified_camera(
                        f"image_{number}",
                        self.folder / f"image_{number}",
                        matrix(self._calibration, (f"P{number}",), (3, 4), path),
                        None,
                        f"{path}: P{number}",
                    )
                    for number in found
                )
        return ()

    def _file(self, folder: str, index: int, ending: str) -> Path:
        return self.folder / folder / f"{self._stems[index]}{ending}"


class SingleScan:
    """One scan as a sequence of its own: what is known of scans whose place nobody has written down.

    whole: the drive that it was taken on.
    """

    def __init__(self, drive: ScanDrive, index: int) -> None:
        self.whole = drive
        self._index = index
        self.name = f"{drive.name}/{drive.stems[index]}"

    @property
    def tokens(self) -> Series[str]:
        return [self.name]

    @property
    def timestamps_ns(self) -> Series[int]:
        return [self.whole.timestamps_ns[self._index]]

    def __len__(self) -> int:
        return 1

    def frame(self, index: int) -> Frame:
        check_index(self, index)
        still = self.whole.still(self._index)
        return Frame(still.token, self.name, 0, still.sweep, still.images, still.read_labels)


def _is_number(stem: str) -> bool:
    return stem.isascii() and stem.isdigit() and int(stem) < MOST_SCANS
