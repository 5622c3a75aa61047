"""What a person sees of a run: a bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

STEPS_BEFORE_ESTIMATE = 5  # the first ones pay for compilation, allocation and cold files


class RunProgress:
    """Shows steps, loss, rate and time left. `quiet` for all processes but the first."""

    def __init__(self, steps: int, lines_every_steps: int, quiet: bool, what: str = "pretrain") -> None:
        self._console = Console(quiet=quiet, highlight=False, soft_wrap=True)
        self._steps, self._first, self._lines_every_steps = steps, 0, lines_every_steps
        self._bar = Progress(
            TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[told]}"),
            TimeRemainingColumn(), console=self._console, disable=not self._console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task(what, total=steps, told="")
        self._started = time.perf_counter()

    def __enter__(self) -> RunProgress:
        self._bar.start()
        return self

    def start(self, done: int) -> None:
        """Steps count from here; `done` of them an earlier part of the run has made."""
        self._first = done
        self._bar.update(self._task, completed=done)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._bar.stop()

    def say(self, line: str) -> None:
        """One line, above the bar where there is one."""
        self._console.print(line, markup=False)

    def step(self, step: int, loss: float, learning_rate: float) -> None:
        """`step` steps of learning are done."""
        self.count(step, f"loss {loss:.4f}  rate {learning_rate:.2e}")

    def count(self, step: int, told: str = "") -> None:
        """`step` steps are done; `told` stands beside the count."""
        made = step - self._first
        if made == STEPS_BEFORE_ESTIMATE:
            self._started = time.perf_counter()  # count from here on
        self._bar.update(self._task, completed=step, told=told)
        each_s = (time.perf_counter() - self._started) / max(made - STEPS_BEFORE_ESTIMATE, 1)
        if made == 2 * STEPS_BEFORE_ESTIMATE and step < self._steps:
            self.say(f"{each_s:.2f} s a step: {duration((self._steps - step) * each_s)} for the remaining steps")
        if not self._console.is_terminal and (step % self._lines_every_steps == 0 or step == self._steps):
            known = made > STEPS_BEFORE_ESTIMATE
            left = f"  {each_s:.2f} s a step, {duration((self._steps - step) * each_s)} left" if known else ""
            self.say(f"step {step}/{self._steps}  {told}{left}")


def duration(seconds: float) -> str:
    """Seconds in the words of a person: 42 s, 7 min, 3.5 h, 2.1 days."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


def size(count_bytes: int | float) -> str:
    """Bytes in the words of a person: 512 B, 3.2 MB, 1.5 GB."""
    for unit in ("B", "kB", "MB"):
        if count_bytes < 1000:
            return f"{count_bytes:.0f} B" if unit == "B" else f"{count_bytes:.1f} {unit}"
        count_bytes /= 1000
    return f"{count_bytes:.1f} GB"
