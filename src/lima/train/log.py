"""The log of a run: one JSON object per logged step and, where wanted, the same numbers for TensorBoard."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any


class Log:
    """Appends to `file`; a resumed run first forgets what was logged after its checkpoint.

    tensorboard: folder to write events to, or None. Raises ImportError where it is wanted and not installed.
    """

    def __init__(self, file: Path, after_step: int, tensorboard: Path | None = None) -> None:
        self._events = _open_events(tensorboard, after_step) if tensorboard else None
        kept = [line for line in _whole_lines(file) if json.loads(line)["step"] <= after_step]
        file.write_text("".join(line + "\n" for line in kept))
        self._file = open(file, "a", buffering=1)  # noqa: SIM115 (closed on leaving; a line reaches the disk when written)

    def write(self, record: dict[str, Any]) -> None:
        """Add one line; `record["step"]` says when it was."""
        self._file.write(json.dumps(record, allow_nan=False) + "\n")
        if self._events:
            for name, value in _scalars(record):
                self._events.add_scalar(name, value, record["step"])

    def __enter__(self) -> Log:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._file.close()
        if self._events:
            self._events.close()


def _whole_lines(file: Path) -> list[str]:
    """The lines that were written to their end: a process may have been killed inside the last one."""
    return file.read_text().split("\n")[:-1] if file.exists() else []


def _scalars(record: dict[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    scalars: list[tuple[str, float]] = []
    for name, value in record.items():
        scalars += _scalars(value, f"{prefix}{name}/") if isinstance(value, dict) else [(prefix + name, value)]
    return scalars


def _open_events(folder: Path, after_step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError("tensorboard = True needs the package: pip install 'lima-lidar[tensorboard]'") from error
    return SummaryWriter(str(folder), purge_step=after_step + 1)
