"""Argoverse 2, sensor dataset: logs as sequences, sweeps as frames.

The folder is that of the download: `sensor/{train,val,test}/<log>/`, or a part of it. Sweeps lie in the vehicle's frame
at the time in their name, the vehicle's own motion already taken out. Two LiDARs of 32 beams, one of them upside down,
share a sweep; the LiDAR's frame here is that of the upper one.
"""

from __future__ import annotations

from collections.abc import Sequence as Series
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from lima.config import AtGap
from lima.datasets.argoverse2_boxes import (
    BACKGROUND,
    CLASS_NAMES,
    CLASS_OF_CATEGORY,
    read_annotations,
)
from lima.datasets.argoverse2_tables import LogTables
from lima.datasets.arrow import read_feather, require_pyarrow
from lima.datasets.box_labels import labels_from_boxes
from lima.datasets.drives import checked, members, with_own_splits
from lima.datasets.file_times import LATEST_NS
from lima.datasets.scan_files import read_pixels
from lima.datasets.timed_boxes import TimedBoxes
from lima.geometry.boxes import Boxes
from lima.scene import CameraImage, Frame, Sequence, Sweep, check_index

SPLITS = ("train", "val", "test")
CAMERAS = (
    "ring_front_center",
    "ring_front_right",
    "ring_side_right",
    "ring_rear_right",
    "ring_rear_left",
    "ring_side_left",
    "ring_front_left",
)
"""clockwise from the front"""
LIDAR = "up_lidar"
FARTHEST_IMAGE_NS = 50_000_000
"""cameras give an image every 50 ms: of one that has none so near to the sweep, the image is missing"""
FULL_INTENSITY = 255.0
LASERS = 64
_ELEVATIONS_DEG = (
    7.0, -1.7, 1.7, -0.7, 15.0, -0.3, 3.3, 0.7, 1.3, 0.0, 1.0, 2.3, 0.3, -1.0, 4.7, 10.3,
    -6.1, -15.6, -3.0, -2.0, -4.0, -8.8, -4.7, -3.3, -2.7, -5.3, -1.3, -7.2, -3.7, -11.3, -2.3, -25.0,
)  # fmt: skip
"""of lasers 0 … 31 in their own LiDAR, as measured on a recorded sweep; 32 … 63 are those of the one upside down"""
RING_OF_LASER = torch.tensor([*_ELEVATIONS_DEG, *(-angle for angle in _ELEVATIONS_DEG)]).argsort(stable=True).argsort()

_POINT = ("x", "y", "z", "intensity", "laser_number")


class Argoverse2:
    """An opened folder of Argoverse 2 logs.

    root: the folder with sensor/, or sensor/ itself, one of its splits, or a single log. at_gap: what `sequences` does
    with a log in which sweeps are missing (more than 0.75 s): "raise", or "split" it there.

    There are no labels of points: a point in a box has the class of the box, all others are background. Logs without
    annotations (test) have neither labels nor boxes. Raises FileNotFoundError, ValueError, ModuleNotFoundError.
    """

    def __init__(self, root: Path, at_gap: AtGap = "raise") -> None:
        require_pyarrow("Argoverse 2")
        self.root = Path(root)
        self.at_gap = at_gap
        self._folders: dict[str, Path] = {}
        found: dict[str, list[str]] = {}
        for split, folder in log_folders(self.root):
            if folder.name in self._folders:
                raise ValueError(f"{folder} and {self._folders[folder.name]} are the same log: remove one")
            self._folders[folder.name] = folder
            if split is not None:
                found.setdefault(split, []).append(folder.name)
        if not self._folders:
            raise FileNotFoundError(f"{self.root} holds no log: a folder such as sensor/val/<log>/ was expected")
        self._splits = with_own_splits(self.root, list(self._folders), found)

    @property
    def name(self) -> str:
        return "Argoverse 2"

    @property
    def class_names(self) -> tuple[str, ...]:
        return CLASS_NAMES

    @property
    def split_names(self) -> tuple[str, ...]:
        return tuple(self._splits)

    def sequences(self, split: str | None = None) -> list[Sequence]:
        """The logs of a split, by name; None or "all" for every log. Raises ValueError as `drives.checked`."""
        logs = [Argoverse2Log(self._folders[name]) for name in members(self._splits, split, self.root)]
        return checked(logs, [log.folder for log in logs], self.at_gap)


class Argoverse2Log:
    """One log as a sequence of its sweeps. Raises FileNotFoundError, ValueError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.name
        self.tables = LogTables(folder)
        self._times_ns = _sweep_times(folder / "sensors" / "lidar")

    @property
    def tokens(self) -> Series[str]:
        return [f"{self.name}/{time_ns}" for time_ns in self.timestamps_ns]

    @property
    def timestamps_ns(self) -> Series[int]:
        return self._times_ns.tolist()

    def __len__(self) -> int:
        return len(self._times_ns)

    def frame(self, index: int) -> Frame:
        """The frame at that position; its points are read now, images, labels and boxes when they are asked for."""
        check_index(self, index)
        sweep = self._sweep(int(self._times_ns[index]))
        annotated = self._annotations_file.exists()
        return Frame(
            token=f"{self.name}/{sweep.timestamp_ns}",
            sequence=self.name,
            index=index,
            sweep=sweep,
            images=tuple(self._images(sweep.timestamp_ns)),
            read_labels=partial(self._labels, sweep) if annotated else None,
            read_boxes=partial(self._boxes, sweep.timestamp_ns) if annotated else None,
        )

    def _sweep(self, time_ns: int) -> Sweep:
        path = self.folder / "sensors" / "lidar" / f"{time_ns}.feather"
        columns = read_feather(path, "a sweep", number=_POINT)
        points = torch.from_numpy(np.stack([columns[axis].astype(np.float32) for axis in "xyz"], axis=1))
        intensity = torch.from_numpy(columns["intensity"].astype(np.float32) / FULL_INTENSITY)
        if len(points) == 0:
            raise ValueError(f"{path} is an empty sweep, at least one point was expected")
        finite = torch.isfinite(points).all(dim=1) & torch.isfinite(intensity)
        if not bool(finite.all()):
            first = int(torch.nonzero(~finite)[0])
            raise ValueError(
                f"{path}: {int((~finite).sum())} of {len(points)} points are NaN or infinite, the first is point "
                f"{first}: {points[first].tolist()}; finite numbers were expected: leave them out"
            )
        laser = torch.from_numpy(columns["laser_number"].astype(np.int64))
        if not 0 <= int(laser.min()) <= int(laser.max()) < LASERS:
            raise ValueError(f"{path} has laser_number {int(laser.min())} … {int(laser.max())}, 0 … 63 was expected")
        ego_from_lidar = self.tables.ego_from_sensor(LIDAR)
        return Sweep(
            points_lidar=ego_from_lidar.inverse().apply(points),
            intensity=intensity,
            timestamp_ns=time_ns,
            ego_from_lidar=ego_from_lidar,
            world_from_ego=self.tables.world_from_ego(time_ns),
            ring=RING_OF_LASER[laser],
        )

    def _images(self, time_ns: int) -> list[CameraImage]:
        """Of every ring camera the image nearest in time, where there is one."""
        found = []
        for name, times_ns in self._image_times_ns.items():
            image_ns = int(times_ns[int(np.abs(times_ns - time_ns).argmin())])
            if abs(image_ns - time_ns) > FARTHEST_IMAGE_NS:
                continue
            camera = self.tables.camera(name)
            path = self.folder / "sensors" / "cameras" / name / f"{image_ns}.jpg"
            promised_by = f"{name} in {self.tables.intrinsics_file}"
            found.append(
                CameraImage(
                    name=name,
                    camera=camera,
                    timestamp_ns=image_ns,
                    ego_from_cam=self.tables.ego_from_sensor(name),
                    world_from_ego=self.tables.world_from_ego(image_ns),
                    read_pixels=partial(read_pixels, path, camera.width_px, camera.height_px, promised_by),
                )
            )
        return found

    def _labels(self, sweep: Sweep) -> Int64[Tensor, "points"]:
        points_world = sweep.world_from_lidar.apply(sweep.points_lidar.double())
        return labels_from_boxes(
            points_world, self._boxes(sweep.timestamp_ns), CLASS_OF_CATEGORY, CLASS_NAMES.index(BACKGROUND)
        )

    def _boxes(self, time_ns: int) -> Boxes:
        return self._annotations.at(time_ns)

    @cached_property
    def _image_times_ns(self) -> dict[str, Int64[np.ndarray, "images"]]:
        folder = self.folder / "sensors" / "cameras"
        times_ns = {name: _times_of_names(folder / name, ".jpg") for name in CAMERAS if (folder / name).is_dir()}
        return {name: times for name, times in times_ns.items() if len(times)}

    @property
    def _annotations_file(self) -> Path:
        return self.folder / "annotations.feather"

    @cached_property
    def _annotations(self) -> TimedBoxes:
        return read_annotations(self._annotations_file, self.tables.world_from_ego)


def _sweep_times(folder: Path) -> Int64[np.ndarray, "sweeps"]:
    times_ns = _times_of_names(folder, ".feather")
    if len(times_ns) == 0:
        raise FileNotFoundError(f"{folder} holds no sweep, files such as 315966265259836000.feather were expected")
    return times_ns


def _times_of_names(folder: Path, ending: str) -> Int64[np.ndarray, "files"]:
    """The times that the files are named by, ascending."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is missing: were all parts of the log downloaded?")
    stems = [path.stem for path in folder.iterdir() if path.suffix == ending]
    wrong = [stem for stem in stems if not (stem.isascii() and stem.isdigit() and int(stem) < LATEST_NS)]
    if wrong:
        raise ValueError(f"{folder / (wrong[0] + ending)} is not named by its time in nanoseconds, as all files are")
    return np.sort(np.array([int(stem) for stem in stems], dtype=np.int64))


def is_log(folder: Path) -> bool:
    """Whether the folder looks like a log, even if a file is missing."""
    return (folder / "city_SE3_egovehicle.feather").exists() or (
        (folder / "sensors" / "lidar").is_dir() and (folder / "calibration").is_dir()
    )


def log_folders(root: Path) -> list[tuple[str | None, Path]]:
    """Every log below the folder, by name, with its split where the folders tell it."""
    if is_log(root):
        return [(root.parent.name if root.parent.name in SPLITS else None, root)]
    top = root / "sensor" if (root / "sensor").is_dir() else root
    found: list[tuple[str | None, Path]] = []
    for split in SPLITS:
        if (top / split).is_dir():
            found += [(split, folder) for folder in sorted((top / split).iterdir()) if is_log(folder)]
    of_this = top.name if top.name in SPLITS else None
    return found or [(of_this, folder) for folder in sorted(top.iterdir()) if folder.is_dir() and is_log(folder)]


def recognises(root: Path) -> bool:
    """Whether there is a log in it, or in one of its splits."""
    return bool(log_folders(root))
