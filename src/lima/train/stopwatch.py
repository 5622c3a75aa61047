"""Where the seconds of a step go."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch


class Stopwatch:
    """Seconds per named part. A GPU works on after a call returns: with `exact`, every lap waits for it.

    clock: what counts the seconds; `time.thread_time` leaves out what other processes take of the machine.
    """

    def __init__(
        self,
        device: torch.device | None = None,
        exact: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._clock = clock
        self._wait_for_gpu = exact and device is not None and device.type == "cuda"
        self._device = device
        self._last = clock()
        self.seconds: dict[str, float] = {}

    def lap(self, part: str) -> None:
        """What has passed since the last lap, or the start, belongs to `part`."""
        if self._wait_for_gpu:
            torch.cuda.synchronize(self._device)
        now = self._clock()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._last
        self._last = now
