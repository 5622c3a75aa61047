"""What was read from disk, kept for the next epochs as far as memory goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar, runtime_checkable

KEPT_BYTES = 4 << 30  # in every process


@runtime_checkable
class Sized(Protocol):
    """Something that knows how much memory it takes."""

    @property
    def nbytes(self) -> int: ...


Item = TypeVar("Item", bound=Sized)


class Kept(Generic[Item]):
    """Things by number: each is read when it is first asked for, and kept unless that would take over `limit_bytes`."""

    def __init__(self, read: Callable[[int], Item], limit_bytes: int = KEPT_BYTES) -> None:
        self._read, self._room_bytes = read, limit_bytes
        self._items: dict[int, Item] = {}

    def __getitem__(self, number: int) -> Item:
        if number in self._items:
            return self._items[number]
        item = self._read(number)
        if item.nbytes <= self._room_bytes:
            self._items[number] = item
            self._room_bytes -= item.nbytes
        return item
