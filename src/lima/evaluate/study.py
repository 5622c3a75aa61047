"""Trainings that belong into one table: starts in rows, datasets or label fractions in columns, several seeds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from collections.abc import Sequence as Series
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from signal import Signals
from typing import Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

from lima.config import DetectionConfig, SegmentationConfig
from lima.datasets import open_dataset
from lima.evaluate.fractions import LabelFraction, LabelList, check_one_rule, tokens_of
from lima.evaluate.probe import probe_split
from lima.evaluate.runs import start_record
from lima.evaluate.scores import RANDOM, check_each_once
from lima.train.epochs import Epochs
from lima.train.interruption import Interrupted, StopSignals
from lima.train.processes import check_alone
from lima.train.run_folder import settings_changes, start_changes

Metrics = dict[str, Any]
"""what a training leaves in its metrics.json"""


@dataclass(frozen=True)
class Start:
    """A row: where training starts from. Seed number i goes with folder i, beginning anew after the last: several
    pretrainings of one kind make the spread that of pretraining and of training on labels together."""

    name: str
    folders: tuple[Path, ...]
    random: bool = False

    @staticmethod
    def parse(text: str) -> Start:
        """From NAME=FOLDER or NAME=FOLDER,FOLDER,…; a FOLDER alone is named after itself. Raises ValueError."""
        name, equals, folders = text.partition("=")
        paths = tuple(Path(folder) for folder in (folders if equals else text).split(",") if folder)
        if not paths or not name:
            raise ValueError(
                f"a run is NAME=FOLDER, or NAME=FOLDER,FOLDER,… for a pretraining of each seed; got {text!r}"
            )
        name = name if equals else paths[0].resolve().name
        if name == RANDOM or "/" in name:
            raise ValueError(f"a run cannot be called {name!r}: {RANDOM} is the start without pretraining")
        return Start(name, paths)

    def folder(self, number: int) -> Path:
        """The run that seed number `number` (counted from 0) starts from."""
        return self.folders[number % len(self.folders)]


@dataclass(frozen=True)
class Column:
    """A column: a dataset and the labels that are learned from."""

    name: str
    data: Path
    labels: str


@dataclass(frozen=True)
class Training:
    """One of a study. run: whose student it starts from. folder: what it leaves."""

    start: Start
    column: Column
    seed: int
    run: Path
    folder: Path

    @property
    def weights(self) -> Literal["pretrained", "random"]:
        return "random" if self.start.random else "pretrained"

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.json"


@dataclass(frozen=True)
class Plan:
    """What every training of a column does. labels: `LabelList.summary` of what it learns from. val: the tokens of the
    sequences that it is scored on."""

    steps: int
    labels: dict[str, Any]
    val: dict[str, list[str]]


@runtime_checkable
class Cell(Protocol):
    """The scores of one start and one column over the seeds."""

    def as_dict(self) -> dict[str, Any]:
        """For `metrics.json`."""
        ...


SomeCell = TypeVar("SomeCell", bound=Cell)
MadeCell = TypeVar("MadeCell", bound=Cell, covariant=True)


@runtime_checkable
class Task(Protocol[MadeCell]):
    """What is learned and scored in every place of a study."""

    @property
    def command(self) -> str:
        """That makes one of the trainings: `lima finetune`."""
        ...

    @property
    def several(self) -> str:
        """What the trainings are called."""
        ...

    @property
    def learning(self) -> SegmentationConfig | DetectionConfig: ...

    @property
    def longer(self) -> str:
        """Why there may be more steps than epochs of the labelled keyframes, where that is known only later."""
        ...

    def check(self, run: Path) -> None:
        """Raises ValueError or FileNotFoundError for a run that this cannot start from."""
        ...

    def settings(self, training: Training) -> dict[str, Any]:
        """What `config` of its metrics.json says."""
        ...

    def train(self, training: Training, resume: bool, signals: StopSignals) -> Metrics: ...

    def cell(self, metrics: Series[Metrics]) -> MadeCell:
        """From the metrics.json of every seed."""
        ...


@dataclass(frozen=True)
class Study(Generic[SomeCell]):
    """What all trainings came to. metrics: of every seed."""

    starts: tuple[Start, ...]
    columns: tuple[Column, ...]
    seeds: tuple[int, ...]
    out: Path
    cells: Mapping[tuple[str, str], SomeCell]
    metrics: Mapping[tuple[str, str], tuple[Metrics, ...]]

    @property
    def labels(self) -> dict[str, dict[str, Any]]:
        """Of every column, what its list of labels says."""
        return {column.name: self.metrics[self.starts[0].name, column.name][0]["labels"] for column in self.columns}

    def row(self, start: Start) -> list[SomeCell]:
        """Its cells, column by column."""
        return [self.cells[start.name, column.name] for column in self.columns]

    def column(self, column: Column) -> list[SomeCell]:
        """Its cells, start by start."""
        return [self.cells[start.name, column.name] for start in self.starts]

    def trainings(self) -> list[Training]:
        """All of them, seed by seed."""
        return trainings_of(self.starts, self.columns, self.seeds, self.out)

    def results(self) -> dict[str, dict[str, Any]]:
        """Start by column, for `metrics.json`."""
        return {
            start.name: {column.name: self.cells[start.name, column.name].as_dict() for column in self.columns}
            for start in self.starts
        }


def starts_of(runs: Series[str], random: bool) -> list[Start]:
    """The rows: random initialisation of the first run's student first, where it is wanted. Raises ValueError."""
    starts = [Start.parse(run) for run in runs]
    if not starts:
        raise ValueError("no run was named: --runs NAME=FOLDER …")
    return [*([Start(RANDOM, starts[0].folders, random=True)] if random else []), *starts]


def trainings_of(starts: Series[Start], columns: Series[Column], seeds: Series[int], out: Path) -> list[Training]:
    """START/COLUMN/seed-N below `out`, seed by seed."""
    return [
        Training(start, column, seed, start.folder(number), out / start.name / column.name / f"seed-{seed}")
        for number, seed in enumerate(seeds)
        for column in columns
        for start in starts
    ]


def run_study(
    task: Task[SomeCell],
    starts: Series[Start],
    columns: Series[Column],
    seeds: Series[int],
    out: Path,
    say: Callable[[str], None] = print,
) -> Study[SomeCell]:
    """Do what is missing below `out`, seed by seed, and gather everything.

    Finished trainings are taken as they are; an interrupted one goes on. Before the first step it is said how many
    there are. Raises ValueError where whole scenes and single scans would share the table, where a finished one has
    other settings, weights to start from or frames than it would have now, and in one of several processes; Interrupted
    on SIGINT or SIGTERM.
    """
    instead = f"call lima without torchrun, or make each on its own, torchrun … -m {task.command}"
    check_alone(f"studies of {task.several}", instead)
    check_one_rule(column.labels for column in columns)
    names = [start.name for start in starts]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two starts are called {twice[0]}: name them apart, NAME=FOLDER")
    check_each_once("column", (column.name for column in columns))
    check_each_once("seed", seeds)
    for run in dict.fromkeys(folder for start in starts for folder in start.folders):
        task.check(run)  # what is wrong with a run is told before hours of others
    trainings = trainings_of(starts, columns, seeds, out)
    plans = {column: _plan(task.learning, column) for column in columns}
    begin = cache(start_record)  # many trainings start from the same weights, which are large
    done = {
        each: _finished(task, each, plans[each.column], begin(each.run, each.weights))
        for each in trainings
        if each.metrics.exists()
    }
    say(
        f"{len(starts)} starts x {len(columns)} columns x {len(seeds)} seeds = {len(trainings)} {task.several}, "
        f"{len(done)} of them finished"
    )
    if to_go := sum(plans[each.column].steps for each in trainings if each not in done):
        whole = sum(plans[each.column].steps for each in trainings)
        say(f"{to_go} of {whole} steps to go, beside scoring" + (f"; {task.longer}" if task.longer else ""))
    with StopSignals() as signals:
        for count, each in enumerate(trainings, start=1):
            if each in done:
                continue
            say(f"{count} of {len(trainings)}: {each.start.name}, {each.column.name}, seed {each.seed}")
            done[each] = task.train(each, (each.folder / "config.json").exists(), signals)
            shutil.rmtree(each.folder / "checkpoints")
            if signals.received and len(done) < len(trainings):
                name = Signals(signals.received).name
                raise Interrupted(
                    signals.received,
                    f"{name}: stopped with {len(done)} of {len(trainings)} {task.several} finished; the same command "
                    f"goes on",
                )
    metrics: dict[tuple[str, str], tuple[Metrics, ...]] = {}
    for each in trainings:
        place = each.start.name, each.column.name
        metrics[place] = (*metrics.get(place, ()), done[each])
    cells = {place: task.cell(of_seeds) for place, of_seeds in metrics.items()}
    return Study(tuple(starts), tuple(columns), tuple(seeds), out, cells, metrics)


def _plan(learning: SegmentationConfig | DetectionConfig, column: Column) -> Plan:
    """This is also where a fraction that keeps no label is told before hours of others."""
    dataset = open_dataset(column.data, learning.at_gap)
    split = probe_split(dataset, learning)
    labels = LabelList(LabelFraction.parse(column.labels), split.train, dataset.name, learning.train_split)
    steps = Epochs(len(labels), learning.batch, learning.epochs, learning.steps, seed=0).steps
    return Plan(steps, labels.summary(), tokens_of(split.val))


def _finished(task: Task[SomeCell], training: Training, plan: Plan, start: dict[str, str]) -> Metrics:
    metrics = json.loads(training.metrics.read_text())
    changes = settings_changes(metrics["config"], json.loads(json.dumps(task.settings(training))))
    changes += start_changes(metrics, start)
    changes += _frame_changes(metrics, plan)
    if changes:
        raise ValueError(
            f"{training.folder} was made otherwise ({'; '.join(changes)}): choose another folder with --out, or remove "
            f"it"
        )
    return metrics


def _frame_changes(metrics: Metrics, plan: Plan) -> list[str]:
    """How the frames of a training differ from those it would have now, in words."""
    changes, labels = [], metrics["labels"]
    if any(labels[name] != plan.labels[name] for name in ("dataset", "hash")):
        was, now = (f"{each['keyframes']} of {each['dataset']}, list {each['hash']}" for each in (labels, plan.labels))
        changes.append(f"the keyframes learned from were {was}, now {now}")
    if metrics["val"] != plan.val:
        scored, scored_now = (sum(map(len, val.values())) for val in (metrics["val"], plan.val))
        changes.append(f"the {scored} keyframes scored are not the {scored_now} that would be scored now")
    return changes


def percent_of(column: Column) -> float:
    """Of the labels there are."""
    return LabelFraction.parse(column.labels).percent
