"""Oracle: the list of what was read."""

from __future__ import annotations

from dataclasses import dataclass

from lima.train.kept import Kept


@dataclass(frozen=True)
class Thing:
    number: int
    nbytes: int


def test_things_are_read_once_as_far_as_memory_goes() -> None:
    asked: list[int] = []

    def read(number: int) -> Thing:
        asked.append(number)
        return Thing(number, 40 if number < 3 else 15)

    kept = Kept(read, limit_bytes=100)
    for _ in range(2):
        assert [kept[number].number for number in (0, 1, 2, 3)] == [0, 1, 2, 3]
    assert asked == [0, 1, 2, 3, 2]  # 40 + 40 + 15: the third had no room, the smaller fourth has
