"""Pretraining runs as they lie on disk."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from lima.config import PretrainConfig
from lima.encoder import WEIGHTS_FILE, load_encoder, read_student_config
from lima.evaluate.scores import title_of
from lima.students.student import Student, build_student
from lima.train.run_folder import read_config


@dataclass(frozen=True)
class ReportedRun:
    """A pretraining run as it lies on disk. record: its config.json whole; log: the lines of its log.jsonl."""

    name: str
    folder: Path
    config: PretrainConfig
    record: dict[str, Any]
    log: tuple[dict[str, Any], ...]

    @property
    def title(self) -> str:
        """The name as it is printed."""
        return title_of(self.name)


def read_run(folder: Path) -> ReportedRun:
    """A run by its folder; its name is the folder's. Raises FileNotFoundError where it is none."""
    config = read_config(folder)
    log_file = folder / "log.jsonl"
    lines = log_file.read_text().split("\n")[:-1] if log_file.exists() else []
    return ReportedRun(
        name=folder.resolve().name,
        folder=folder,
        config=config,
        record=json.loads((folder / "config.json").read_text()),
        log=tuple(json.loads(line) for line in lines),
    )


def random_student(config: PretrainConfig) -> Student:
    """The student as it was before the first step of pretraining."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return build_student(config.student)


def starting_student(run: Path, start: Literal["pretrained", "random"], seed: int) -> Student:
    """The student of a run, ready to learn on, or a fresh one of its shape, which the seed decides."""
    if start == "pretrained":
        return load_encoder(run).student.train().requires_grad_(True)
    torch.manual_seed(seed)
    return build_student(read_student_config(run))


def start_record(run: Path, start: Literal["pretrained", "random"]) -> dict[str, str]:
    """Where a training starts, for its metrics.json. start_sha256: of student.safetensors; of the student's settings
    where nothing else is taken from the run."""
    taken = (run / WEIGHTS_FILE).read_bytes() if start == "pretrained" else _settings_of_student(run)
    return {
        "start": start,
        "started_from": str(run.resolve()),
        "start_sha256": hashlib.sha256(taken).hexdigest(),
    }


def _settings_of_student(run: Path) -> bytes:
    return json.dumps(asdict(read_student_config(run)), sort_keys=True).encode()
