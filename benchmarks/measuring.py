"""Clocks, memory, and what the machine can do at best."""

from __future__ import annotations

import contextlib
import ctypes
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Measured:
    """Medians. cpu_seconds: of all threads of this program. others: share of the processors that others took.

    peak_mb: the most memory held beyond what was there before.
    """

    seconds: float
    cpu_seconds: float
    others: float
    peak_mb: float

    def cost(self, device: torch.device) -> float:
        """Processor seconds on a CPU, which other programs do not lengthen; seconds elsewhere."""
        return self.cpu_seconds if device.type == "cpu" else self.seconds


def in_turns(steps: dict[str, Callable[[], object]], repeats: int, device: torch.device) -> dict[str, Measured]:
    """Runs every step once to warm up, then all of them one after another, `repeats` times: a busy spell meets all."""
    peaks: dict[str, float] = {}
    runs: dict[str, list[tuple[float, float, float]]] = {name: [] for name in steps}
    for name, step in steps.items():
        before_mb = peak_mb(device, reset=True)
        step()
        synchronise(device)
        peaks[name] = peak_mb(device) - before_mb
    for _ in range(repeats):
        for name, step in steps.items():
            busy, own, begin = busy_s(), time.process_time(), time.perf_counter()
            step()
            synchronise(device)
            seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - own
            others = (busy_s() - busy - cpu_seconds) / seconds / (os.cpu_count() or 1)
            runs[name].append((seconds, cpu_seconds, min(1.0, max(0.0, others))))
    return {name: Measured(*map(statistics.median, zip(*runs[name], strict=True)), peaks[name]) for name in steps}


def matrix_products(device: torch.device, dtype: torch.dtype) -> tuple[float, Callable[[], object]]:
    """Floating-point operations of some large products of `torch.mm`, and what runs them."""
    rows, dim, times = (2048, 1024, 3) if device.type == "cpu" else (8192, 8192, 5)
    a, b = torch.randn(rows, dim, device=device, dtype=dtype), torch.randn(dim, dim, device=device, dtype=dtype)
    result = torch.empty(rows, dim, device=device, dtype=dtype)

    def run() -> None:
        for _ in range(times):
            torch.mm(a, b, out=result)

    return 2.0 * times * rows * dim * dim, run


def copies(device: torch.device) -> tuple[float, Callable[[], object]]:
    """Bytes read and written by copying far more than caches hold, and what copies them."""
    source = torch.ones(2**26 if device.type == "cpu" else 2**28, device=device)
    target = torch.empty_like(source)
    return 2.0 * source.numel() * source.element_size(), lambda: target.copy_(source)


def synchronise(device: torch.device) -> None:
    """Waits for a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def busy_s() -> float:
    """Seconds that all processors together have worked, for anybody; zero where the system does not tell."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0
    user, nice, system, _, _, irq, softirq, steal = map(int, stat.read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_S


def peak_mb(device: torch.device, reset: bool = False) -> float:
    """The most memory held since the last reset; NaN where the system does not tell."""
    if device.type == "cuda":
        if reset:
            torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.max_memory_allocated(device) / 1e6
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    if reset:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)  # what was freed before is not to hide what comes
        Path("/proc/self/clear_refs").write_text("5")
    return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1e3
