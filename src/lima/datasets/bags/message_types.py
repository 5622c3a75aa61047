"""Messages of ROS 1 and ROS 2 as objects, by the definitions that come with `rosbags`."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

TF_DEFINITION = "geometry_msgs/TransformStamped[] transforms"


def plain_kind(name: str) -> str:
    """sensor_msgs/Image for sensor_msgs/msg/Image, as ROS 1 and people say."""
    return name.replace("/msg/", "/")


def decode(content: bytes | memoryview, kind: str, ros: int) -> Any:
    """The message as an object. ros: 1 or 2, whose serialisation and definitions count."""
    package, name = kind.split("/")
    store = _store(ros)
    full = f"{package}/msg/{name}"
    return store.deserialize_ros1(content, full) if ros == 1 else store.deserialize_cdr(content, full)


@lru_cache
def _store(ros: int) -> Any:
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS1_NOETIC if ros == 1 else Stores.ROS2_HUMBLE)
    if ros == 1:
        for name in ("tf2_msgs/msg/TFMessage", "tf/msg/tfMessage"):
            store.register(get_types_from_msg(TF_DEFINITION, name))
    return store
