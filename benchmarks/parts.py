"""Where the time of a training step goes, by timing what it calls."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import torch
from benchmarks.measuring import synchronise
from torch import Tensor, nn

from lima.sparse import KernelMap, KernelMaps, SparseBatchNorm, SparseTensor
from lima.sparse.engines import Engine

MAPS, FORWARD, AT_FEATURES, AT_WEIGHT = "kernel maps", "forward", "gradient at features", "gradient at weights"
NORM, REST = "batch norm and ReLU", "rest"


class Parts:
    """Seconds by part. Parts may lie within each other: a moment belongs to the innermost alone.

    Processor seconds on a CPU. A GPU is waited for at every border, which makes the step longer than it is.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, float] = defaultdict(float)
        self.clock = time.process_time if device.type == "cpu" else time.perf_counter
        self.open, self.since = [REST], self.clock()

    def enter(self, part: str) -> None:
        self._count()
        self.open.append(part)

    def leave(self) -> None:
        self._count()
        self.open.pop()

    @contextlib.contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        self.enter(part)
        try:
            yield
        finally:
            self.leave()

    def _count(self) -> None:
        synchronise(self.device)
        now = self.clock()
        self.seconds[self.open[-1]] += now - self.since
        self.since = now


class TimedEngine:
    """An engine whose calls are timed.

    Both gradients are computed together, as ever. Then each is computed alone, which is not counted but tells how to
    divide the time of both.
    """

    def __init__(self, engine: Engine, parts: Parts) -> None:
        self.engine, self.parts = engine, parts

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def forward(self, features: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
        with self.parts(FORWARD):
            return self.engine.forward(features, weight, kernel_map)

    def backward(self, features: Tensor, weight: Tensor, gradient: Tensor, kernel_map: KernelMap, *wanted: bool) -> Any:
        given, parts = (features, weight, gradient, kernel_map), self.parts
        with parts("both gradients"):
            result = self.engine.backward(*given, *wanted)
        for part, alone in ((AT_FEATURES, (True, False)), (AT_WEIGHT, (False, True))):
            if wanted[0 if alone[0] else 1]:
                with parts(f"{part} alone"):
                    self.engine.backward(*given, *alone)
        return result

    def norm_relu(self, features: Tensor, norm: nn.BatchNorm1d, residual: Tensor | None) -> Tensor:
        with self.parts(NORM):
            result = self.engine.norm_relu(features, norm, residual)
        time_backward(result, [features, residual], self.parts)
        return result


def time_backward(result: Tensor, inputs: list[Tensor | None], parts: Parts) -> None:
    """Counts what autograd does between the result and the inputs as batch norm and ReLU."""
    ends = {tensor.grad_fn for tensor in inputs if tensor is not None}
    waiting, seen = [result.grad_fn], set(ends)
    while waiting:
        node = waiting.pop()
        if node is None or node in seen or type(node).__name__ == "AccumulateGrad":
            continue
        seen.add(node)
        node.register_prehook(lambda _: parts.enter(NORM))
        node.register_hook(lambda *_: parts.leave())
        waiting += [before for before, _ in node.next_functions]


def seconds_by_part(train: Callable[[KernelMaps], object], engine: Engine, device: torch.device) -> dict[str, float]:
    """Of one training step. train: runs one with the given kernel maps."""
    parts = Parts(device)

    def timed(function: Callable[..., Any], part: str) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            with parts(part):
                return function(*args)

        return run

    normalise = SparseBatchNorm.forward

    def timed_norm(self: SparseBatchNorm, voxels: SparseTensor) -> SparseTensor:
        with parts(NORM):
            result = normalise(self, voxels)
        time_backward(result.features, [voxels.features], parts)
        return result

    with contextlib.ExitStack() as patches:
        patches.enter_context(mock.patch("lima.sparse.engines.ENGINES", (TimedEngine(engine, parts),)))
        patches.enter_context(mock.patch.object(SparseBatchNorm, "forward", timed_norm))
        for owner, name in (
            (KernelMaps, "submanifold"),
            (KernelMaps, "strided"),
            (KernelMaps, "inverse"),
            (KernelMap, "layout"),
        ):
            patches.enter_context(mock.patch.object(owner, name, timed(getattr(owner, name), MAPS)))
        train(KernelMaps(engine.name))
        parts.enter(REST)
    seconds = parts.seconds
    alone = {part: seconds.pop(f"{part} alone", 0.0) for part in (AT_FEATURES, AT_WEIGHT)}
    both = seconds.pop("both gradients")
    for part, share in alone.items():
        seconds[part] = both * share / sum(alone.values())
    return {part: seconds[part] for part in (MAPS, FORWARD, AT_FEATURES, AT_WEIGHT, NORM, REST)}
