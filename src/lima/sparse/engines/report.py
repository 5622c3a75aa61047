"""`lima engines`: which engines are there, which are not, and why."""

from __future__ import annotations

import os

import torch

from lima.sparse.engines import ENGINES, ENVIRONMENT_VARIABLE, Engine, engine_for

DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


def engine_lines() -> list[str]:
    """What every engine does on every device of this machine, and which one is taken there."""
    devices = [torch.device("cpu"), *([torch.device("cuda")] if torch.cuda.is_available() else [])]
    lines = []
    for engine in ENGINES:
        lines.append(engine.name)
        for device in devices:
            lines.append(f"  {device.type:5} {_uses(engine, device)}")
    for device in devices:
        taken = ", ".join(f"{engine_for(device, dtype).name} for {_short(dtype)}" for dtype in DTYPES)
        lines.append(f"on {device.type}: {taken}")
    asked = os.environ.get(ENVIRONMENT_VARIABLE)
    lines.append(f"{ENVIRONMENT_VARIABLE} is {asked or 'not set: the first that takes the type is used'}")
    return lines


def _uses(engine: Engine, device: torch.device) -> str:
    refusals = {dtype: engine.refusal(device, dtype) for dtype in DTYPES}
    taken = [_short(dtype) for dtype, refusal in refusals.items() if refusal is None]
    if not taken:
        return f"no: {refusals[torch.float32]}"
    return f"{', '.join(taken)} ({engine.details()})"


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
