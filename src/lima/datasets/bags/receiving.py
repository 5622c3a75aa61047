"""The messages of a recording, one by one: sweeps and pictures become files, poses are gathered."""

from __future__ import annotations

from array import array
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lima.datasets.bags.bag import Bag, Stored
from lima.datasets.bags.camera_info import lens_of
from lima.datasets.bags.clouds import cloud_points
from lima.datasets.bags.frame_tree import FrameTree, frame_name
from lima.datasets.bags.pictures import picture_of
from lima.datasets.bags.plan import CameraPlan, Plan, stamp_ns
from lima.datasets.file_times import seconds_text
from lima.datasets.plain_drive import IMAGES_FOLDER, POINTS_FOLDER
from lima.datasets.plain_writer import write_points, write_whole
from lima.datasets.point_files import read_points

MAX_BACK_NS = 1_000_000_000
QUANTILE = 0.99


@dataclass
class OdometryPoses:
    """The poses of a topic of Odometry: of `frames[1]` in `frames[0]`, x y z qx qy qz qw at its times."""

    frames: tuple[str, str] = ("", "")
    times_ns: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def add(self, time_ns: int, message: Any) -> None:
        """One more. Raises ValueError where it is about other frames."""
        frames = frame_name(message.header.frame_id), frame_name(message.child_frame_id)
        if self.times_ns and frames != self.frames:
            raise ValueError(f"a pose of {frames[1]!r} in {frames[0]!r}, the first was of {self.frames[1]!r} in "
                             f"{self.frames[0]!r}")  # fmt: skip
        self.frames = frames
        p, q = message.pose.pose.position, message.pose.pose.orientation
        self.times_ns.append(time_ns)
        self.values.extend((p.x, p.y, p.z, q.x, q.y, q.z, q.w))


@dataclass
class Tally:
    """What has been seen. without_echo: points left out as NaN, infinite or at the origin. largest_intensity; and
    usual_intensity, the largest of what 99 % of the points of a sweep keep below."""

    sweeps: int = 0
    pictures: int = 0
    without_echo: int = 0
    has_intensity: bool = False
    largest_intensity: float = 0.0
    usual_intensity: float = 0.0
    left_out: list[str] = field(default_factory=list)


class Receiver:
    """Takes message after message; what is a file already is not written again."""

    def __init__(self, bag: Bag, folder: Path, plan: Plan) -> None:
        self._bag, self._folder, self._plan = bag, folder, plan
        self.tally = Tally()
        self.frames = FrameTree()
        self.odometry = OdometryPoses()
        self._camera_of_images = {camera.topics.images: camera for camera in plan.cameras}
        self._camera_of_info = {camera.topics.info: camera for camera in plan.cameras if camera.lens is not None}
        self._recent: dict[str, deque[int]] = {}

    def take(self, stored: Stored) -> None:
        """Raises ValueError for a message that cannot be used; the next one can be taken all the same."""
        chosen = self._plan.chosen
        message = self._bag.decode(stored)
        if stored.topic == chosen.points:
            self._take_sweep(stored, message)
        elif stored.topic in self._camera_of_images:
            self._take_picture(stored, message, self._camera_of_images[stored.topic])
        elif stored.topic in self._camera_of_info:
            self._check_info(message, self._camera_of_info[stored.topic])
        elif stored.topic in chosen.tf or stored.topic in chosen.tf_static:
            self.frames.add(message, fixed=stored.topic in chosen.tf_static)
        elif stored.topic == chosen.odometry:
            self.odometry.add(stamp_ns(message, stored, self._plan.clock), message)

    def _take_sweep(self, stored: Stored, message: Any) -> None:
        time_ns = self._new_time_ns(message, stored)
        frame = frame_name(message.header.frame_id)
        if frame != self._plan.lidar_frame:
            raise ValueError(f"the sweep is in frame {frame!r}, the first was in {self._plan.lidar_frame!r}")
        path = self._folder / POINTS_FOLDER / f"{seconds_text(time_ns)}.npy"
        if path.exists():
            points = read_points(path, None, time_ns)
        else:
            found = cloud_points(message, time_ns if self._plan.has_times else None)
            usable = found.usable()
            if not usable.any():
                raise ValueError(f"a sweep without a point: of {len(found)} none is finite and off the origin")
            points = found.where(usable)
            write_points(path, points)
            self.tally.without_echo += len(found) - len(points)
        self.tally.sweeps += 1
        if points.intensity is not None:
            self.tally.has_intensity = True
            self.tally.largest_intensity = max(self.tally.largest_intensity, float(points.intensity.max()))
            usual = float(np.quantile(points.intensity, QUANTILE))
            self.tally.usual_intensity = max(self.tally.usual_intensity, usual)

    def _take_picture(self, stored: Stored, message: Any, camera: CameraPlan) -> None:
        time_ns = self._new_time_ns(message, stored)
        folder, name = self._folder / IMAGES_FOLDER / camera.topics.name, seconds_text(time_ns)
        if not any((folder / f"{name}{ending}").exists() for ending in (".jpg", ".png")):
            picture = picture_of(message)
            if (picture.width_px, picture.height_px) != (camera.width_px, camera.height_px):
                raise ValueError(
                    f"a picture of {picture.width_px} x {picture.height_px} px, the first had {camera.width_px} x "
                    f"{camera.height_px}"
                )
            write_whole(folder / f"{name}{picture.ending}", picture.content)
        self.tally.pictures += 1

    @staticmethod
    def _check_info(message: Any, camera: CameraPlan) -> None:
        assert camera.lens is not None, "cameras without one are not asked"
        lens = lens_of(message, camera.topics.rectified)
        if (lens.camera, lens.distortion) != (camera.lens.camera, camera.lens.distortion):
            raise ValueError(
                f"the calibration changes, from {camera.lens.camera} to {lens.camera}: cut the recording there"
            )

    def _new_time_ns(self, message: Any, stored: Stored) -> int:
        """The time of a message, which must be new and not far behind that of the others of its topic."""
        time_ns = stamp_ns(message, stored, self._plan.clock)
        recent = self._recent.setdefault(stored.topic, deque())
        latest = max(recent, default=time_ns)
        if time_ns in recent:
            raise ValueError(f"two messages have the time {seconds_text(time_ns)} s")
        if time_ns < latest - MAX_BACK_NS:
            raise ValueError(
                f"time runs backwards, from {seconds_text(latest)} to {seconds_text(time_ns)} s: was it played in a "
                f"loop? Cut it there, or import with --clock received"
            )
        recent.append(time_ns)
        while recent[0] < latest - MAX_BACK_NS:
            recent.popleft()
        return time_ns
