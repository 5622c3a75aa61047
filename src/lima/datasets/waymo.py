"""Waymo Open Dataset, perception, version 2: parquet files, read without TensorFlow.

The folder is that of the download: `{training,validation,testing}/<component>/<segment>.parquet`, or one of the three.
vehicle_pose, lidar, lidar_pose and lidar_calibration are needed; camera_image with camera_calibration, lidar_box and
lidar_segmentation are used where they are. The vehicle's frame has x forward, y left, z up.
"""

from __future__ import annotations

from collections.abc import Sequence as Series
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Literal, get_args

from jaxtyping import UInt8
from torch import Tensor

from lima.config import AtGap
from lima.datasets.arrow import require_pyarrow
from lima.datasets.drives import checked, members, with_own_splits
from lima.datasets.pictures import decode_pixels
from lima.datasets.timed_boxes import TimedBoxes
from lima.datasets.waymo_boxes import read_boxes
from lima.datasets.waymo_segment import Segment
from lima.datasets.waymo_sweep import CLASS_NAMES, LASERS, TOP, has_labels, read_labels, read_sweep
from lima.geometry.boxes import Boxes
from lima.geometry.camera import PinholeCamera
from lima.geometry.distortion import Distortion, Undistortion
from lima.scene import CameraImage, Frame, Sequence, check_index

Returns = Literal["both", "first"]
Lidars = Literal["top", "all"]
FOLDER_OF_SPLIT = {"train": ("training",), "val": ("validation",), "test": ("testing", "testing_location")}
CAMERAS = {"FRONT": 1, "FRONT_RIGHT": 3, "SIDE_RIGHT": 5, "SIDE_LEFT": 4, "FRONT_LEFT": 2}
"""clockwise from the front"""
KEPT_LENSES = 10


class Waymo:
    """An opened folder of Waymo segments.

    lidars: "top" makes a sweep of the LiDAR on the roof, the one whose points are labelled; "all" adds the points of
    the four short-range ones, labelled 0. returns: "both" echoes of a beam, or the "first". at_gap: what `sequences`
    does with a segment in which frames are missing (more than 0.75 s): "raise", or "split" it there.

    Raises FileNotFoundError, ValueError, ModuleNotFoundError.
    """

    def __init__(self, root: Path, at_gap: AtGap = "raise", lidars: Lidars = "top", returns: Returns = "both") -> None:
        require_pyarrow("Waymo Open Dataset v2")
        for name, chosen, known in (("lidars", lidars, get_args(Lidars)), ("returns", returns, get_args(Returns))):
            if chosen not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {chosen!r}")
        self.root = Path(root)
        self.at_gap = at_gap
        self.lidars, self.returns = lidars, returns
        self._segments: dict[str, Segment] = {}
        found: dict[str, list[str]] = {}
        for split, segment in _segments(self.root):
            if segment.name in self._segments:
                raise ValueError(f"{segment.folder} and {self._segments[segment.name].folder} both hold {segment.name}")
            self._segments[segment.name] = segment
            if split is not None:
                found.setdefault(split, []).append(segment.name)
        if not self._segments:
            raise FileNotFoundError(
                f"{self.root} holds no segment: files such as training/lidar/<segment>.parquet were expected"
            )
        self._splits = with_own_splits(self.root, list(self._segments), found)

    @property
    def name(self) -> str:
        return "Waymo Open Dataset v2"

    @property
    def class_names(self) -> tuple[str, ...]:
        return CLASS_NAMES

    @property
    def split_names(self) -> tuple[str, ...]:
        return tuple(self._splits)

    def sequences(self, split: str | None = None) -> list[Sequence]:
        """The segments of a split, by name; None or "all" for every one. Raises ValueError as `drives.checked`."""
        segments = [self._segments[name] for name in members(self._splits, split, self.root)]
        sequences = [WaymoSegment(segment, self.lidars, self.returns) for segment in segments]
        return checked(sequences, [segment.path("vehicle_pose") for segment in segments], self.at_gap)


class WaymoSegment:
    """One segment as a sequence of its frames. A frame's time is when its turn began, its pose that of the middle.

    Raises FileNotFoundError, PermissionError, ValueError.
    """

    def __init__(self, segment: Segment, lidars: Lidars = "top", returns: Returns = "both") -> None:
        self.segment = segment
        self.name = segment.name
        self._times_us = segment.times_us
        self._lasers = tuple(LASERS.values()) if lidars == "all" else (TOP,)
        self._returns = (1, 2) if returns == "both" else (1,)

    @property
    def tokens(self) -> Series[str]:
        return [f"{self.name}/{time_us}" for time_us in self._times_us.tolist()]

    @property
    def timestamps_ns(self) -> Series[int]:
        return (self._times_us * 1000).tolist()

    def __len__(self) -> int:
        return len(self._times_us)

    def frame(self, index: int) -> Frame:
        """The frame at that position; its points are read now, images, labels and boxes when they are asked for."""
        check_index(self, index)
        time_us = int(self._times_us[index])
        labelled = has_labels(self.segment, time_us)
        sweep, held = read_sweep(self.segment, time_us, self._lasers, self._returns)
        return Frame(
            token=f"{self.name}/{time_us}",
            sequence=self.name,
            index=index,
            sweep=sweep,
            images=tuple(self._images(time_us)),
            read_labels=partial(read_labels, self.segment, time_us, held, len(sweep.points_lidar))
            if labelled
            else None,
            read_boxes=partial(self._boxes, time_us) if self.segment.has("lidar_box") else None,
        )

    def _images(self, time_us: int) -> list[CameraImage]:
        found = []
        for name, number in CAMERAS.items():
            if not self.segment.has_image(time_us, number):
                continue
            calibration = self.segment.camera(number)
            taken_ns, world_from_ego = self.segment.image_pose(time_us, number)
            found.append(
                CameraImage(
                    name=name,
                    camera=calibration.camera,
                    timestamp_ns=taken_ns,
                    ego_from_cam=calibration.ego_from_cam,
                    world_from_ego=world_from_ego,
                    read_pixels=partial(self._pixels, time_us, number),
                )
            )
        return found

    def _pixels(self, time_us: int, number: int) -> UInt8[Tensor, "3 height width"]:
        """The image without the distortion of its lens."""
        calibration = self.segment.camera(number)
        camera = calibration.camera
        where = f"{self.segment.path('camera_image')}, camera {number} in frame {time_us}"
        promised_by = f"{self.segment.path('camera_calibration')}"
        pixels = decode_pixels(
            self.segment.image(time_us, number), where, camera.width_px, camera.height_px, promised_by
        )
        return _undistortion(camera, calibration.distortion).apply(pixels)

    def _boxes(self, time_us: int) -> Boxes:
        return self._all_boxes.at(time_us * 1000)

    @cached_property
    def _all_boxes(self) -> TimedBoxes:
        return read_boxes(self.segment)


@lru_cache(maxsize=KEPT_LENSES)
def _undistortion(camera: PinholeCamera, distortion: Distortion) -> Undistortion:
    return Undistortion(camera, distortion)


def _holds_segments(folder: Path) -> bool:
    return any((folder / component).is_dir() for component in ("lidar", "vehicle_pose")) and any(
        path.suffix == ".parquet" for component in ("lidar", "vehicle_pose") for path in (folder / component).glob("*")
    )


def _segments(root: Path) -> list[tuple[str | None, Segment]]:
    """Every segment below the folder, by name, with its split where the folders tell it."""
    split_of_folder = {folder: split for split, folders in FOLDER_OF_SPLIT.items() for folder in folders}
    folders = (
        [root] if _holds_segments(root) else [root / name for name in split_of_folder if _holds_segments(root / name)]
    )
    found: list[tuple[str | None, Segment]] = []
    for folder in folders:
        names = {path.stem for name in ("lidar", "vehicle_pose") for path in (folder / name).glob("*.parquet")}
        found += [(split_of_folder.get(folder.name), Segment(folder, name)) for name in sorted(names)]
    return found


def recognises(root: Path) -> bool:
    """Whether there are range images or poses in parquet files in it, or in the folders of its splits."""
    return bool(_segments(root))
