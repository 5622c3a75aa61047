"""Oracle: what a table may hold and what is done twice, with a task that only counts."""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Sequence as Series
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from lima.config import SegmentationConfig
from lima.encoder import save_student
from lima.evaluate import study as studies
from lima.evaluate.fractions import LabelFraction, LabelList
from lima.evaluate.runs import start_record
from lima.evaluate.scores import mean, spread
from lima.evaluate.study import Column, Metrics, Start, Training, run_study, starts_of
from lima.students.student import build_student
from lima.train.interruption import Interrupted, StopSignals
from tests.evaluate.segmentation.made_up import STUDENT, Drive, MadeUpDataset

DATASET = MadeUpDataset({"train": [Drive("one"), Drive("two")], "val": [Drive("three", frames=1)]})


@dataclass(frozen=True)
class Seeds:
    """The cell of a task that scores a training by its seed."""

    values: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        return {"mean": mean(self.values), "std": spread(self.values)}


@dataclass
class Counting:
    """A task that makes nothing but a note. stop_after: a signal comes while this number of them is made."""

    learning: SegmentationConfig = field(default_factory=lambda: SegmentationConfig(steps=7))
    stop_after: int = 0
    done: list[str] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)

    command = "lima count"
    several = "counts"
    longer = ""

    def check(self, run: Path) -> None:
        self.checked.append(run.name)
        if run.name == "broken":
            raise ValueError("this run is broken")

    def settings(self, training: Training) -> dict[str, Any]:
        return {"labels": training.column.labels, "seed": training.seed, "steps": self.learning.steps}

    def train(self, training: Training, resume: bool, signals: StopSignals) -> Metrics:
        (training.folder / "checkpoints").mkdir(parents=True)
        self.done.append(f"{training.start.name} {training.column.name} {training.seed} {training.run.name}")
        if len(self.done) == self.stop_after:
            signals.received = signal.SIGINT
        metrics = {
            "config": self.settings(training),
            **start_record(training.run, training.weights),
            "labels": labels_of(DATASET, training.column.labels).summary(),
            "val": {"three": ["three 0"]},
        }
        training.metrics.write_text(json.dumps(metrics))
        return metrics

    def cell(self, metrics: Series[Metrics]) -> Seeds:
        return Seeds(tuple(float(each["config"]["seed"]) for each in metrics))


def labels_of(dataset: MadeUpDataset, fraction: str) -> LabelList:
    return LabelList(LabelFraction.parse(fraction), dataset.sequences("train"), dataset.name, "train")


@pytest.fixture(autouse=True)
def runs_and_a_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studies, "open_dataset", lambda data, at_gap: DATASET)
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "c"):
        save_student(Path(name), build_student(STUDENT), STUDENT)


def columns(*labels: str) -> list[Column]:
    return [Column(each, Path("data"), each) for each in labels]


def test_seed_by_seed_and_nothing_twice(tmp_path: Path) -> None:
    task, said = Counting(), list[str]()
    starts, counted = starts_of(["lima=a,b"], random=True), "2 starts x 2 columns x 2 seeds = 8 counts"
    study = run_study(task, starts, columns("scene-1in2", "all"), [3, 5], tmp_path, said.append)
    assert task.done == [
        f"{start} {labels} {seed} {run}"
        for seed, run in ((3, "a"), (5, "b"))
        for labels in ("scene-1in2", "all")
        for start in ("random", "lima")
    ]
    assert said[:2] == [f"{counted}, 0 of them finished", "56 of 56 steps to go, beside scoring"]
    assert study.results()["lima"]["all"] == {"mean": 4.0, "std": math.sqrt(2)}
    assert {column: told["keyframes"] for column, told in study.labels.items()} == {"scene-1in2": 3, "all": 6}
    assert not list(tmp_path.rglob("checkpoints"))
    again = Counting()
    said.clear()
    assert run_study(again, starts, columns("scene-1in2", "all"), [3, 5], tmp_path, said.append).cells == study.cells
    assert again.done == []
    assert said == [f"{counted}, 8 of them finished"]
    more = Counting()
    run_study(more, starts, columns("scene-1in2", "all"), [3, 5, 6], tmp_path, said.append)
    assert len(more.done) == 4
    assert said[2] == "28 of 84 steps to go, beside scoring"


def test_steps_are_those_of_the_epochs(tmp_path: Path) -> None:
    """Three frames each of two drives, by hand: batches of 2 make two steps of one drive and three of both."""
    said: list[str] = []
    task = Counting(SegmentationConfig(epochs=10, batch=2))
    run_study(task, starts_of(["a"], False), columns("scene-1in2", "all"), [0], tmp_path, said.append)
    assert said[1] == "50 of 50 steps to go, beside scoring"


def test_a_stopped_study_goes_on(tmp_path: Path) -> None:
    starts, task = starts_of(["a"], False), Counting(stop_after=2)
    with pytest.raises(Interrupted, match="SIGINT: stopped with 2 of 3 counts finished; the same command goes on"):
        run_study(task, starts, columns("all"), [0, 1, 2], tmp_path, lambda _: None)
    last = Counting()
    run_study(last, starts, columns("all"), [0, 1, 2], tmp_path, lambda _: None)
    assert last.done == ["a all 2 a"]
    assert run_study(Counting(stop_after=3), starts, columns("all"), [0, 1, 2], tmp_path / "b", lambda _: None)


def test_what_was_made_otherwise_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    run_study(Counting(), starts_of(["a"], False), columns("all"), [1], tmp_path, lambda _: None)
    other, starts = Counting(SegmentationConfig(steps=8)), starts_of(["a"], False)
    with pytest.raises(ValueError, match=r"a/all/seed-1 was made otherwise \(steps was 7, now 8\): choose"):
        run_study(other, starts, columns("all"), [0, 1], tmp_path, lambda _: None)
    with pytest.raises(ValueError, match=r"it started from .*a, now from .*c"):
        run_study(other, [Start("a", (Path("c"),))], columns("all"), [1], tmp_path, lambda _: None)
    with pytest.raises(ValueError, match="this run is broken"):
        run_study(other, starts_of(["a", "b=broken"], False), columns("all"), [0], tmp_path, lambda _: None)
    with pytest.raises(ValueError, match="two starts are called a"):
        run_study(other, starts_of(["a", "a=b"], False), columns("all"), [0], tmp_path, lambda _: None)
    with pytest.raises(ValueError, match="column all was given twice, and would count twice in means and spreads"):
        run_study(other, starts, columns("all", "scene-1in2", "all"), [0], tmp_path, lambda _: None)
    with pytest.raises(ValueError, match="seed 0 was given twice"):
        run_study(other, starts, columns("all"), [0, 1, 0], tmp_path, lambda _: None)
    with pytest.raises(ValueError, match="scene-1in2 and scan-1in2 cannot share a table"):
        run_study(other, starts, columns("scene-1in2", "scan-1in2"), [0], tmp_path, lambda _: None)
    with pytest.raises(ValueError, match="scene-1in9 keeps no scene"):
        run_study(other, starts, columns("all", "scene-1in9"), [0], tmp_path, lambda _: None)
    assert other.done == []


def test_other_weights_in_the_same_folder_are_other_starts(tmp_path: Path) -> None:
    """Nothing else changes: neither a name nor a setting."""
    out, starts = tmp_path / "out", starts_of(["a"], random=True)
    run_study(Counting(), starts, columns("all"), [1], out, lambda _: None)
    before = sha256((tmp_path / "a" / "student.safetensors").read_bytes()).hexdigest()
    save_student(Path("a"), build_student(STUDENT), STUDENT)
    after = sha256((tmp_path / "a" / "student.safetensors").read_bytes()).hexdigest()
    asked = Counting()
    with pytest.raises(
        ValueError, match=rf"a/all/seed-1 was made otherwise \(.*a holds .* was {before}, now {after}\)"
    ):
        run_study(asked, starts, columns("all"), [0, 1], out, lambda _: None)
    assert run_study(asked, starts[:1], columns("all"), [1], out, lambda _: None)  # fresh weights are what they were
    wider = replace(STUDENT, width=0.25)
    save_student(Path("a"), build_student(wider), wider)
    with pytest.raises(ValueError, match=r"random/all/seed-1 was made otherwise .*a holds another student"):
        run_study(asked, starts[:1], columns("all"), [1], out, lambda _: None)
    assert asked.done == []


@pytest.mark.parametrize(
    ("train", "val", "told"),
    [
        (["one", "four"], "three", "the keyframes learned from were 6 of made up, list .*, now 6 of made up, list "),
        (["one", "two"], "five", "the 1 keyframes scored are not the 1 that would be scored now"),
    ],
)
def test_other_frames_in_the_same_folder_are_another_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train: list[str], val: str, told: str
) -> None:
    run_study(Counting(), starts_of(["a"], False), columns("all"), [1], tmp_path / "out", lambda _: None)
    other = MadeUpDataset({"train": [Drive(name) for name in train], "val": [Drive(val, frames=1)]})
    monkeypatch.setattr(studies, "open_dataset", lambda data, at_gap: other)
    asked = Counting()
    with pytest.raises(ValueError, match=rf"a/all/seed-1 was made otherwise \({told}"):
        run_study(asked, starts_of(["a", "b"], False), columns("all"), [1], tmp_path / "out", lambda _: None)
    assert asked.done == []


def test_one_process_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match=r"studies of counts run in one process, 2 were started: .* -m lima count"):
        run_study(Counting(), starts_of(["a"], False), columns("all"), [0], tmp_path / "out", lambda _: None)
    assert not (tmp_path / "out").exists()


def test_names_of_starts() -> None:
    assert Start.parse("lima=a,b") == Start("lima", (Path("a"), Path("b")))
    assert Start.parse("runs/one").name == "one"
    assert [Start.parse("x=a,b,c").folder(number).name for number in range(5)] == ["a", "b", "c", "a", "b"]
    for text in ("=a", "lima=", ""):
        with pytest.raises(ValueError, match="a run is NAME=FOLDER"):
            Start.parse(text)
    with pytest.raises(ValueError, match="a run cannot be called 'random'"):
        Start.parse("random=a")
    with pytest.raises(ValueError, match="no run was named"):
        starts_of([], random=True)
