"""One drive of a plain folder (docs/plain_folder.md): points, images, calibration.yaml, poses.txt, labels."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Series
from functools import cached_property, lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64, UInt8
from torch import Tensor

from lima.datasets import point_files
from lima.datasets.compensation import compensated
from lima.datasets.file_times import HOW_TO_WRITE_TIMES, TIMES_FILE, TimedFiles, stem, timed_files
from lima.datasets.matching import NONE, pictures_of_sweeps, thinned
from lima.datasets.plain_calibration import Calibration, CameraCalibration, read_calibration
from lima.datasets.plain_labels import LabelClasses, label_files, read_labels
from lima.datasets.point_columns import Points
from lima.datasets.scan_files import read_pixels
from lima.datasets.trajectory import MAX_BEYOND_S, Trajectory, read_poses
from lima.geometry.camera import PinholeCamera
from lima.geometry.distortion import Distortion, Undistortion
from lima.scene import CameraImage, Frame, Sweep, check_index

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png")
POINTS_FOLDER, IMAGES_FOLDER, LABELS_FOLDER, POSES_FILE = "points", "images", "labels", "poses.txt"
ABOVE_ONE = 1.001
TABLES = 16  # of lenses that are kept: 11 MB each for 1600 x 900 pixels

logger = logging.getLogger(__name__)


class PlainDrive:
    """A drive as a sequence. Everything but the names of its files is read when it is asked for.

    The sweeps are all files of points/. The frames are those sweeps that have a pose, and, where there are cameras, at
    least one picture or labels; `keyframes_per_s` thins them out. What is left out is counted in the log, once.
    """

    def __init__(self, folder: Path, name: str, calibration_file: Path, classes: LabelClasses | None) -> None:
        self.folder, self.name = folder, name
        self._calibration_file = calibration_file
        self._classes = classes

    # --- what lies in the folder

    @cached_property
    def calibration(self) -> Calibration:
        """Of calibration.yaml, with all cameras that have a folder, and no others."""
        path = self._calibration_file
        if not path.exists():
            raise FileNotFoundError(
                f"{path} is missing: it must say where the sensors sit, at least ego_from_lidar: … "
                f"(docs/plain_folder.md)"
            )
        calibration = read_calibration(path)
        images = self.folder / IMAGES_FOLDER
        folders = {entry.name for entry in images.iterdir() if entry.is_dir()} if images.is_dir() else set()
        folders = {name for name in folders if not name.startswith(".")}
        for name in sorted(folders.difference(calibration.cameras)):
            raise ValueError(
                f"{path} has no camera {name!r}, though there is {images / name}: add it under cameras, or move the "
                f"folder away"
            )
        for name in calibration.cameras:
            if name not in folders:
                raise FileNotFoundError(
                    f"{images / name} is missing: {path} has a camera {name!r}; its pictures were expected there"
                )
        return calibration

    @cached_property
    def sweeps(self) -> TimedFiles:
        """The files of points/ in order of time; times are always known."""
        files = timed_files(self.folder / POINTS_FOLDER, point_files.ENDINGS)
        if files.times_ns is not None:
            return files
        if self.calibration.rate_hz is None:
            raise ValueError(
                f"{files.folder}: nothing tells when the sweeps were taken ({files.paths[0].name} is a counter): name "
                f"the files by {HOW_TO_WRITE_TIMES}, write {files.folder / TIMES_FILE}, or put rate_hz: … into "
                f"{self._calibration_file}"
            )
        times_ns = np.round(np.arange(len(files)) * (1e9 / self.calibration.rate_hz)).astype(np.int64)
        return TimedFiles(files.folder, files.paths, times_ns)

    @cached_property
    def trajectory(self) -> Trajectory | None:
        """Of poses.txt; None where there is none."""
        return read_poses(self.poses_file, self.sweep_times_ns) if self.poses_file.exists() else None

    @property
    def poses_file(self) -> Path:
        """Where its poses are, or would be."""
        return self.folder / POSES_FILE

    @property
    def sweep_times_ns(self) -> Int64[np.ndarray, "sweeps"]:
        """Of all sweeps, strictly ascending."""
        times_ns = self.sweeps.times_ns
        assert times_ns is not None, "sweeps have times"
        return times_ns

    @cached_property
    def _images(self) -> Mapping[str, Int64[np.ndarray, "sweeps"]]:
        """Which file of each camera belongs to which sweep, -1 for none."""
        within_s = self.calibration.image_within_s
        return {name: pictures_of_sweeps(files, self.sweeps, within_s) for name, files in self._image_files.items()}

    @cached_property
    def _image_files(self) -> Mapping[str, TimedFiles]:
        return {
            name: timed_files(self.folder / IMAGES_FOLDER / name, IMAGE_ENDINGS) for name in self.calibration.cameras
        }

    @cached_property
    def _labels(self) -> Mapping[str, Path]:
        return label_files(self.folder / LABELS_FOLDER)

    # --- the sequence

    @cached_property
    def frames(self) -> Int64[np.ndarray, "frames"]:
        """Which sweeps are frames. Raises ValueError where there are no poses, or no sweep is left."""
        trajectory = self._poses()
        times_ns = self.sweep_times_ns
        margin_ns = 0
        if not self.calibration.points.compensated:  # a whole turn must have poses
            margin_ns = max(round(MAX_BEYOND_S * 1e9), int(np.median(np.diff(times_ns))) if len(times_ns) > 1 else 0)
        posed = trajectory.knows(times_ns) & trajectory.knows(times_ns + margin_ns)
        posed &= trajectory.knows(times_ns - margin_ns)
        seen = np.ones(len(times_ns), dtype=bool)
        if self._images:
            labelled = np.array([stem(path) in self._labels for path in self.sweeps.paths])
            seen = (np.stack(list(self._images.values())) != NONE).any(axis=0) | labelled
        kept = np.flatnonzero(posed & seen)
        if len(kept) == 0:
            raise ValueError(
                f"{self.folder}: of {len(times_ns)} sweeps {int(posed.sum())} have a pose and {int(seen.sum())} a "
                f"picture within {self.calibration.image_within_s:g} s, none has both: are the clocks the same?"
            )
        self._tell_left_out(~posed, f"pose in {POSES_FILE}")
        self._tell_left_out(posed & ~seen, f"picture within {self.calibration.image_within_s:g} s")
        rate = self.calibration.keyframes_per_s
        return kept if rate is None else kept[thinned(times_ns[kept], rate)]

    def _tell_left_out(self, left: Bool[np.ndarray, "sweeps"], what: str) -> None:
        if left.any():
            first = self.sweeps.paths[int(np.argmax(left))].name
            logger.warning(
                "%s: %d of %d sweeps have no %s and are no frames, the first is %s",
                self.folder, int(left.sum()), len(left), what, first,
            )  # fmt: skip

    def _poses(self) -> Trajectory:
        if self.trajectory is None:
            raise ValueError(
                f"{self.poses_file} is missing: without poses there is no memory of past frames, and no way from the "
                f"LiDAR to a camera that opens at another time; compute them with: lima odometry {self.folder}"
            )
        return self.trajectory

    @cached_property
    def tokens(self) -> Series[str]:
        return [f"{self.name}/{stem(self.sweeps.paths[sweep])}" for sweep in self.frames]

    @cached_property
    def timestamps_ns(self) -> Series[int]:
        return self.sweep_times_ns[self.frames].tolist()

    def __len__(self) -> int:
        return len(self.frames)

    def frame(self, index: int) -> Frame:
        """The frame at that position; its points are read now, pictures and labels when they are asked for."""
        check_index(self, index)
        sweep_number = int(self.frames[index])
        path = self.sweeps.paths[sweep_number]
        points, kept = self._kept(sweep_number)
        sweep = self._sweep(sweep_number, points)
        labels = self._labels.get(stem(path))
        read = None
        if labels is not None:
            assert self._classes is not None, "a drive with labels is opened with the names of its classes"
            read = partial(_kept_labels, labels, kept, self._classes)
        return Frame(
            token=f"{self.name}/{stem(path)}",
            sequence=self.name,
            index=index,
            sweep=sweep,
            images=tuple(self._images_of(sweep_number)),
            read_labels=read,
        )

    # --- sweeps without poses, for odometry

    def points(self, sweep: int) -> Points:
        """The points of any sweep, frame or not, as measured; times only where they count. Raises ValueError where some
        are no numbers."""
        return self._kept(sweep)[0]

    def _kept(self, sweep: int) -> tuple[Points, Bool[np.ndarray, "points"]]:
        """The points that are used, and which of those in the file they are."""
        path, layout = self.sweeps.paths[sweep], self.calibration.points
        times_from_ns = None if layout.compensated else int(self.sweep_times_ns[sweep])
        points = point_files.read_points(path, layout.columns, times_from_ns)
        usable = points.usable()
        if usable.all():
            return points, usable
        if layout.drop_invalid:
            if not usable.any():
                raise ValueError(f"{path}: all {len(points)} points are NaN, infinite or at the origin")
            return points.where(usable), usable
        finite = points.finite()
        if not finite.all():
            first = int(np.argmin(finite))
            raise ValueError(
                f"{path}: {int((~finite).sum())} of {len(points)} points are NaN or infinite, the first is point "
                f"{first}: {points.xyz_m[first].tolist()}; finite numbers were expected. If that is how the driver "
                f"marks beams without an echo, put points: {{drop_invalid: true}} into {self._calibration_file}"
            )
        return points, np.ones(len(points), dtype=bool)

    def _sweep(self, number: int, points: Points) -> Sweep:
        timestamp_ns = int(self.sweep_times_ns[number])
        trajectory = self._poses()
        xyz_m = points.xyz_m
        if points.time_s is not None:

            def world_from_lidar(
                times_ns: Int64[np.ndarray, "times"],
            ) -> tuple[Float64[np.ndarray, "times 3 3"], Float64[np.ndarray, "times 3"]]:
                rotations, translations_m = trajectory.many(times_ns)
                mount = self.calibration.ego_from_lidar
                return rotations @ mount.rotation.numpy(), rotations @ mount.translation_m.numpy() + translations_m

            xyz_m = compensated(xyz_m, points.time_s, timestamp_ns, world_from_lidar)
        return Sweep(
            points_lidar=torch.from_numpy(xyz_m),
            intensity=torch.from_numpy(self._intensity(number, points)),
            timestamp_ns=timestamp_ns,
            ego_from_lidar=self.calibration.ego_from_lidar,
            world_from_ego=trajectory.at(timestamp_ns),
            ring=None if points.ring is None else torch.from_numpy(points.ring),
        )

    def _intensity(self, number: int, points: Points) -> Float32[np.ndarray, "points"]:
        """0 … 1; zeros where the sensor gives none."""
        if points.intensity is None:
            return np.zeros(len(points), dtype=np.float32)
        asked = self.calibration.points.intensity_max
        largest = asked or float(points.intensity_limit or 1)
        lowest, highest = float(points.intensity.min()), float(points.intensity.max())
        if lowest < 0 or (asked is None and highest > largest * ABOVE_ONE):
            raise ValueError(
                f"{self.sweeps.paths[number]} has intensities from {lowest:.4g} to {highest:.4g}, 0 … {largest:g} was "
                f"expected: say which value means 1 with points: {{intensity_max: …}} in {self._calibration_file}"
            )
        return np.clip(points.intensity / np.float32(largest), 0, 1)

    def _images_of(self, sweep: int) -> Iterator[CameraImage]:
        for name, picture_of_sweep in self._images.items():
            row = int(picture_of_sweep[sweep])
            if row == NONE:
                continue
            files, about = self._image_files[name], self.calibration.cameras[name]
            timestamp_ns = int(self.sweep_times_ns[sweep] if files.times_ns is None else files.times_ns[row])
            yield CameraImage(
                name=name,
                camera=about.camera,
                timestamp_ns=timestamp_ns,
                ego_from_cam=about.ego_from_cam,
                world_from_ego=self._poses().at(timestamp_ns),
                read_pixels=partial(self._pixels, name, files.paths[row], about),
            )

    def _pixels(self, name: str, path: Path, about: CameraCalibration) -> UInt8[Tensor, "3 height width"]:
        lens = about.camera
        promised_by = f"camera {name!r} in {self._calibration_file}"
        pixels = read_pixels(path, lens.width_px, lens.height_px, promised_by)
        if about.distortion is None:
            return pixels
        return _undistortion(lens, about.distortion).apply(pixels)


@lru_cache(maxsize=TABLES)
def _undistortion(camera: PinholeCamera, distortion: Distortion) -> Undistortion:
    """Its table is large, and drives of one vehicle share it."""
    return Undistortion(camera, distortion)


def _kept_labels(path: Path, kept: Bool[np.ndarray, "points"], classes: LabelClasses) -> Int64[Tensor, "kept"]:
    return read_labels(path, len(kept), classes)[torch.from_numpy(kept)]
