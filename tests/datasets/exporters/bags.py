"""Frames as recordings of ROS 1 and ROS 2, by the writers of `rosbags` and `mcap`. Knows nothing of the reader."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rosbags import rosbag1, rosbag2
from rosbags.rosbag2 import StoragePlugin
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from lima.geometry.rigid import RigidTransform
from lima.scene import CameraImage, Frame
from tests.datasets.exporters.plain import table_of, wxyz_of

KINDS = ("ros1", "ros2", "ros2 mcap", "mcap", "mcap ros1")
TYPES = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 8}
Sent = tuple[int, str, str, Any]
"""when it is recorded, topic, type, message"""


@dataclass
class Layout:
    """How a cloud lies in its message. fields: name, numpy type, offset. rows: more than one for organised clouds."""

    fields: tuple[tuple[str, str, int], ...]
    step: int
    big: bool = False
    rows: int = 1
    row_padding: int = 0
    times: Callable[[int, int], np.ndarray] | None = None
    no_echo: int = 0


VELODYNE = Layout(
    (("x", "f4", 0), ("y", "f4", 4), ("z", "f4", 8), ("intensity", "f4", 16), ("ring", "u2", 20)), step=32
)
LAYOUTS = {
    "velodyne": VELODYNE,
    "bare": Layout((("x", "f4", 0), ("y", "f4", 4), ("z", "f4", 8)), step=12),
    "big endian": Layout(
        (("z", "f8", 0), ("y", "f8", 8), ("x", "f8", 16), ("reflectivity", "u1", 24), ("Ring", "u4", 28)),
        step=40, big=True,
    ),
    "organised": Layout(
        (("x", "f4", 0), ("y", "f4", 4), ("z", "f4", 8), ("intensity", "u2", 12)), step=16, rows=4, row_padding=24,
        no_echo=7,
    ),
}  # fmt: skip


@dataclass
class BagPlan:
    """What is written. change: edits the list of messages before they are written."""

    layout: Layout = field(default_factory=lambda: VELODYNE)
    images: str = "compressed"
    encoding: str = "rgb8"
    poses: str = "tf"
    static: str = "tf_static"
    change: Callable[[list[Sent]], list[Sent]] = lambda messages: messages


class Maker:
    """Messages of one of the two ROS."""

    def __init__(self, ros: int) -> None:
        self.ros = ros
        self.store = get_typestore(Stores.ROS1_NOETIC if ros == 1 else Stores.ROS2_HUMBLE)
        if ros == 1:
            self.store.register(
                get_types_from_msg("geometry_msgs/TransformStamped[] transforms", "tf2_msgs/msg/TFMessage")
            )
        self.types = self.store.types

    def header(self, time_ns: int, frame: str) -> Any:
        stamp = self.types["builtin_interfaces/msg/Time"](sec=time_ns // 10**9, nanosec=time_ns % 10**9)
        more = {"seq": 0} if self.ros == 1 else {}
        return self.types["std_msgs/msg/Header"](stamp=stamp, frame_id=frame, **more)

    def transform(self, time_ns: int, parent: str, child: str, pose: RigidTransform) -> Any:
        w, x, y, z = quaternion(pose)
        make = self.types
        return make["geometry_msgs/msg/TransformStamped"](
            header=self.header(time_ns, parent),
            child_frame_id=child,
            transform=make["geometry_msgs/msg/Transform"](
                translation=make["geometry_msgs/msg/Vector3"](*pose.translation_m.tolist()),
                rotation=make["geometry_msgs/msg/Quaternion"](x=x, y=y, z=z, w=w),
            ),
        )

    def tf(self, transforms: list[Any]) -> Any:
        return self.types["tf2_msgs/msg/TFMessage"](transforms=transforms)

    def odometry(self, time_ns: int, parent: str, child: str, pose: RigidTransform) -> Any:
        w, x, y, z = quaternion(pose)
        make = self.types
        zero = make["geometry_msgs/msg/Vector3"](0.0, 0.0, 0.0)
        return make["nav_msgs/msg/Odometry"](
            header=self.header(time_ns, parent),
            child_frame_id=child,
            pose=make["geometry_msgs/msg/PoseWithCovariance"](
                pose=make["geometry_msgs/msg/Pose"](
                    position=make["geometry_msgs/msg/Point"](*pose.translation_m.tolist()),
                    orientation=make["geometry_msgs/msg/Quaternion"](x=x, y=y, z=z, w=w),
                ),
                covariance=np.zeros(36),
            ),
            twist=make["geometry_msgs/msg/TwistWithCovariance"](
                twist=make["geometry_msgs/msg/Twist"](linear=zero, angular=zero), covariance=np.zeros(36)
            ),
        )

    def cloud(self, time_ns: int, frame: str, table: np.ndarray, layout: Layout) -> Any:
        """A PointCloud2 as its definition says, byte by byte."""
        table = np.concatenate([table, np.zeros(layout.no_echo, dtype=table.dtype)])
        if layout.no_echo:
            table["x"][-layout.no_echo : -1] = np.nan  # and one at the origin
        short = -len(table) % layout.rows
        table = np.concatenate([table, np.zeros(short, dtype=table.dtype)])
        order = ">" if layout.big else "<"
        content = np.full((len(table), layout.step), 0xAB, dtype=np.uint8)
        sources = {"reflectivity": "intensity", "Ring": "ring"}
        for name, kind, offset in layout.fields:
            values = layout.times(time_ns, len(table)) if name in ("t", "time", "timestamp") and layout.times else (
                table[sources.get(name, name)]
            )  # fmt: skip
            numbers = values.astype(order + kind)
            content[:, offset : offset + numbers.itemsize] = numbers.view(np.uint8).reshape(len(table), -1)
        width = len(table) // layout.rows
        rows = content.reshape(layout.rows, width * layout.step)
        data = np.concatenate([rows, np.full((layout.rows, layout.row_padding), 0xCD, np.uint8)], axis=1)
        make = self.types["sensor_msgs/msg/PointField"]
        return self.types["sensor_msgs/msg/PointCloud2"](
            header=self.header(time_ns, frame),
            height=layout.rows,
            width=width,
            fields=[make(name=n, offset=o, datatype=TYPES[k], count=1) for n, k, o in layout.fields],
            is_bigendian=layout.big,
            point_step=layout.step,
            row_step=width * layout.step + layout.row_padding,
            data=data.reshape(-1),
            is_dense=not layout.no_echo,
        )

    def image(self, time_ns: int, frame: str, pixels: np.ndarray, encoding: str) -> Any:
        """A sensor_msgs/Image with four bytes of padding after every row."""
        height, width = pixels.shape[:2]
        channels = {
            "rgb8": pixels,
            "bgr8": pixels[:, :, ::-1],
            "bgra8": np.concatenate([pixels[:, :, ::-1], np.full((height, width, 1), 255, np.uint8)], axis=2),
            "mono8": pixels[:, :, :1],
        }
        plain = channels.get(encoding, pixels[:, :, :1]).reshape(height, -1)
        rows = np.concatenate([plain, np.zeros((height, 4), np.uint8)], axis=1)
        return self.types["sensor_msgs/msg/Image"](
            header=self.header(time_ns, frame),
            height=height,
            width=width,
            encoding=encoding,
            is_bigendian=0,
            step=rows.shape[1],
            data=rows.reshape(-1),
        )

    def compressed(self, time_ns: int, frame: str, pixels: np.ndarray) -> Any:
        file = BytesIO()
        Image.fromarray(pixels).save(file, "PNG", compress_level=1)
        return self.types["sensor_msgs/msg/CompressedImage"](
            header=self.header(time_ns, frame),
            format="rgb8; png compressed bgr8",
            data=np.frombuffer(file.getvalue(), np.uint8),
        )

    def camera_info(self, image: CameraImage, frame: str, model: str = "plumb_bob", d: tuple[float, ...] = ()) -> Any:
        lens = image.camera
        k = np.array([lens.fx_px, 0, lens.cx_px, 0, lens.fy_px, lens.cy_px, 0, 0, 1.0])
        names = ("D", "K", "R", "P") if self.ros == 1 else ("d", "k", "r", "p")
        p = np.concatenate([k.reshape(3, 3), np.zeros((3, 1))], axis=1).reshape(-1)
        values = dict(zip(names, (np.array(d, dtype=np.float64), k, np.eye(3).reshape(-1), p), strict=True))
        roi = self.types["sensor_msgs/msg/RegionOfInterest"](
            x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
        )
        return self.types["sensor_msgs/msg/CameraInfo"](
            header=self.header(image.timestamp_ns, frame),
            height=lens.height_px,
            width=lens.width_px,
            distortion_model=model,
            binning_x=0,
            binning_y=0,
            roi=roi,
            **values,
        )


def quaternion(pose: RigidTransform) -> tuple[float, float, float, float]:
    """w, x, y, z of any rotation: where `wxyz_of` cannot divide, the biggest of the four is found first."""
    r = pose.rotation.numpy()
    if np.trace(r) > -0.9:
        return wxyz_of(r)
    axis = int(np.argmax(np.diag(r)))
    after, last = (axis + 1) % 3, (axis + 2) % 3
    biggest = np.sqrt(1 + r[axis, axis] - r[after, after] - r[last, last]) / 2
    parts = np.zeros(3)
    parts[axis] = biggest
    parts[after] = (r[after, axis] + r[axis, after]) / (4 * biggest)
    parts[last] = (r[last, axis] + r[axis, last]) / (4 * biggest)
    return float((r[last, after] - r[after, last]) / (4 * biggest)), *map(float, parts)


def messages(maker: Maker, frames: Iterable[Frame], plan: BagPlan) -> Iterator[Sent]:
    """All messages; each is recorded 20 ms after its stamp."""
    late = 20_000_000
    tf_type, first = "tf2_msgs/msg/TFMessage", True
    for frame in frames:
        sweep = frame.sweep
        now = sweep.timestamp_ns
        poses = {now: sweep.world_from_ego} | {image.timestamp_ns: image.world_from_ego for image in frame.images}
        begin = min(poses)
        if first or plan.static == "tf":
            mounts = [maker.transform(begin, "base_link", "lidar", sweep.ego_from_lidar)]
            mounts += [maker.transform(begin, "/base_link", image.name, image.ego_from_cam) for image in frame.images]
            yield begin, f"/{plan.static}", tf_type, maker.tf(mounts)
        for time_ns in sorted(poses):
            if plan.poses == "tf":
                moved = maker.transform(time_ns, "odom", "base_link", poses[time_ns])
                yield time_ns + late, "/tf", tf_type, maker.tf([moved])
            elif plan.poses == "odometry":
                moved = maker.odometry(time_ns, "odom", "base_link", poses[time_ns])
                yield time_ns + late, "/odom", "nav_msgs/msg/Odometry", moved
        cloud = maker.cloud(now, "lidar", table_of(frame), plan.layout)
        yield now + late, "/lidar/points", "sensor_msgs/msg/PointCloud2", cloud
        for image in frame.images:
            pixels = image.read_pixels().permute(1, 2, 0).numpy()
            place = f"/sensors/{image.name}"
            info = maker.camera_info(image, image.name)
            yield image.timestamp_ns + late, f"{place}/camera_info", "sensor_msgs/msg/CameraInfo", info
            if plan.images == "raw":
                sent = maker.image(image.timestamp_ns, image.name, pixels, plan.encoding)
                yield image.timestamp_ns + late, f"{place}/image_raw", "sensor_msgs/msg/Image", sent
            else:
                sent = maker.compressed(image.timestamp_ns, image.name, pixels)
                topic = f"{place}/image_raw/compressed"
                yield image.timestamp_ns + late, topic, "sensor_msgs/msg/CompressedImage", sent
        first = False


def write_bag(path: Path, frames: Iterable[Frame], kind: str = "ros2", plan: BagPlan | None = None) -> Path:
    """A recording. kind: one of `KINDS`. Returns the path that a user would give."""
    plan = plan or BagPlan()
    maker = Maker(1 if "ros1" in kind else 2)
    sent = plan.change(sorted(messages(maker, frames, plan), key=lambda entry: entry[0]))
    return write_messages(path, maker, sent, kind)


def write_messages(path: Path, maker: Maker, sent: list[Sent], kind: str) -> Path:
    """Any messages, in the order in which they are given."""
    if kind.startswith("mcap"):
        return _write_mcap(path.with_name(path.name + ".mcap"), maker, sent)
    if kind == "ros1":
        path = path.with_name(path.name + ".bag")
        with rosbag1.Writer(path) as writer:
            connections: dict[str, Any] = {}
            for recorded_ns, topic, type_name, message in sent:
                if topic not in connections:
                    connections[topic] = writer.add_connection(topic, type_name, typestore=maker.store)
                writer.write(connections[topic], recorded_ns, maker.store.serialize_ros1(message, type_name))
        return path
    storage = StoragePlugin.MCAP if "mcap" in kind else StoragePlugin.SQLITE3
    with rosbag2.Writer(path, version=9, storage_plugin=storage) as writer:
        connections = {}
        for recorded_ns, topic, type_name, message in sent:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, type_name, typestore=maker.store)
            writer.write(connections[topic], recorded_ns, maker.store.serialize_cdr(message, type_name))
    return path


def _write_mcap(path: Path, maker: Maker, sent: list[Sent]) -> Path:
    """An .mcap as Foxglove's tools write it, without a profile, chunks compressed."""
    from mcap.writer import CompressionType, Writer

    with path.open("wb") as file:
        writer = Writer(file, compression=CompressionType.LZ4, chunk_size=256 * 1024)
        writer.start(profile="", library="test")
        channels: dict[str, int] = {}
        for recorded_ns, topic, type_name, message in sent:
            if topic not in channels:
                name = type_name.replace("/msg/", "/") if maker.ros == 1 else type_name
                definition, _ = maker.store.generate_msgdef(type_name, ros_version=maker.ros)
                encoding = "ros1msg" if maker.ros == 1 else "ros2msg"
                schema = writer.register_schema(name, encoding, definition.encode())
                channels[topic] = writer.register_channel(topic, "ros1" if maker.ros == 1 else "cdr", schema)
            serialise = maker.store.serialize_ros1 if maker.ros == 1 else maker.store.serialize_cdr
            content = bytes(serialise(message, type_name))
            writer.add_message(channels[topic], recorded_ns, content, recorded_ns)
        json_schema = writer.register_schema("foxglove.Log", "jsonschema", b"{}")
        other = writer.register_channel("/log", "json", json_schema)
        writer.add_message(other, sent[-1][0], json.dumps({"message": "end"}).encode(), sent[-1][0])
        writer.finish()
    return path
