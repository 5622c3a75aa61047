"""The chores of filling a cache: reading ahead, saying what it costs, and showing how far it is."""

from __future__ import annotations

import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

From = TypeVar("From")
To = TypeVar("To")
Item = TypeVar("Item")

READERS = min(4, os.cpu_count() or 1)
LEFTOVER_AGE_S = 3600.0
SECONDS_PER_LINE = 30.0


def read_ahead(places: Iterable[From], read: Callable[[From], To], readers: int = READERS) -> Iterator[To]:
    """`map(read, places)`, in order, with the next few being read while the last is worked on."""
    waiting: deque[Future[To]] = deque()
    source = iter(places)
    with ThreadPoolExecutor(readers) as executor:
        try:
            waiting.extend(executor.submit(read, place) for place in islice(source, 2 * readers))
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(executor.submit(read, place) for place in islice(source, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()


def cost_in_words(size_bytes: int, seconds: float) -> str:
    """Space and time as one says them: 0.31 GB, about 2.5 min."""
    size = f"{size_bytes / 1e9:.2f} GB" if size_bytes >= 1e8 else f"{size_bytes / 1e6:.1f} MB"
    duration = f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"
    return f"{size}, about {duration}"


def check_space(folder: Path, size_bytes: int) -> None:
    """Raises OSError where the disk has less room than that."""
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < size_bytes:
        raise OSError(
            f"the features need {size_bytes / 1e9:.1f} GB and {folder} has {free_bytes / 1e9:.1f} GB left: "
            f"make room, give another folder (--cache), or smaller images"
        )


def remove_leftovers(folder: Path) -> None:
    """Removes the half-written files of processes that were killed, old enough to be nobody's."""
    for partial in folder.glob(".*.partial"):
        if time.time() - partial.stat().st_mtime > LEFTOVER_AGE_S:
            partial.unlink(missing_ok=True)


def counted(items: Iterable[Item], total: int, what: str, console: Console) -> Iterator[Item]:
    """The items, with a bar on a terminal and with a line now and then where there is none."""
    if console.is_terminal:
        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as progress:
            yield from progress.track(items, total=total)
        return
    last_s = time.monotonic()
    for count, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - last_s > SECONDS_PER_LINE:
            last_s = time.monotonic()
            console.print(f"{what}: {count} of {total}", highlight=False)
