"""What an import will do, found out from the first messages: what is missing is said before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lima.config import ImportConfig
from lima.datasets.bags.bag import Bag, Stored
from lima.datasets.bags.camera_info import Lens, lens_of
from lima.datasets.bags.clouds import cloud_columns, cloud_points
from lima.datasets.bags.frame_tree import FrameTree, frame_name
from lima.datasets.bags.pictures import picture_of
from lima.datasets.bags.topics import CameraTopics, Chosen
from lima.datasets.plain_calibration import Calibration, CameraCalibration, read_calibration
from lima.geometry.rigid import RigidTransform

TF_MESSAGES = 2000  # of /tf that are looked at beforehand; all of /tf_static
UPWARDS = 0.95


@dataclass(frozen=True, eq=False)
class CameraPlan:
    """A camera of the recording. frame: of its pictures, where they are rectified of the lens they were taken with."""

    topics: CameraTopics
    lens: Lens | None
    frame: str
    width_px: int
    height_px: int


@dataclass(frozen=True, eq=False)
class Plan:
    """The topics, the sensors' frames, and the calibration that the user gave in place of CameraInfo and tf."""

    chosen: Chosen
    lidar_frame: str
    columns: tuple[str, ...]
    has_times: bool
    cameras: tuple[CameraPlan, ...]
    given: Calibration | None
    clock: str


def make_plan(bag: Bag, chosen: Chosen, config: ImportConfig) -> Plan:
    """Raises ValueError for sensors whose first message cannot be read, cameras without calibration, and sensors whose
    place on the vehicle nobody tells.
    """
    given = read_calibration(config.calibration) if config.calibration else None
    cloud = _first(bag, chosen.points)
    message = bag.decode(cloud)
    columns = tuple(_of(bag, chosen.points, cloud_columns, message))
    points = _of(bag, chosen.points, cloud_points, message, stamp_ns(message, cloud, config.clock))
    cameras = tuple(_camera(bag, topics, given) for topics in chosen.cameras)
    frames = FrameTree()
    for topics, fixed, most in ((chosen.tf_static, True, None), (chosen.tf, False, TF_MESSAGES)):
        for number, stored in enumerate(bag.messages(topics) if topics else ()):
            if most is not None and number == most:
                break
            frames.add(bag.decode(stored), fixed)
    plan = Plan(
        chosen=chosen,
        lidar_frame=frame_name(message.header.frame_id),
        columns=columns,
        has_times=points.time_s is not None,
        cameras=cameras,
        given=given,
        clock=config.clock,
    )
    asked = bag.decode(_first(bag, config.odometry)).child_frame_id if config.odometry is not None else ""
    calibration_of(plan, frames, ego_frame(plan, frames, config, frame_name(asked)))
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
        if float((camera.ego_from_cam.rotation @ _optical_axis())[2]) > UPWARDS
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


def _camera(bag: Bag, topics: CameraTopics, given: Calibration | None) -> CameraPlan:
    message = bag.decode(_first(bag, topics.images))
    picture = _of(bag, topics.images, picture_of, message)
    frame = frame_name(message.header.frame_id)
    if given is not None:
        if topics.name not in given.cameras:
            raise ValueError(
                f"the calibration has no camera {topics.name!r} (topic {topics.images}), only "
                f"{', '.join(given.cameras) or 'none'}: name it so with --images NAME=TOPIC, or add it"
            )
        lens = given.cameras[topics.name].camera
        _check_size(topics.images, (picture.width_px, picture.height_px), (lens.width_px, lens.height_px))
        return CameraPlan(topics, None, frame, picture.width_px, picture.height_px)
    if topics.info is None:
        raise ValueError(
            f"{bag.path}: no CameraInfo lies beside {topics.images}: name it with --camera-info {topics.name}=TOPIC, "
            f"describe the camera with --calibration, or import without cameras with --no-cameras"
        )
    info = bag.decode(_first(bag, topics.info))
    lens_found = _of(bag, topics.info, lens_of, info, topics.rectified)
    promised = (lens_found.camera.width_px, lens_found.camera.height_px)
    _check_size(topics.images, (picture.width_px, picture.height_px), promised)
    return CameraPlan(
        topics, lens_found, frame or frame_name(info.header.frame_id), picture.width_px, picture.height_px
    )


def _camera_calibration(camera: CameraPlan, frames: FrameTree, ego: str) -> CameraCalibration:
    assert camera.lens is not None, "without a calibration that was given, every camera has a CameraInfo"
    ego_from_optical = frames.between(ego, camera.frame)
    turn: RigidTransform = camera.lens.cam_from_optical
    return CameraCalibration(camera.lens.camera, ego_from_optical @ turn.inverse(), camera.lens.distortion)


def _check_size(topic: str, found: tuple[int, int], promised: tuple[int, int]) -> None:
    if found != promised:
        raise ValueError(
            f"pictures of {topic} are {found[0]} x {found[1]} px, the camera's calibration is for {promised[0]} x "
            f"{promised[1]}: resized pictures need --calibration with intrinsics of their own"
        )


def _first(bag: Bag, topic: str) -> Stored:
    for stored in bag.messages([topic]):
        return stored
    raise ValueError(f"{bag.path}: {topic} has no messages")


def _of(bag: Bag, topic: str, reads: Any, *arguments: Any) -> Any:
    """What `reads` makes of a message; its complaints name the recording and the topic."""
    try:
        return reads(*arguments)
    except ValueError as problem:
        raise ValueError(f"{bag.path}: {topic}: {problem}") from None


def _optical_axis() -> Any:
    import torch

    return torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
