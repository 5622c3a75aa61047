"""ROS 1 bags, and ROS 2 bags in their folder, read with `rosbags`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from lima.datasets.bags.bag import Bag, Stored, Topic
from lima.datasets.bags.message_types import decode, plain_kind


class RosBag(Bag):
    """A .bag file, the folder of a ROS 2 bag, or one .db3 file of it."""

    def _load(self) -> None:
        from rosbags import rosbag1, rosbag2

        self._ros = 1 if self.path.suffix == ".bag" else 2
        self._reader: Any = rosbag1.Reader(self.path) if self._ros == 1 else rosbag2.Reader(self.path)
        self._open.enter_context(self._reader)
        for connection in self._reader.connections:
            before = self.topics.get(connection.topic)
            messages = connection.msgcount + (before.messages if before else 0)
            self.topics[connection.topic] = Topic(connection.topic, plain_kind(connection.msgtype), messages)

    def _stored(self, topics: Collection[str]) -> Iterator[Stored]:
        wanted = [connection for connection in self._reader.connections if connection.topic in topics]
        if wanted:
            for connection, received_ns, content in self._reader.messages(wanted):
                if connection.topic not in topics:
                    raise ValueError(
                        f"its index leads to a message of {connection.topic}, one of {wanted[0].topic} was expected"
                    )
                yield Stored(connection.topic, received_ns, content)

    def _decode(self, message: Stored) -> Any:
        return decode(message.content, self.topics[message.topic].kind, self._ros)
