"""Which topics of a recording are the sweeps, the cameras and the poses: told, or found out where one can be meant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lima.config import ImportConfig
from lima.datasets.bags.bag import Bag, Topic

POINTS, INFO, ODOMETRY = "sensor_msgs/PointCloud2", "sensor_msgs/CameraInfo", "nav_msgs/Odometry"
IMAGE, COMPRESSED = "sensor_msgs/Image", "sensor_msgs/CompressedImage"
TF = ("tf2_msgs/TFMessage", "tf/tfMessage")
PACKETS = {
    "velodyne_msgs/VelodyneScan": "velodyne_pointcloud",
    "ouster_ros/PacketMsg": "ouster_ros",
    "ouster_sensor_msgs/PacketMsg": "ouster_ros",
    "hesai_ros_driver/UdpFrame": "hesai_ros_driver",
    "pandar_msgs/PandarScan": "the Hesai driver",
    "nebula_msgs/NebulaPackets": "nebula_ros",
    "rslidar_msg/RslidarPacket": "rslidar_sdk",
    "livox_ros_driver/CustomMsg": "livox_ros_driver, with xfer_format 0",
    "livox_ros_driver2/CustomMsg": "livox_ros_driver2, with xfer_format 0",
}
"""sweeps that no reader without the sensor's own driver understands, and the driver"""


@dataclass(frozen=True)
class CameraTopics:
    """A camera. info: None where no topic of CameraInfo lies beside its pictures."""

    name: str
    images: str
    info: str | None

    @property
    def rectified(self) -> bool:
        """Whether the topic's name says so, as ROS's habit is: image_rect, image_rect_color."""
        return "rect" in _base(self.images).rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Chosen:
    """The topics that are read."""

    points: str
    cameras: tuple[CameraTopics, ...]
    tf: tuple[str, ...]
    tf_static: tuple[str, ...]
    odometry: str | None

    @property
    def all(self) -> tuple[str, ...]:
        cameras = [topic for camera in self.cameras for topic in (camera.images, camera.info) if topic]
        odometry = [self.odometry] if self.odometry else []
        return tuple(dict.fromkeys([self.points, *cameras, *self.tf, *self.tf_static, *odometry]))


def listing(bag: Bag) -> str:
    """A line for every topic: messages, kind, name."""
    topics = sorted(bag.topics.values(), key=lambda topic: (topic.kind, topic.name))
    if not topics:
        return "  no topics"
    widest = max(len(topic.kind) for topic in topics)
    return "\n".join(f"  {topic.messages:>8}  {topic.kind:<{widest}}  {topic.name}" for topic in topics)


def choose(bag: Bag, config: ImportConfig) -> Chosen:
    """What `config` names, and the rest where only one topic can be meant.

    Raises ValueError, with the list of the topics, where that is not so.
    """
    kinds = {kind: _of_kind(bag, kind) for kind in (POINTS, INFO, ODOMETRY, IMAGE, COMPRESSED, *TF)}
    tf = [topic for kind in TF for topic in kinds[kind]]
    static = tuple(topic.name for topic in tf if topic.name.rstrip("/").endswith("tf_static"))
    odometry = config.odometry
    if odometry is not None:
        _check(bag, odometry, (ODOMETRY,), "--odometry")
    elif len(kinds[ODOMETRY]) == 1:
        odometry = kinds[ODOMETRY][0].name
    return Chosen(
        points=_points(bag, kinds[POINTS], config),
        cameras=_cameras(bag, kinds[IMAGE] + kinds[COMPRESSED], config) if config.cameras else (),
        tf=tuple(topic.name for topic in tf if topic.name not in static),
        tf_static=static,
        odometry=odometry,
    )


def _of_kind(bag: Bag, kind: str) -> list[Topic]:
    return sorted(
        (topic for topic in bag.topics.values() if topic.kind == kind and topic.messages), key=lambda topic: topic.name
    )


def _points(bag: Bag, clouds: list[Topic], config: ImportConfig) -> str:
    if config.points is not None:
        _check(bag, config.points, (POINTS,), "--points")
        return config.points
    if len(clouds) == 1:
        return clouds[0].name
    if clouds:
        raise ValueError(
            f"{bag.path} has {len(clouds)} topics of {POINTS}: choose one with --points TOPIC\n{listing(bag)}"
        )
    packets = [topic for topic in bag.topics.values() if topic.kind in PACKETS and topic.messages]
    if packets:
        raise ValueError(
            f"{bag.path} has no {POINTS}, only a sensor's own packets ({packets[0].name}, {packets[0].kind}): play it "
            f"through {PACKETS[packets[0].kind]} and record the points\n{listing(bag)}"
        )
    raise ValueError(f"{bag.path} has no {POINTS} with messages: the sweeps were expected\n{listing(bag)}")


def _cameras(bag: Bag, pictures: list[Topic], config: ImportConfig) -> tuple[CameraTopics, ...]:
    if config.images:
        chosen = [_named(text) for text in config.images]
        for _, topic in chosen:
            _check(bag, topic, (IMAGE, COMPRESSED), "--images")
    else:
        chosen = [_named(topic) for topic in _one_per_camera(bag, pictures)]
    own = _names([topic for _, topic in chosen])
    names = [name or own[topic] for name, topic in chosen]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"{bag.path}: two cameras are called {name}: name them with --images NAME=TOPIC NAME=TOPIC"
            )
    infos: dict[str, str] = {}
    for text in config.camera_info:
        camera, topic = _named(text)
        _check(bag, topic, (INFO,), "--camera-info")
        if camera is None or camera not in names:
            raise ValueError(f"--camera-info {text}: NAME={topic} was expected, NAME one of {', '.join(names)}")
        infos[camera] = topic
    return tuple(
        CameraTopics(name, topic, infos.get(name) or _info_beside(bag, topic))
        for name, (_, topic) in zip(names, chosen, strict=True)
    )


def _one_per_camera(bag: Bag, pictures: list[Topic]) -> list[str]:
    """Raw pictures go before the same ones compressed; depth is left out."""
    of_base: dict[str, Topic] = {}
    for topic in sorted(pictures, key=lambda topic: topic.kind != IMAGE):
        base = _base(topic.name)
        if "depth" not in topic.name.lower() and "disparity" not in topic.name.lower():
            of_base.setdefault(base, topic)
    of_camera: dict[str, list[str]] = {}
    for base, topic in of_base.items():
        of_camera.setdefault(_namespace(base), []).append(topic.name)
    for namespace, topics in of_camera.items():
        if len(topics) > 1:
            raise ValueError(
                f"{bag.path}: camera {namespace or '/'} has {len(topics)} topics of pictures: choose one for each "
                f"camera with --images {sorted(topics)[0]} …\n{listing(bag)}"
            )
    return sorted(topics[0] for topics in of_camera.values())


def _info_beside(bag: Bag, topic: str) -> str | None:
    base = _base(topic)
    beside = {f"{_namespace(base)}/camera_info", f"{base}/camera_info", f"{base.rsplit('/', 1)[0]}/camera_info"}
    found = [info.name for info in _of_kind(bag, INFO) if info.name in beside]
    return found[0] if found else None


def _base(topic: str) -> str:
    """Without the transport: /cam/image_raw for /cam/image_raw/compressed."""
    return re.sub(r"/(compressed|jpeg|png|theora|ffmpeg)$", "", topic.rstrip("/"))


def _namespace(base: str) -> str:
    """The camera of a topic: /cam for /cam/image_raw."""
    above, _, last = base.rpartition("/")
    return above if re.match(r"(image|raw|color|colour|mono|rgb)", last) and above else base


def _names(topics: list[str]) -> Mapping[str, str]:
    """The shortest names that tell the cameras apart: from the namespace, without what all have in common."""
    parts = {topic: _namespace(_base(topic)).strip("/").split("/") for topic in topics}
    common = 0
    if len(topics) > 1:
        shortest = min(len(words) for words in parts.values())
        while common < shortest and len({words[common] for words in parts.values()}) == 1:
            common += 1
    names = {}
    for topic, words in parts.items():
        kept = words[common:] if len(topics) > 1 else words[-1:]
        names[topic] = re.sub(r"[^\w.-]", "_", "_".join(kept)) or "camera"
    return names


def _named(text: str) -> tuple[str | None, str]:
    name, equals, topic = text.rpartition("=")
    if equals and not re.fullmatch(r"[\w.-]+", name):
        raise ValueError(f"{text!r}: the name of a camera is letters, digits, _ . and -, got {name!r}")
    return (name, topic) if equals else (None, text)


def _check(bag: Bag, topic: str, kinds: tuple[str, ...], option: str) -> None:
    found = bag.topics.get(topic)
    if found is None:
        raise ValueError(f"{option} {topic}: {bag.path} has no such topic\n{listing(bag)}")
    if found.kind not in kinds:
        raise ValueError(f"{option} {topic}: it holds {found.kind}, {' or '.join(kinds)} was expected")
    if not found.messages:
        raise ValueError(f"{option} {topic}: it has no messages in {bag.path}")
