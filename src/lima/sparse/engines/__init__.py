"""The engines, and which one works where."""

from __future__ import annotations

import os

import torch

from lima.sparse.engines.engine import Engine
from lima.sparse.engines.native import NativeEngine
from lima.sparse.engines.pytorch import PyTorchEngine
from lima.sparse.engines.spconv import SpconvEngine
from lima.sparse.engines.triton import TritonEngine

ENVIRONMENT_VARIABLE = "LIMA_SPARSE_ENGINE"
ENGINES: tuple[Engine, ...] = (NativeEngine(), TritonEngine(), PyTorchEngine(), SpconvEngine())
"""In order of preference. PyTorch takes everything: what stands behind it is taken only by name."""


def engine_for(device: torch.device, dtype: torch.dtype, name: str | None = None) -> Engine:
    """The engine asked for: by name, else by the environment variable, else the first that takes such tensors.

    Raises ValueError for a name that none has and for an engine that cannot do what is asked of it.
    """
    name = name or os.environ.get(ENVIRONMENT_VARIABLE)
    if not name or name == "auto":
        return next(engine for engine in ENGINES if engine.refusal(device, dtype) is None)
    named = {engine.name: engine for engine in ENGINES}
    if name not in named:
        raise ValueError(f"no engine of sparse convolution is called {name!r}: there are {', '.join(named)} and auto")
    refusal = named[name].refusal(device, dtype)
    if refusal is not None:
        raise ValueError(f"the engine {name!r} cannot convolve {dtype} on {device}: {refusal}")
    return named[name]


__all__ = ["ENGINES", "ENVIRONMENT_VARIABLE", "Engine", "engine_for"]
