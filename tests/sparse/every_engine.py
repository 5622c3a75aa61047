"""For tests that every engine, on every device there is, in every type has to pass."""

from __future__ import annotations

import pytest
import torch

from lima.sparse.engines import ENGINES

DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
TYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]

on_every_engine = pytest.mark.parametrize("engine", [engine.name for engine in ENGINES])
on_every_device = pytest.mark.parametrize("device", DEVICES)
in_every_type = pytest.mark.parametrize("dtype", TYPES, ids=lambda dtype: str(dtype).removeprefix("torch."))


def skip_if_refused(engine: str, device: str, dtype: torch.dtype = torch.float32) -> None:
    """float32 is also what kernel maps are asked for with."""
    refusal = next(e for e in ENGINES if e.name == engine).refusal(torch.device(device), dtype)
    if refusal is not None:
        pytest.skip(f"{engine} takes no {dtype} on {device}: {refusal}")
