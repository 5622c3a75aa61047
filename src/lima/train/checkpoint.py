"""Checkpoints: everything a run needs to go on, in a folder that is whole or absent.

`checkpoints/step-00000200/` holds `run.pt` (weights, optimiser, lanes, random states, settings), one `lane-….pt` with
the memory of every lane, written by the process that follows it, and `manifest.json` with sizes and digests. The folder
is written under another name and renamed at the end, so that a process may be killed at any moment; the memory being
kept per lane, a run may go on with another number of processes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lima.train.processes import Processes

KEPT = 2
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Checkpoint:
    """run: the state that all lanes share. lanes: the state of every lane of this process."""

    step: int
    run: dict[str, Any]
    lanes: dict[int, dict[str, Any]]


def write_checkpoint(folder: Path, checkpoint: Checkpoint, processes: Processes) -> Path:
    """Write `folder/step-…` together with the other processes, and forget all but the last `KEPT`."""
    final = folder / f"step-{checkpoint.step:08d}"
    partial = final.with_name(final.name + ".partial")
    if processes.first:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    processes.wait_for_all()
    for lane, state in checkpoint.lanes.items():
        _save(state, partial / f"lane-{lane:04d}.pt")
    if processes.first:
        _save({"step": checkpoint.step, **checkpoint.run}, partial / "run.pt")
    processes.wait_for_all()
    if processes.first:
        files = {file.name: _describe(file) for file in sorted(partial.glob("*.pt"))}
        (partial / MANIFEST).write_text(json.dumps(files, indent=1))
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
        for old in _steps(folder)[KEPT:]:
            shutil.rmtree(old)
    processes.wait_for_all()
    return final


def read_last_checkpoint(
    folder: Path, lanes: range, processes: Processes, say: Callable[[str], None]
) -> Checkpoint | None:
    """The newest checkpoint that is whole, with the states of `lanes`; None where there is none.

    One that is not whole is left out with a word to `say`.
    """
    step = -1
    if processes.first:
        for candidate in _steps(folder):
            if (fault := find_fault(candidate)) is None:
                step = _step(candidate)
                break
            say(f"{candidate} cannot be used ({fault}): looking for an earlier one")
    step = processes.agree(step)
    if step < 0:
        return None
    chosen = folder / f"step-{step:08d}"
    run = _load(chosen / "run.pt", processes.device)
    return Checkpoint(
        run.pop("step"), run, {lane: _load(chosen / f"lane-{lane:04d}.pt", processes.device) for lane in lanes}
    )


def find_fault(checkpoint: Path) -> str | None:
    """What is wrong with the files of a checkpoint, or None."""
    manifest = checkpoint / MANIFEST
    if not manifest.exists():
        return f"{MANIFEST} is missing"
    try:
        expected = json.loads(manifest.read_text())
    except json.JSONDecodeError:
        return f"{MANIFEST} is damaged"
    for name, description in expected.items():
        file = checkpoint / name
        if not file.exists():
            return f"{name} is missing"
        if file.stat().st_size != description["bytes"]:
            return f"{name} has {file.stat().st_size} bytes instead of {description['bytes']}"
        if _describe(file) != description:
            return f"{name} is damaged"
    return None


def _steps(folder: Path) -> list[Path]:
    """Checkpoints, the newest first."""
    return sorted((path for path in folder.glob("step-*") if path.suffix != ".partial"), key=_step, reverse=True)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("step-"))


def _describe(file: Path) -> dict[str, int | str]:
    with open(file, "rb") as stream:
        return {"bytes": file.stat().st_size, "blake2b": hashlib.file_digest(stream, "blake2b").hexdigest()}


def _save(state: dict[str, Any], file: Path) -> None:
    with open(file, "wb") as stream:
        torch.save(state, stream)
        stream.flush()
        os.fsync(stream.fileno())


def _load(file: Path, device: torch.device) -> dict[str, Any]:
    return torch.load(file, map_location=device, weights_only=True)
