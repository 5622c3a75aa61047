"""Stopping in good order: a signal asks, the running step is finished and written down, then the loop gives up."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):  # noqa: N818 (nobody's error)
    """A run was asked to stop and has written a checkpoint. `exit_code` is what a shell expects: 128 + the signal."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number

    @staticmethod
    def after(number: int, step: int, steps: int) -> Interrupted:
        """By signal `number`, after a step whose checkpoint is written."""
        name = signal.Signals(number).name
        words = f"stopped after step {step} of {steps}, checkpoint written; the same command with --resume goes on"
        return Interrupted(number, f"{name}: {words}")


class StopSignals:
    """While entered, SIGINT and SIGTERM are noted in `received` (0: none) instead of ending the process.

    A second SIGINT ends it at once, as usual. Outside the main thread, where Python allows no handlers, nothing
    changes.
    """

    def __init__(self) -> None:
        self.received = 0
        self._previous: dict[signal.Signals, signal._HANDLER] = {}

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.received == number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
