"""What one sees while drives are simulated: a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class SceneProgress:
    """Counts drives. Use as a context."""

    def __init__(self, total: int, done: int) -> None:
        self.total, self.done = total, done
        self._console = Console(stderr=True)
        self._started = time.monotonic()
        self._bar: Progress | None = None
        if self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=self._console)
            self._task = self._bar.add_task("drives", total=total, completed=done)

    def __enter__(self) -> SceneProgress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, text: str) -> None:
        """A line of its own."""
        self._console.print(text, highlight=False, soft_wrap=True)

    def advance(self, name: str) -> None:
        """One drive more is complete."""
        self.done += 1
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done)
        else:
            self.say(f"{self.done}/{self.total} {name}, {time.monotonic() - self._started:.0f} s")
