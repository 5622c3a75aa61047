"""A recording opened for reading, whatever wrote it: topics, and messages in the order of their arrival."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

REMEDIES = {
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
        with said_in_one_line(self.path):
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


@contextmanager
def said_in_one_line(path: Path) -> Iterator[None]:
    """Readers trip over damaged files in many ways; every one becomes a line that names the file and a remedy."""
    try:
        yield
    except (OSError, ImportError):
        raise
    except Exception as problem:
        told = " ".join(str(problem).split()) or type(problem).__name__
        suffix = path.suffix if path.suffix in REMEDIES else ""
        raise ValueError(f"{path} cannot be read as a recording ({told}): {REMEDIES[suffix]}") from None
