"""What one sees of work on many messages or sweeps: a bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_EVERY_S = 10.0


class CountProgress:
    """Counts to a total. unit: of what, in the plural. Use as a context."""

    def __init__(self, name: str, total: int, unit: str) -> None:
        self._name, self._total, self._unit, self._done = name, total, unit, 0
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._said_s = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._task = self._bar.add_task(name, total=total)

    def __enter__(self) -> CountProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, line: str) -> None:
        """A line of its own."""
        self._console.print(line, markup=False)

    def advance(self) -> None:
        """One more is done."""
        self._done += 1
        if self._console.is_terminal:
            self._bar.update(self._task, completed=self._done)
        elif time.monotonic() - self._said_s > LINE_EVERY_S:
            self._said_s = time.monotonic()
            self.say(f"{self._name}: {self._done} of {self._total} {self._unit}")
