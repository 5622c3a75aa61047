"""Oracle: mounts and motions put together by hand, frame after frame."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lima.config import ImportConfig
from lima.datasets.bags.bag import Bag, Stored, Topic
from lima.datasets.bags.frame_tree import FrameTree
from lima.datasets.bags.topics import choose, listing
from lima.geometry.rigid import RigidTransform
from tests.datasets.exporters.bags import quaternion
from tests.datasets.exporters.frames import assert_near

SECOND = 1_000_000_000


def moved(x_m: float, yaw_rad: float = 0.0) -> RigidTransform:
    return RigidTransform.from_quaternion([np.cos(yaw_rad / 2), 0.0, 0.0, np.sin(yaw_rad / 2)], [x_m, 0.0, 0.0])


def say(tree: FrameTree, parent: str, child: str, pose: RigidTransform, time_ns: int = 0, fixed: bool = False) -> None:
    w, x, y, z = quaternion(pose)
    tx, ty, tz = pose.translation_m.tolist()
    stamped = SimpleNamespace(
        header=SimpleNamespace(frame_id=parent, stamp=SimpleNamespace(sec=time_ns // SECOND, nanosec=time_ns % SECOND)),
        child_frame_id=child,
        transform=SimpleNamespace(
            translation=SimpleNamespace(x=tx, y=ty, z=tz), rotation=SimpleNamespace(x=x, y=y, z=z, w=w)
        ),
    )
    tree.add(SimpleNamespace(transforms=[stamped]), fixed)


def vehicle() -> FrameTree:
    """odom -> base_link moves; base_link -> roof -> lidar and base_link -> cam stand still, cam by tf alone."""
    tree = FrameTree()
    say(tree, "base_link", "/roof", moved(0.5, 0.3), fixed=True)
    say(tree, "roof", "lidar", moved(0.2, -0.1), fixed=True)
    for second in range(4):
        say(tree, "base_link", "cam", moved(1.5), second * SECOND)
        say(tree, "odom", "base_link", moved(3.0 * second, 0.2 * second), second * SECOND)
    return tree


def test_mounts_go_up_to_what_moves() -> None:
    tree = vehicle()
    top, top_from_lidar = tree.mount("lidar")
    assert top == "base_link"
    assert_near(top_from_lidar, moved(0.5, 0.3) @ moved(0.2, -0.1))
    assert_near(tree.between("cam", "lidar"), moved(1.5).inverse() @ moved(0.5, 0.3) @ moved(0.2, -0.1))


def test_poses_are_of_the_frame_that_is_asked_for() -> None:
    poses = vehicle().poses("lidar", None, Path("bag"))
    assert poses is not None
    assert_near(poses.at(2 * SECOND), moved(6.0, 0.4) @ moved(0.5, 0.3) @ moved(0.2, -0.1))
    poses = vehicle().poses("base_link", None, Path("bag"))
    assert poses is not None
    assert_near(poses.at(SECOND // 2), moved(1.5, 0.1))


def test_what_stands_still_needs_few_values() -> None:
    """Twenty seconds at a hundred hertz, without a move: some are kept, to know that it stood still all along."""
    tree = FrameTree()
    for row in range(2000):
        say(tree, "base_link", "cam", moved(1.0), row * 10_000_000)
    (edge,) = tree.edges.values()
    assert edge.still
    assert len(edge.times_ns) < 60


def test_contradictions_are_told() -> None:
    tree = vehicle()
    with pytest.raises(ValueError, match="tf_static says two things about lidar in roof"):
        say(tree, "roof", "lidar", moved(0.9), fixed=True)
    with pytest.raises(ValueError, match=r"does not say where 'radar' sits against 'lidar'.*--calibration"):
        tree.between("lidar", "radar")
    tree = vehicle()
    for second in range(4):
        say(tree, "gps", "base_link", moved(5.0 * second), second * SECOND)
    with pytest.raises(ValueError, match=r"in several frames \(odom, gps\): choose one with --world-frame"):
        tree.poses("lidar", None, Path("bag"))
    chosen = tree.poses("base_link", "gps", Path("bag"))
    assert chosen is not None
    assert_near(chosen.at(SECOND), moved(5.0))
    circle = FrameTree()
    say(circle, "a", "b", moved(1.0), fixed=True)
    say(circle, "b", "a", moved(1.0), fixed=True)
    with pytest.raises(ValueError, match="goes round in a circle"):
        circle.mount("a")


def test_a_vehicle_that_stands_still_has_no_poses() -> None:
    tree = FrameTree()
    say(tree, "base_link", "lidar", moved(1.0), fixed=True)
    assert tree.poses("base_link", None, Path("bag")) is None


# --- topics


class Listed(Bag):
    """A recording of which only the topics are known."""

    def __init__(self, **kinds: str) -> None:
        super().__init__(Path("a.bag"))
        for name, kind in kinds.items():
            topic = name.replace("__", "/")
            self.topics[topic] = Topic(topic, kind if "/" in kind else f"sensor_msgs/{kind}", 3)

    def _load(self) -> None:
        pass

    def _stored(self, topics: Collection[str]) -> Iterator[Stored]:
        raise AssertionError("no messages are needed")

    def _decode(self, message: Stored) -> Any:
        raise AssertionError("no messages are needed")


def cameras(bag: Listed, **settings: Any) -> dict[str, tuple[str, str | None]]:
    chosen = choose(bag, ImportConfig(**settings))
    return {camera.name: (camera.images, camera.info) for camera in chosen.cameras}


def test_cameras_are_named_by_what_tells_them_apart() -> None:
    bag = Listed(
        __points="PointCloud2",
        __sensing__camera__front__image_raw="Image",
        __sensing__camera__front__image_raw__compressed="CompressedImage",
        __sensing__camera__front__camera_info="CameraInfo",
        __sensing__camera__rear_left__image_rect_color__compressed="CompressedImage",
        __sensing__camera__rear_left__camera_info="CameraInfo",
        __sensing__camera__front__depth__image_raw="Image",
    )
    place = "/sensing/camera"
    assert cameras(bag) == {
        "front": (f"{place}/front/image_raw", f"{place}/front/camera_info"),  # not compressed too, and no depth
        "rear_left": (f"{place}/rear_left/image_rect_color/compressed", f"{place}/rear_left/camera_info"),
    }
    assert "PointCloud2" in listing(bag)


@pytest.mark.parametrize(
    ("topics", "settings", "words"),
    [
        ({"__c__image_raw": "Image", "__c__image_color": "Image"}, {}, "camera /c has 2 topics of pictures"),
        ({}, {"points": "/q"}, "--points /q: a.bag has no such topic"),
        ({"__q": "Image"}, {"points": "/q"}, "it holds sensor_msgs/Image, sensor_msgs/PointCloud2 was expected"),
        ({"__c__image_raw": "Image"}, {"images": ("a b=/c/image_raw",)}, "the name of a camera is letters"),
        ({"__c__image_raw": "Image"}, {"camera_info": ("x=/p",)}, "it holds sensor_msgs/PointCloud2"),
    ],
)
def test_choices_that_cannot_be_made(topics: dict[str, str], settings: dict[str, object], words: str) -> None:
    bag = Listed(__p="PointCloud2", **topics)
    with pytest.raises(ValueError, match=r"a\.bag|/q|a b|/p") as caught:
        cameras(bag, **settings)
    assert words in str(caught.value)


def test_packets_need_their_driver() -> None:
    bag = Listed(__packets="velodyne_msgs/VelodyneScan")
    with pytest.raises(ValueError, match=r"only a sensor's own packets .* play it through velodyne_pointcloud"):
        choose(bag, ImportConfig())
