"""Oracle: a learner that counts, and what its loop must leave: the log, the order of things, one writer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from lima.config import SegmentationConfig
from lima.train.checkpoint import Checkpoint
from lima.train.interruption import Interrupted, StopSignals
from lima.train.loop import Say, learn
from lima.train.processes import ALONE, Processes
from lima.train.run_folder import RunFolder


class Counter:
    """Counts its steps; done: everything that happened to it."""

    lanes = range(0)
    processes = ALONE
    config = SegmentationConfig(log_every_steps=3, checkpoint_every_steps=2)

    def __init__(self, steps: int) -> None:
        self.steps, self.step = steps, 0
        self.done: list[str] = []

    def train_step(self) -> dict[str, Any]:
        self.step += 1
        self.done.append(f"step {self.step}")
        return {"step": self.step, "loss": {"total": 0.5}, "learning_rate": 0.1}

    def checkpoint(self) -> Checkpoint:
        self.done.append("written")
        return Checkpoint(self.step, {}, {})

    def load(self, checkpoint: Checkpoint) -> None:
        self.step = checkpoint.step

    def look(self, say: Say) -> dict[str, Any] | None:
        self.done.append("looked")
        return {"step": self.step, "seen": True} if self.step == 4 else None


def steps_logged(folder: RunFolder) -> list[tuple[int, bool]]:
    records = [json.loads(line) for line in folder.log.read_text().splitlines()]
    return [(record["step"], "seen" in record) for record in records]


def test_the_order_of_things_and_the_lines_of_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learner, folder = Counter(5), RunFolder(tmp_path)
    learn(learner, folder, "count", lambda: [f"after {learner.step}"], learner.look)
    written_at = (2, 4, 5)
    expected = [[f"step {step}", "looked", *["written"] * (step in written_at)] for step in range(1, 6)]
    assert learner.done == [what for of_step in expected for what in of_step]
    assert steps_logged(folder) == [(3, False), (4, True), (5, False)]
    assert "after 0" in capsys.readouterr().out


def test_a_signal_ends_it_after_a_checkpoint_and_it_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learner, folder, signals = Counter(5), RunFolder(tmp_path), StopSignals()
    signals.received = 2
    with pytest.raises(Interrupted, match=r"SIGINT: stopped after step 1 of 5, checkpoint written") as stop:
        learn(learner, folder, "count", list, signals=signals)
    assert stop.value.exit_code == 130
    again = Counter(5)
    learn(again, folder, "count", lambda: [f"after {again.step}"])
    assert again.done[0] == "step 2"
    assert "after 1" in capsys.readouterr().out
    finished = Counter(5)
    learn(finished, folder, "count", list, signals=signals)
    assert finished.done == []


def test_other_processes_write_and_say_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = Counter(5)
    monkeypatch.setattr(Processes, "agree", lambda self, number: number)
    monkeypatch.setattr(Processes, "sums", lambda self, values: values)
    monkeypatch.setattr(Processes, "wait_for_all", lambda self: None)
    learner.processes = Processes(1, 2, torch.device("cpu"))
    learn(learner, RunFolder(tmp_path), "count", lambda: ["something"], learner.look)
    assert learner.step == 5
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""
