"""Recordings of ROS, damaged in every way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lima.config import ImportConfig
from lima.datasets.bags.importing import import_bags
from tests.datasets.bad_input.cases import (
    MANY,
    BadFormat,
    CannotBe,
    Refused,
    Works,
)
from tests.datasets.bad_input.plain_folder import PLAIN_CAMERA, PLAIN_FRAMES
from tests.datasets.damage import (
    Change,
    content,
    half,
    missing,
)
from tests.datasets.exporters import bags

BAG = "a drive.bag"


def write_bag(root: Path, change: Callable[[list[bags.Sent]], list[bags.Sent]] = lambda sent: sent) -> None:
    bags.write_bag(root / "a drive", PLAIN_FRAMES, "ros1", bags.BagPlan(change=change))


def messages(topic: str, change: Callable[[list[bags.Sent]], list[bags.Sent]]) -> Change:
    """Record again, with other messages of a kind of topic."""

    def edited(sent: list[bags.Sent]) -> list[bags.Sent]:
        chosen = [entry for entry in sent if topic in entry[1]]
        return sorted([entry for entry in sent if topic not in entry[1]] + change(chosen), key=lambda entry: entry[0])

    def rewrite(root: Path) -> None:
        (root / BAG).unlink()
        write_bag(root, edited)

    return rewrite


def cloud(change: Callable[[Any], None]) -> Change:
    """The second sweep, otherwise."""

    def edited(sent: list[bags.Sent]) -> list[bags.Sent]:
        change(sent[1][3])
        return sent

    return messages("/lidar/points", edited)


def as_whole_numbers(message: Any) -> None:
    message.fields[0].datatype = bags.TYPES["i4"]


def cut(message: Any) -> None:
    message.data = message.data[:-100]


def first_x(number: float) -> Callable[[Any], None]:
    def change(message: Any) -> None:
        message.data = message.data.copy()
        message.data[:4] = np.frombuffer(np.float32(number).tobytes(), np.uint8)

    return change


def emptied(message: Any) -> None:
    message.data, message.width, message.row_step = message.data[:0], 0, 0


def enlarged(message: Any) -> None:
    message.data = np.resize(message.data, MANY * message.point_step)
    message.width, message.row_step = MANY, MANY * message.point_step


def small_picture(sent: list[bags.Sent]) -> list[bags.Sent]:
    recorded_ns, topic, kind, _ = sent[1]
    other = bags.Maker(1).compressed(PLAIN_CAMERA.timestamp_ns, PLAIN_CAMERA.name, np.zeros((12, 16, 3), np.uint8))
    return [sent[0], (recorded_ns, topic, kind, other), *sent[2:]]


def an_hour_ago(sent: list[bags.Sent]) -> list[bags.Sent]:
    sent[2][3].header.stamp.sec -= 3600
    return sent


def imported(root: Path) -> Path:
    import_bags([root / BAG], root / "imported", ImportConfig())
    return root / "imported"


BAGS = BadFormat(
    "bags",
    write_bag,
    BAG,
    {
        "missing file": Refused((BAG, "is missing"), missing(BAG), FileNotFoundError),
        "empty file": Refused((BAG, "empty file"), content(BAG, "")),
        "truncated file": Refused((BAG, "rosbag reindex"), half(BAG)),
        "wrong type of numbers": Refused((BAG, "x is int32"), cloud(as_whole_numbers)),
        "wrong shape": Refused((BAG, "/lidar/points", "bytes"), cloud(cut)),
        "NaN points": Works(cloud(first_x(np.nan))),
        "infinite points": Works(cloud(first_x(np.inf))),
        "image of another size": Refused((BAG, "16 x 12 px", "32 x 24"), messages("compressed", small_picture)),
        "unknown label": CannotBe("no labels"),
        "a time twice": Refused((BAG, "two messages have the time"), messages("points", lambda s: [*s, s[1]])),
        "time runs backwards": Refused((BAG, "time runs backwards"), messages("points", an_hour_ago)),
        "a camera missing in a frame": Works(messages("compressed", lambda s: [s[0], *s[2:]]), fewer_images=1),
        "a sweep without points": Refused((BAG, "--skip-bad"), cloud(emptied)),
    },
    cloud(enlarged),
    imported,
)
