"""PandaSet: drives of 80 sweeps of two LiDARs, six cameras, labelled points and cuboids.

Points lie in the world's frame, the vehicle's own motion already taken out. `lidar/poses.json` is where the vehicle is
(a point on the ground below it, x right, y forward); cameras have poses of their own. Here the vehicle's axes
are turned to x forward, y left, and the LiDAR's frame is the vehicle's, moved up to where the Pandar64 sits.

Tables are pickles of pandas: they are read as data and never run (`pickled_tables`).
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Series
from functools import cached_property, partial
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from lima.config import AtGap
from lima.datasets.drives import checked, members, with_own_splits
from lima.datasets.pandaset_cuboids import read_cuboids
from lima.datasets.pandaset_labels import CLASS_NAMES, SOUTHERNMOST_TRAIN_DEG, classes_of_labels
from lima.datasets.pandaset_lens import read_lens
from lima.datasets.pandaset_poses import SensorPoses, read_json, read_sensor_poses, read_times
from lima.datasets.pickled_tables import read_table
from lima.datasets.rotations import quaternions
from lima.datasets.scan_files import read_pixels
from lima.datasets.trajectory import Trajectory
from lima.geometry.boxes import Boxes
from lima.geometry.camera import PinholeCamera
from lima.geometry.rigid import RigidTransform
from lima.scene import CameraImage, Frame, Sequence, Sweep, check_index

Lidars = Literal["both", "pandar64", "pandar_gt"]
CAMERAS = ("front_camera", "front_right_camera", "right_camera", "back_camera", "left_camera", "front_left_camera")
"""clockwise from the front"""
PANDAR64, PANDAR_GT = 0, 1
"""the number of each LiDAR in the column d"""
FULL_INTENSITY = 255.0
EGO_FROM_PANDASET = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""x forward, y left from x right, y forward"""
LIDAR_POSITION_M = (0.81, 0.0, 1.85)
"""of the Pandar64 in the vehicle: from the devkit's static calibration and the poses of a standing vehicle"""
FARTHEST_IMAGE_S = 1.0
"""between a sweep and its images: an image that is farther away in time is one of another sweep"""


class PandaSet:
    """An opened folder of PandaSet drives (001, 002, …), or a single one.

    lidars: whose points make a sweep. at_gap: what `sequences` does with a drive in which time jumps by more than
    0.75 s: "raise", or "split" it there.

    Labels are ScaLR's 17 classes; drives without semantic segmentation have none, and belong to split "all" alone.
    Raises FileNotFoundError, ValueError.
    """

    def __init__(self, root: Path, at_gap: AtGap = "raise", lidars: Lidars = "both") -> None:
        if lidars not in get_args(Lidars):
            raise ValueError(f"lidars must be one of {', '.join(get_args(Lidars))}, got {lidars!r}")
        self.root = Path(root)
        self.at_gap = at_gap
        self.lidars = lidars
        self._folders = {folder.name: folder for folder in drive_folders(self.root)}
        if not self._folders:
            raise FileNotFoundError(f"{self.root} holds no drive: a folder such as 001/ with lidar/ was expected")
        self._splits = with_own_splits(self.root, list(self._folders), _scalr_splits(self._folders))

    @property
    def name(self) -> str:
        return "PandaSet" if self.lidars == "both" else f"PandaSet {self.lidars}"

    @property
    def class_names(self) -> tuple[str, ...]:
        return CLASS_NAMES

    @property
    def split_names(self) -> tuple[str, ...]:
        return tuple(self._splits)

    def sequences(self, split: str | None = None) -> list[Sequence]:
        """The drives of a split, by name; None or "all" for every drive. Raises ValueError as `drives.checked`."""
        names = members(self._splits, split, self.root)
        drives = [PandaSetDrive(self._folders[name], self.lidars) for name in names]
        return checked(drives, [drive.folder for drive in drives], self.at_gap)


class PandaSetDrive:
    """One drive as a sequence of its sweeps. Raises FileNotFoundError, PermissionError, ValueError."""

    def __init__(self, folder: Path, lidars: Lidars = "both") -> None:
        self.folder = folder
        self.name = folder.name
        self.lidars = lidars
        self._times_ns = read_times(folder / "lidar")

    @property
    def tokens(self) -> Series[str]:
        return [f"{self.name}/{index:02d}" for index in range(len(self))]

    @property
    def timestamps_ns(self) -> Series[int]:
        return self._times_ns.tolist()

    def __len__(self) -> int:
        return len(self._times_ns)

    def frame(self, index: int) -> Frame:
        """The frame at that position; its points are read now, images, labels and boxes when they are asked for."""
        check_index(self, index)
        sweep, kept = self._sweep(index)
        has_labels = (self.folder / "annotations" / "semseg").is_dir()
        has_boxes = (self.folder / "annotations" / "cuboids").is_dir()
        return Frame(
            token=f"{self.name}/{index:02d}",
            sequence=self.name,
            index=index,
            sweep=sweep,
            images=tuple(self._image(name, index) for name in self._cameras),
            read_labels=partial(self._labels, index, kept) if has_labels else None,
            read_boxes=partial(self._boxes, index) if has_boxes else None,
        )

    def _sweep(self, index: int) -> tuple[Sweep, Bool[np.ndarray, "all_points"]]:
        """The sweep, and which points of the file are in it."""
        path = _table(self.folder / "lidar", index)
        columns = read_table(path, "a sweep", ("x", "y", "z", "i", "d"))
        if not all(values.dtype.kind in "fiu" for values in columns.values()):
            held = ", ".join(f"{name} {values.dtype}" for name, values in columns.items())
            raise ValueError(f"{path} holds columns {held}; numbers were expected")
        rows = np.stack([columns[name].astype(np.float64) for name in "xyzi"], axis=1)
        sensor = columns["d"].astype(np.int64)
        finite = np.isfinite(rows).all(axis=1)
        if not finite.all():
            first = int(np.argmin(finite))
            raise ValueError(
                f"{path}: {int((~finite).sum())} of {len(rows)} points are NaN or infinite, the first is point "
                f"{first}: {rows[first].tolist()}; finite numbers were expected: leave them out, and their labels"
            )
        if not np.isin(sensor, (PANDAR64, PANDAR_GT)).all():
            raise ValueError(f"{path} has sensors {sorted(set(sensor.tolist()))} in column d, 0 and 1 were expected")
        kept = np.full(len(rows), True)
        if self.lidars != "both":
            kept = sensor == (PANDAR64 if self.lidars == "pandar64" else PANDAR_GT)
        if not kept.any():
            raise ValueError(f"{path} has no point of {self.lidars} (of {len(rows)}), at least one was expected")
        world_from_ego = self._world_from_ego(index)
        ego_from_lidar = RigidTransform(
            torch.eye(3, dtype=torch.float64), torch.tensor(LIDAR_POSITION_M, dtype=torch.float64)
        )
        lidar_from_world = (world_from_ego @ ego_from_lidar).inverse()
        sweep = Sweep(
            points_lidar=lidar_from_world.apply(torch.from_numpy(rows[kept, :3])).float(),
            intensity=torch.from_numpy(rows[kept, 3] / FULL_INTENSITY).float(),
            timestamp_ns=int(self._times_ns[index]),
            ego_from_lidar=ego_from_lidar,
            world_from_ego=world_from_ego,
        )
        return sweep, kept

    def _image(self, name: str, index: int) -> CameraImage:
        poses, camera = self._cameras[name], self._lenses[name]
        if index >= len(poses):
            raise ValueError(
                f"{poses.folder / 'timestamps.json'} has {len(poses)} times, the drive has {len(self)} sweeps: one "
                f"image for every sweep was expected"
            )
        time_ns = int(poses.times_ns[index])
        late_s = (time_ns - int(self._times_ns[index])) * 1e-9
        if abs(late_s) > FARTHEST_IMAGE_S:
            raise ValueError(
                f"{poses.folder / 'timestamps.json'}: image {index:02d} is {late_s:.2f} s after its sweep, at most "
                f"{FARTHEST_IMAGE_S:g} s was expected: times of another drive?"
            )
        # the vehicle's pose at that moment; what the camera's own pose differs from it is where the camera sits
        first_ns, last_ns = int(self._times_ns[0]), int(self._times_ns[-1])
        world_from_ego = self._trajectory.at(min(max(time_ns, first_ns), last_ns))
        promised_by = f"the first image of {name}"
        path = poses.folder / f"{index:02d}.jpg"
        return CameraImage(
            name=name,
            camera=camera,
            timestamp_ns=time_ns,
            ego_from_cam=world_from_ego.inverse() @ poses.world_from_sensor(index),
            world_from_ego=world_from_ego,
            read_pixels=partial(read_pixels, path, camera.width_px, camera.height_px, promised_by),
        )

    def _labels(self, index: int, kept: Bool[np.ndarray, "all_points"]) -> Int64[Tensor, "points"]:
        folder = self.folder / "annotations" / "semseg"
        path = _table(folder, index)
        labels = read_table(path, "the labels", ("class",))["class"]
        if len(labels) != len(kept):
            raise ValueError(
                f"{path} has labels for {len(labels)} points, its sweep has {len(kept)}: truncated, or of another "
                f"sweep?"
            )
        return torch.from_numpy(classes_of_labels(labels[kept], self._label_names, folder / "classes.json", path))

    def _boxes(self, index: int) -> Boxes:
        folder = self.folder / "annotations" / "cuboids"
        near = [number for number in (index - 1, index, index + 1) if 0 <= number < len(self)]
        other = PANDAR64 if self.lidars == "pandar_gt" else PANDAR_GT
        return read_cuboids([_table(folder, number) for number in near], self._times_ns[near], near.index(index), other)

    def _world_from_ego(self, index: int) -> RigidTransform:
        pose = self._lidar_poses.world_from_sensor(index)
        return RigidTransform(pose.rotation @ torch.from_numpy(EGO_FROM_PANDASET.T), pose.translation_m)

    @cached_property
    def _lidar_poses(self) -> SensorPoses:
        return read_sensor_poses(self.folder / "lidar")

    @cached_property
    def _trajectory(self) -> Trajectory:
        poses = self._lidar_poses
        turned = poses.rotations @ EGO_FROM_PANDASET.T
        return Trajectory(poses.folder / "poses.json", poses.times_ns, quaternions(turned), poses.translations_m)

    @cached_property
    def _cameras(self) -> dict[str, SensorPoses]:
        folder = self.folder / "camera"
        return {name: read_sensor_poses(folder / name) for name in CAMERAS if (folder / name).is_dir()}

    @cached_property
    def _lenses(self) -> dict[str, PinholeCamera]:
        """Pinholes: the images are undistorted as they are delivered. Their size is that of the camera's first."""
        return {name: read_lens(poses.folder) for name, poses in self._cameras.items()}

    @cached_property
    def _label_names(self) -> Mapping[str, str]:
        path = self.folder / "annotations" / "semseg" / "classes.json"
        names = read_json(path, "the names of the labels")
        if not isinstance(names, dict):
            raise ValueError(f"{path} must map numbers of labels to names, got {str(names)[:60]}")
        return names


def _table(folder: Path, index: int) -> Path:
    """The file of a frame, gzipped as it is delivered or unpacked."""
    plain = folder / f"{index:02d}.pkl"
    return plain if plain.exists() else plain.with_suffix(".pkl.gz")


def _scalr_splits(folders: Mapping[str, Path]) -> dict[str, list[str]]:
    """The labelled drives by where they were recorded."""
    splits: dict[str, list[str]] = {"train": [], "val": []}
    for name, folder in folders.items():
        path = folder / "meta" / "gps.json"
        if (folder / "annotations" / "semseg").is_dir() and path.exists():
            gps = read_json(path, "where the vehicle was")
            try:
                latitude_deg = float(gps[0]["lat"])
            except (KeyError, IndexError, TypeError, ValueError):
                raise ValueError(f"{path} must be a list of positions with lat, got {str(gps)[:60]}") from None
            splits["train" if latitude_deg > SOUTHERNMOST_TRAIN_DEG else "val"].append(name)
    return splits


def is_drive(folder: Path) -> bool:
    """Whether the folder looks like a drive of PandaSet, even if a file is missing."""
    lidar = folder / "lidar"
    return (lidar / "poses.json").exists() or ((lidar / "timestamps.json").exists() and (folder / "camera").is_dir())


def drive_folders(root: Path) -> list[Path]:
    """Every drive in the folder, by name, or the folder itself."""
    return [root] if is_drive(root) else sorted(path for path in root.iterdir() if path.is_dir() and is_drive(path))


def recognises(root: Path) -> bool:
    """Whether there is a drive in it."""
    return bool(drive_folders(root))
