"""Files of one sensor in order of time: the time of each from its name, or from timestamps.txt beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from lima.datasets.scan_files import read_text

TIMES_FILE = "timestamps.txt"
NS_PER_DIGITS = {19: 1, 16: 1_000, 13: 1_000_000}  # whole numbers since 1970: nanoseconds, microseconds, milliseconds
LATEST_NS = 5_000_000_000_000_000_000  # in the year 2128
HOW_TO_WRITE_TIMES = (
    "seconds with a decimal point (1531883530.447423), or nanoseconds, microseconds or milliseconds since 1970 "
    "(19, 16 or 13 digits)"
)
_SECONDS = re.compile(r"-?\d+\.\d*([eE][+-]?\d+)?|-?\d+[eE][+-]?\d+")
_SECONDS_AND_NANOSECONDS = re.compile(r"(\d{9,10})_(\d{9})")


@dataclass(frozen=True, eq=False)
class TimedFiles:
    """Files of one sensor, strictly ascending in time. times_ns: None where nothing tells them, only the order."""

    folder: Path
    paths: list[Path]
    times_ns: Int64[np.ndarray, "files"] | None

    def __len__(self) -> int:
        return len(self.paths)


def time_ns(text: str) -> int | None:
    """The time that a name or a line tells, exactly, in nanoseconds; None where it is a counter or a word.

    Understood: `HOW_TO_WRITE_TIMES`, and seconds_nanoseconds. A number that begins with 0 is a counter, unless it has a
    decimal point.
    """
    if _SECONDS.fullmatch(text):
        try:
            moment_ns = int((Decimal(text) * 1_000_000_000).to_integral_value())
        except (InvalidOperation, OverflowError):
            return None
        return moment_ns if abs(moment_ns) < LATEST_NS else None
    both = _SECONDS_AND_NANOSECONDS.fullmatch(text)
    if both:
        return int(both[1]) * 1_000_000_000 + int(both[2])
    if text.isascii() and text.isdigit() and text[0] != "0" and len(text) in NS_PER_DIGITS:
        moment_ns = int(text) * NS_PER_DIGITS[len(text)]
        return moment_ns if moment_ns < LATEST_NS else None
    return None


def seconds_text(moment_ns: int) -> str:
    """Nanoseconds as seconds with nine decimals, exactly."""
    return f"{Decimal(moment_ns).scaleb(-9):.9f}"


def stem(path: Path) -> str:
    """The name without its ending; that of 000012.pcd.bin is 000012."""
    return path.stem.removesuffix(".pcd")


def timed_files(folder: Path, endings: tuple[str, ...]) -> TimedFiles:
    """The files with one of these endings, in the order of time.

    Raises ValueError for none, for two kinds, for names of which some tell a time and others do not, for equal times,
    and for a timestamps.txt that does not fit the files or runs backwards.
    """
    found = [path for path in folder.iterdir() if path.suffix.lower() in endings and not path.name.startswith(".")]
    if not found:
        held = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "nothing"
        raise ValueError(f"{folder} has no file that ends in {' '.join(endings)} (it holds {held})")
    kinds = sorted({path.suffix.lower() for path in found})
    if len(kinds) > 1 and not set(kinds) <= {".jpg", ".jpeg", ".png"}:
        raise ValueError(f"{folder} holds files that end in {' and '.join(kinds)}: one kind was expected there")
    if (folder / TIMES_FILE).is_file():
        return _timed_by_list(folder, sorted(found, key=_natural))
    times = [time_ns(stem(path)) for path in found]
    told = [when for when in times if when is not None]
    if not told:
        paths = sorted(found, key=_natural)
        stems = [stem(path) for path in paths]
        for first, second in pairwise(stems):
            if first == second:
                raise ValueError(f"{folder} has two files named {first}, with different endings: remove one")
        return TimedFiles(folder, paths, None)
    if len(told) < len(found):
        silent = min(path.name for path, when in zip(found, times, strict=True) if when is None)
        raise ValueError(
            f"{folder}: the name {silent} tells no time, those of {len(told)} other files do: name all files by "
            f"{HOW_TO_WRITE_TIMES}, or write {folder / TIMES_FILE}"
        )
    order = np.argsort(np.array(told, dtype=np.int64), kind="stable")
    paths = [found[row] for row in order]
    times_ns = np.array(told, dtype=np.int64)[order]
    same = np.flatnonzero(np.diff(times_ns) == 0)
    if len(same):
        raise ValueError(
            f"{folder}: {paths[same[0]].name} and {paths[same[0] + 1].name} have the same time; every file needs its "
            f"own: is one of them a copy?"
        )
    return TimedFiles(folder, paths, times_ns)


def _timed_by_list(folder: Path, paths: list[Path]) -> TimedFiles:
    file = folder / TIMES_FILE
    lines = [
        line.strip()
        for line in read_text(file, "the times of the files").splitlines()
        if line.strip() and not line.startswith("#")
    ]
    if len(lines) != len(paths):
        raise ValueError(
            f"{file} has {len(lines)} times, {folder} has {len(paths)} files: one line per file in the order of their "
            f"names was expected"
        )
    times = [time_ns(line) for line in lines]
    for number, when in enumerate(times):
        if when is None:
            raise ValueError(f"{file}, time {number + 1} ({lines[number]!r}) is none: write {HOW_TO_WRITE_TIMES}")
    times_ns = np.array(times, dtype=np.int64)
    back = np.flatnonzero(np.diff(times_ns) <= 0)
    if len(back):
        row = int(back[0])
        what = "is that of the file before" if times_ns[row] == times_ns[row + 1] else "lies before that"
        raise ValueError(
            f"{file}: time {row + 2} ({lines[row + 1]}, {paths[row + 1].name}) {what} ({lines[row]}): times must "
            f"ascend in the order of the files' names"
        )
    return TimedFiles(folder, paths, times_ns)


def _natural(path: Path) -> tuple[tuple[int, int, str], ...]:
    """Numbers in names count as numbers: 2.bin comes before 10.bin."""
    parts = re.split(r"(\d+)", stem(path))
    return tuple((1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts if part)
