"""A recording opened for reading, whatever wrote it: topics, and messages in the order of their arrival."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from lima.datasets.scan_files import reading

INSTALL = "pip install 'lima-lidar[bags]'"
ENDINGS = (".bag", ".db3", ".mcap")
METADATA_FILE = "metadata.yaml"
_REMEDIES = {
    ".bag": "cut off while recording? rosbag reindex repairs that",
    ".mcap": "cut off while recording? mcap recover repairs that",
    ".db3": "cut off while recording? Copy it again, or ros2 bag reindex the folder",
    "": "cut off while recording? ros2 bag reindex repairs that",
}


@dataclass(frozen=True)
class Topic:
    """A stream of messages. kind: such as sensor_msgs/PointCloud2, as ROS 1 spells it."""

    name: str
    kind: str
    messages: int


@dataclass(frozen=True)
class Stored:
    """A message as it lies in the file. received_ns: when it was recorded."""

    topic: str
    received_ns: int
    content: bytes | memoryview


class Bag(ABC):
    """An open recording. Use as a context."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.topics: dict[str, Topic] = {}
        self._open = ExitStack()
        try:
            self._load()
        except BaseException:
            self._open.close()
            raise

    @abstractmethod
    def _load(self) -> None:
        """Open the files and fill in the topics."""

    @abstractmethod
    def _stored(self, topics: Collection[str]) -> Iterator[Stored]: ...

    @abstractmethod
    def _decode(self, message: Stored) -> Any: ...

    def messages(self, topics: Collection[str]) -> Iterator[Stored]:
        """The messages of these topics in the order of their arrival. Raises ValueError for a damaged file."""
        with _said_in_one_line(self.path):
            yield from self._stored(topics)

    def decode(self, message: Stored) -> Any:
        """The message as an object with the fields of its definition. Raises ValueError for damaged ones (without
        the recording's name)."""
        try:
            return self._decode(message)
        except Exception as problem:
            told = " ".join(str(problem).split()) or type(problem).__name__
            raise ValueError(f"it is no {self.topics[message.topic].kind} ({told}): damaged?") from None

    def close(self) -> None:
        """Close the files."""
        self._open.close()

    def __enter__(self) -> Bag:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()


def is_bag(path: Path) -> bool:
    """Whether it looks like a recording, from its name and the names in it."""
    if path.is_dir():
        return (path / METADATA_FILE).is_file() or any(entry.suffix in ENDINGS[1:] for entry in path.iterdir())
    return path.suffix in ENDINGS


def open_bag(path: Path) -> Bag:
    """Open a ROS 1 .bag, a ROS 2 bag (its folder, or a .db3 in it) or an .mcap file of either.

    Raises FileNotFoundError, PermissionError, ModuleNotFoundError where the extra is not installed, and ValueError for
    what is no recording, or a damaged one.
    """
    path = Path(path)
    with reading(path, "a bag"):
        if not path.is_dir():
            with path.open("rb") as file:
                if not file.read(1):
                    raise ValueError(f"{path} is an empty file, a recording was expected: copy it again")
    if not is_bag(path):
        raise ValueError(
            f"{path} is no recording: a file that ends in {', '.join(ENDINGS)}, or the folder of a ROS 2 bag"
        )
    if path.is_dir() and not (path / METADATA_FILE).is_file():
        files = sorted(entry for entry in path.iterdir() if entry.suffix in ENDINGS[1:])
        if len(files) > 1:
            raise ValueError(
                f"{path} has {len(files)} files but no {METADATA_FILE}, which tells their order: {_REMEDIES['']}"
            )
        path = files[0]
    try:
        with _said_in_one_line(path):
            if path.suffix == ".mcap":
                from lima.datasets.bags.mcap_bag import McapBag

                return McapBag(path)
            from lima.datasets.bags.ros_bag import RosBag

            return RosBag(path)
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(f"{missing.name} is not installed, it reads recordings: {INSTALL}") from None


@contextmanager
def _said_in_one_line(path: Path) -> Iterator[None]:
    """Readers trip over damaged files in many ways; every one becomes a line that names the file and a remedy."""
    try:
        yield
    except (OSError, ImportError):
        raise
    except Exception as problem:
        told = " ".join(str(problem).split()) or type(problem).__name__
        suffix = path.suffix if path.suffix in _REMEDIES else ""
        raise ValueError(f"{path} cannot be read as a recording ({told}): {_REMEDIES[suffix]}") from None
