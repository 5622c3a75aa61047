"""What an import will do, found out from the first messages: what is missing is said before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import torch

from lima.config import ImportConfig
from lima.datasets.bags.bag import Bag, Stored
from lima.datasets.bags.camera_info import Lens, lens_of
from lima.datasets.bags.clouds import cloud_points
from lima.datasets.bags.frame_tree import FrameTree, frame_name
from lima.datasets.bags.pictures import Picture, picture_of
from lima.datasets.bags.topics import CameraTopics, Chosen
from lima.datasets.plain_calibration import Calibration, CameraCalibration, read_calibration
from lima.datasets.plain_writer import records_of
from lima.datasets.point_columns import Points
from lima.geometry.camera import PinholeCamera
from lima.geometry.rigid import RigidTransform

TF_MESSAGES = 2000  # of /tf that are looked at beforehand; all of /tf_static
UPWARDS = 0.95

Found = TypeVar("Found")


@dataclass(frozen=True, eq=False)
class CameraPlan:
    """A camera of the recording. frame: of its pictures, where they are rectified of the lens they were taken with.
    picture_bytes: of the first picture's file."""

    topics: CameraTopics
    lens: Lens | None
    frame: str
    width_px: int
    height_px: int
    picture_bytes: int


@dataclass(frozen=True, eq=False)
class Plan:
    """The topics, the sensors' frames, and the calibration that the user gave in place of CameraInfo and tf.

    fields: of a point. has_times: points have times that count. sweep_bytes: of the first sweep's file.
    """

    chosen: Chosen
    lidar_frame: str
    fields: tuple[str, ...]
    has_times: bool
    sweep_bytes: int
    cameras: tuple[CameraPlan, ...]
    given: Calibration | None
    clock: str


def make_plan(bag: Bag, chosen: Chosen, config: ImportConfig) -> Plan:
    """Raises ValueError for sensors whose first message cannot be read, cameras without calibration, and sensors whose
    place on the vehicle nobody tells.
    """
    given = read_calibration(config.calibration) if config.calibration else None

    def points_of_first(stored: Stored, message: Any) -> Points:
        time_ns = stamp_ns(message, stored, config.clock)
        return cloud_points(message, None if config.compensated else time_ns)

    cloud, points = _first(bag, chosen.points, config, points_of_first)
    frames = FrameTree()
    for stored, fixed in _transforms(bag, chosen):
        try:
            frames.add(bag.decode(stored), fixed)
        except ValueError as problem:
            if not config.skip_bad:
                raise ValueError(f"{bag.path}: {stored.topic}: {problem}") from None
    plan = Plan(
        chosen=chosen,
        lidar_frame=frame_name(cloud.header.frame_id),
        fields=tuple(field.name for field in cloud.fields),
        has_times=points.time_s is not None,
        sweep_bytes=records_of(points).nbytes,
        cameras=tuple(_camera(bag, topics, given, config) for topics in chosen.cameras),
        given=given,
        clock=config.clock,
    )
    asked = ""
    if config.odometry is not None:
        _, asked = _first(bag, config.odometry, config, lambda _, message: frame_name(message.child_frame_id))
    calibration_of(plan, frames, ego_frame(plan, frames, config, asked))
    return plan


def ego_frame(plan: Plan, frames: FrameTree, config: ImportConfig, odometry_frame: str) -> str:
    """The vehicle's frame: the one that was asked for, that of the poses' topic, or what the LiDAR is fixed to."""
    if config.ego_frame is not None:
        return frame_name(config.ego_frame)
    if config.odometry is not None and odometry_frame:
        return odometry_frame
    return frames.mount(plan.lidar_frame)[0]


def calibration_of(plan: Plan, frames: FrameTree, ego: str) -> Calibration:
    """Where the sensors sit, from the calibration that was given or from tf. Raises ValueError where nobody tells."""
    if plan.given is not None:
        return plan.given
    cameras: Mapping[str, CameraCalibration] = {
        camera.topics.name: _camera_calibration(camera, frames, ego) for camera in plan.cameras
    }
    return Calibration(ego_from_lidar=frames.between(ego, plan.lidar_frame), cameras=cameras)


def looking_up(calibration: Calibration) -> list[str]:
    """Cameras whose axis points to the sky: their frame is a body's, x forward, and not a camera's, z forward."""
    return [
        name
        for name, camera in calibration.cameras.items()
        if float((camera.ego_from_cam.rotation @ torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64))[2]) > UPWARDS
    ]


def stamp_ns(message: Any, stored: Stored, clock: str) -> int:
    """When a message was measured: its header's stamp, or when it was recorded where that is asked for."""
    if clock == "received":
        return stored.received_ns
    stamp = message.header.stamp
    time_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
    if time_ns == 0:
        raise ValueError(
            f"a message of {stored.topic} has no stamp in its header (0): import by the time of the recording with "
            f"--clock received"
        )
    return time_ns


def _camera(bag: Bag, topics: CameraTopics, given: Calibration | None, config: ImportConfig) -> CameraPlan:
    message, picture = _first(bag, topics.images, config, lambda _, message: picture_of(message))
    frame = frame_name(message.header.frame_id)
    if given is not None:
        if topics.name not in given.cameras:
            raise ValueError(
                f"the calibration has no camera {topics.name!r} (topic {topics.images}), only "
                f"{', '.join(given.cameras) or 'none'}: name it so with --images NAME=TOPIC, or add it"
            )
        return _planned(topics, None, frame, picture, given.cameras[topics.name].camera)
    if topics.info is None:
        raise ValueError(
            f"{bag.path}: no CameraInfo lies beside {topics.images}: name it with --camera-info {topics.name}=TOPIC, "
            f"describe the camera with --calibration, or import without cameras with --no-cameras"
        )
    info, lens = _first(bag, topics.info, config, lambda _, message: lens_of(message, topics.rectified))
    return _planned(topics, lens, frame or frame_name(info.header.frame_id), picture, lens.camera)


def _planned(
    topics: CameraTopics, lens: Lens | None, frame: str, picture: Picture, promised: PinholeCamera
) -> CameraPlan:
    if (picture.width_px, picture.height_px) != (promised.width_px, promised.height_px):
        raise ValueError(
            f"pictures of {topics.images} are {picture.width_px} x {picture.height_px} px, the camera's calibration is "
            f"for {promised.width_px} x {promised.height_px}: resized pictures need --calibration with intrinsics of "
            f"their own"
        )
    return CameraPlan(topics, lens, frame, picture.width_px, picture.height_px, len(picture.content))


def _camera_calibration(camera: CameraPlan, frames: FrameTree, ego: str) -> CameraCalibration:
    assert camera.lens is not None, "without a calibration that was given, every camera has a CameraInfo"
    ego_from_optical = frames.between(ego, camera.frame)
    turn: RigidTransform = camera.lens.cam_from_optical
    return CameraCalibration(camera.lens.camera, ego_from_optical @ turn.inverse(), camera.lens.distortion)


def _transforms(bag: Bag, chosen: Chosen) -> Iterator[tuple[Stored, bool]]:
    """All of tf_static and the beginning of tf; and whether it is of the former."""
    for topics, fixed, most in ((chosen.tf_static, True, None), (chosen.tf, False, TF_MESSAGES)):
        if topics:
            yield from ((stored, fixed) for stored in islice(bag.messages(topics), most))


def _first(bag: Bag, topic: str, config: ImportConfig, reads: Callable[[Stored, Any], Found]) -> tuple[Any, Found]:
    """The first message of a topic and what `reads` makes of it; the first that can be read with --skip-bad."""
    for stored in bag.messages([topic]):
        try:
            message = bag.decode(stored)
            return message, reads(stored, message)
        except ValueError as problem:
            if not config.skip_bad:
                raise ValueError(f"{bag.path}: {topic}, its first message: {problem}") from None
    raise ValueError(f"{bag.path}: {topic} has no message that can be read")
