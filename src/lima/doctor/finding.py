"""What the doctor has to say: one line each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["wrong", "notice"]

FRAMES_NAMED = 3


@dataclass(frozen=True)
class Finding:
    """level: something is wrong with the data, or worth a look. check: which part of the examination says so. where:
    the drive or sensor. words: what was found, what was expected, what may be the cause."""

    level: Level
    check: str
    where: str
    words: str

    @property
    def line(self) -> str:
        return f"{self.where}: {self.words}"


def named(frames: Iterable[int]) -> str:
    """Numbers of frames in words, the first few of them: frames 3, 4, 9 and 12 more."""
    numbers = list(frames)
    shown = ", ".join(str(number) for number in numbers[:FRAMES_NAMED])
    more = f" and {len(numbers) - FRAMES_NAMED} more" if len(numbers) > FRAMES_NAMED else ""
    return f"frame{'s' if len(numbers) > 1 else ''} {shown}{more}"
