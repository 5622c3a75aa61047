"""Where the seconds of a step go."""

from __future__ import annotations

import time

import torch


class Stopwatch:
    """Seconds per named part. A GPU works on after a call returns: with `exact`, every lap waits for it."""

    def __init__(self, device: torch.device | None = None, exact: bool = False) -> None:
        self._wait_for_gpu = exact and device is not None and device.type == "cuda"
        self._device = device
        self._last = time.perf_counter()
        self.seconds: dict[str, float] = {}

    def lap(self, part: str) -> None:
        """What has passed since the last lap, or the start, belongs to `part`."""
        if self._wait_for_gpu:
            torch.cuda.synchronize(self._device)
        now = time.perf_counter()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._last
        self._last = now
