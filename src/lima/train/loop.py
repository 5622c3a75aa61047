"""The loop of every kind of training: steps, log, checkpoints, stopping and going on."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from lima.train.checkpoint import Checkpoint, read_last_checkpoint, write_checkpoint
from lima.train.interruption import Interrupted, StopSignals
from lima.train.log import Log
from lima.train.processes import Processes
from lima.train.progress import RunProgress
from lima.train.run_folder import RunFolder

Say = Callable[[str], None]


@runtime_checkable
class Rhythm(Protocol):
    """How often something is written down, in steps."""

    @property
    def log_every_steps(self) -> int: ...

    @property
    def checkpoint_every_steps(self) -> int: ...


@runtime_checkable
class Learner(Protocol):
    """What learns, on one of several processes. step: how many of its `steps` are made. lanes: see `Checkpoint`."""

    @property
    def config(self) -> Rhythm: ...

    @property
    def processes(self) -> Processes: ...

    @property
    def lanes(self) -> range: ...

    @property
    def steps(self) -> int: ...

    @property
    def step(self) -> int: ...

    def train_step(self) -> dict[str, Any]:
        """Make one step; returns the line of the log, with loss["total"] and learning_rate."""
        ...

    def checkpoint(self) -> Checkpoint: ...

    def load(self, checkpoint: Checkpoint) -> None: ...


def learn(
    learner: Learner,
    folder: RunFolder,
    what: str,
    announce: Callable[[], Iterable[str]],
    after_step: Callable[[Say], dict[str, Any] | None] = lambda _: None,
    signals: StopSignals | None = None,
    tensorboard: Path | None = None,
) -> None:
    """From the last checkpoint in the folder, or from the beginning, to the end.

    announce: lines to say before the first step, when it is known which that is. after_step: what else is done after
    every step, before its checkpoint; it returns a line for the log, or None. signals: a caller's, which it has
    entered. tensorboard: see `Log`. Raises Interrupted, after a checkpoint, where a signal came to any process.
    """
    processes, config = learner.processes, learner.config
    progress = RunProgress(learner.steps, config.log_every_steps, quiet=not processes.first, what=what)
    if (found := read_last_checkpoint(folder.checkpoints, learner.lanes, processes, progress.say)) is not None:
        learner.load(found)
    for line in announce():
        progress.say(line)
    log_or_none = Log(folder.log, learner.step, tensorboard) if processes.first else nullcontext()
    with nullcontext(signals) if signals else StopSignals() as noted, progress, log_or_none as log:
        progress.start(learner.step)
        while learner.step < learner.steps:
            logged = next_step_is_logged(learner)
            started = time.perf_counter()
            report = learner.train_step()
            progress.step(learner.step, report["loss"]["total"], report["learning_rate"])
            if log and logged:
                log.write({**report, "seconds": report.get("seconds", time.perf_counter() - started)})
            more = after_step(progress.say)
            if log and more:
                log.write(more)
            last = learner.step == learner.steps
            stop = processes.sums([float(noted.received)])[0] > 0 and not last
            if stop or last or learner.step % config.checkpoint_every_steps == 0:
                write_checkpoint(folder.checkpoints, learner.checkpoint(), processes)
            if stop:
                raise Interrupted.after(noted.received or signal.SIGTERM, learner.step, learner.steps)


def next_step_is_logged(learner: Learner) -> bool:
    """Whether a line of the log will be written for the step to come; the last has one always."""
    number = learner.step + 1
    return number % learner.config.log_every_steps == 0 or number == learner.steps
