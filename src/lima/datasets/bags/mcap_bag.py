"""MCAP files, with messages of ROS 1 or ROS 2 in them, read with `mcap`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from lima.datasets.bags.bag import Bag, Stored, Topic
from lima.datasets.bags.message_types import decode, plain_kind

_ROS_OF_ENCODING = {"cdr": 2, "ros1": 1}


class McapBag(Bag):
    """One .mcap file. Topics in other encodings (JSON, Protobuf) are listed; their messages cannot be decoded."""

    def _load(self) -> None:
        from mcap.reader import make_reader

        self._reader = make_reader(self._open.enter_context(self.path.open("rb")))
        summary = self._reader.get_summary()
        if summary is None or summary.statistics is None:
            raise ValueError("it has no summary at its end")
        counts = summary.statistics.channel_message_counts
        self._encoding: dict[str, str] = {}
        for channel in summary.channels.values():
            schema = summary.schemas.get(channel.schema_id)
            before = self.topics.get(channel.topic)
            messages = counts.get(channel.id, 0) + (before.messages if before else 0)
            self.topics[channel.topic] = Topic(channel.topic, plain_kind(schema.name if schema else "?"), messages)
            self._encoding[channel.topic] = channel.message_encoding

    def _stored(self, topics: Collection[str]) -> Iterator[Stored]:
        for topic in topics:
            if self._encoding.get(topic, "cdr") not in _ROS_OF_ENCODING:
                raise ValueError(f"{topic} is encoded as {self._encoding[topic]!r}: cdr or ros1 was expected")
        for _, channel, message in self._reader.iter_messages(topics=list(topics)):
            yield Stored(channel.topic, message.log_time, message.data)

    def _decode(self, message: Stored) -> Any:
        ros = _ROS_OF_ENCODING[self._encoding[message.topic]]
        return decode(message.content, self.topics[message.topic].kind, ros)
