"""What one sees of work on many messages or sweeps: a bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_EVERY_S = 10.0


class CountLines:
    """Counts to a total in plain lines, one every ten seconds. say: prints a line. unit: of what, in the plural."""

    def __init__(self, name: str, total: int, unit: str, say: Callable[[str], None]) -> None:
        self.done = 0
        self._name, self._total, self._unit, self._say = name, total, unit, say
        self._said_s = time.monotonic()

    def advance(self) -> None:
        """One more is done."""
        self.done += 1
        if time.monotonic() - self._said_s > LINE_EVERY_S:
            self._said_s = time.monotonic()
            self._say(f"{self._name}: {self.done} of {self._total} {self._unit}")


class CountProgress:
    """Counts to a total: a bar on a terminal, lines anywhere else. unit: of what, in the plural. Use as a context.

    quiet: show nothing, for all processes but the first.
    """

    def __init__(self, name: str, total: int, unit: str, quiet: bool = False) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True, quiet=quiet)
        self._lines = CountLines(name, total, unit, self._say_elsewhere)
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
        self._lines.advance()
        self._bar.update(self._task, completed=self._lines.done)

    def _say_elsewhere(self, line: str) -> None:
        if not self._console.is_terminal:
            self.say(line)
