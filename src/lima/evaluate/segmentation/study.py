"""Fine-tunings that belong into one table: starts in rows, datasets or label fractions in columns, several seeds."""

from __future__ import annotations

import json
import math
import shutil
import statistics
from collections.abc import Callable, Mapping
from collections.abc import Sequence as Series
from dataclasses import asdict, dataclass
from pathlib import Path
from signal import Signals
from typing import Any

from lima.config import FinetuneConfig, SegmentationConfig
from lima.encoder import load_encoder
from lima.evaluate.segmentation.finetune import finetune
from lima.evaluate.segmentation.fractions import LabelFraction, check_one_rule
from lima.evaluate.segmentation.scoring import json_number
from lima.train.interruption import Interrupted, StopSignals
from lima.train.processes import check_alone
from lima.train.run_folder import settings_changes

RANDOM = "random"


@dataclass(frozen=True)
class Start:
    """A row: where fine-tuning starts from. Seed number i goes with folder i, beginning anew after the last: several
    pretrainings of one kind make the spread that of pretraining and fine-tuning together."""

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
class Cell:
    """Scores in percent of one start and one column: the last epoch's, and the best one's beside it, of every seed.

    per_class: the last epoch's, mean and sample standard deviation over the seeds that have the class.
    """

    last: tuple[float, ...]
    best: tuple[float, ...]
    per_class: dict[str, tuple[float, float]]

    def as_dict(self) -> dict[str, Any]:
        """For `metrics.json`."""
        return {
            "miou": json_number(mean(self.last)),
            "miou_std": json_number(spread(self.last)),
            "seeds": [json_number(value) for value in self.last],
            "best_epoch_miou": json_number(mean(self.best)),
            "best_epoch_miou_std": json_number(spread(self.best)),
            "per_class": {name: json_number(of_class[0]) for name, of_class in self.per_class.items()},
            "per_class_std": {name: json_number(of_class[1]) for name, of_class in self.per_class.items()},
        }


@dataclass(frozen=True)
class Study:
    """What all cells came to. labels: of every column, what its list of labels says. metrics: of every cell."""

    starts: tuple[Start, ...]
    columns: tuple[Column, ...]
    cells: Mapping[tuple[str, str], Cell]
    labels: Mapping[str, dict[str, Any]]
    metrics: Mapping[tuple[str, str], tuple[dict[str, Any], ...]]

    def results(self) -> dict[str, dict[str, Any]]:
        """Start by column, for `metrics.json`."""
        return {
            start.name: {column.name: self.cells[start.name, column.name].as_dict() for column in self.columns}
            for start in self.starts
        }


def run_study(
    starts: Series[Start],
    columns: Series[Column],
    seeds: Series[int],
    config: SegmentationConfig,
    out: Path,
    protocol: str,
    say: Callable[[str], None] = print,
) -> Study:
    """Fine-tune what is missing below `out` (START/COLUMN/seed-N), seed by seed, and gather everything.

    Finished ones are taken as they are; an interrupted one goes on. Raises ValueError where whole
    scenes and single scans would share the table, where a finished one was made with other settings, and in one of
    several processes; Interrupted on SIGINT or SIGTERM.
    """
    check_alone(
        "lima efficiency and lima generalisation",
        "call them without torchrun, or make each fine-tuning on its own, torchrun … -m lima finetune",
    )
    check_one_rule(column.labels for column in columns)
    twice = {start.name for start in starts if [other.name for other in starts].count(start.name) > 1}
    if twice:
        raise ValueError(f"two starts are called {sorted(twice)[0]}: name them apart, NAME=FOLDER")
    for start in starts:
        for folder in start.folders:
            load_encoder(folder)  # what is wrong with a run is told before hours of others
    places = [
        (start, column, number, seed) for number, seed in enumerate(seeds) for column in columns for start in starts
    ]
    finished = sum(_file(out, *place).exists() for place in places)
    say(
        f"{len(starts)} starts x {len(columns)} columns x {len(seeds)} seeds = {len(places)} fine-tunings, {finished} "
        f"of them finished"
    )
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    with StopSignals() as signals:
        for count, (start, column, number, seed) in enumerate(places, start=1):
            file, run = _file(out, start, column, number, seed), start.folder(number)
            wanted = FinetuneConfig(column.labels, "random" if start.random else "pretrained", seed, config)
            if file.exists():
                metrics = _finished(file, wanted, run, column, protocol)
            else:
                say(f"{count} of {len(places)}: {start.name}, {column.name}, seed {seed}")
                resume = (file.parent / "config.json").exists()
                metrics = finetune(run, column.data, file.parent, wanted, resume, protocol, signals)
                shutil.rmtree(file.parent / "checkpoints")
            found.setdefault((start.name, column.name), []).append(metrics)
            if signals.received and count < len(places):
                name = Signals(signals.received).name
                raise Interrupted(
                    signals.received,
                    f"{name}: stopped after {count} of {len(places)} fine-tunings; the same command goes on",
                )
    return Study(
        tuple(starts),
        tuple(columns),
        {place: cell_of(metrics) for place, metrics in found.items()},
        {column.name: found[starts[0].name, column.name][0]["labels"] for column in columns},
        {place: tuple(metrics) for place, metrics in found.items()},
    )


def _file(out: Path, start: Start, column: Column, number: int, seed: int) -> Path:
    return out / start.name / column.name / f"seed-{seed}" / "metrics.json"


def _finished(file: Path, wanted: FinetuneConfig, run: Path, column: Column, protocol: str) -> dict[str, Any]:
    metrics = json.loads(file.read_text())
    asked = {**asdict(wanted), "data": str(column.data.resolve()), "protocol": protocol}
    changes = settings_changes(metrics["config"], json.loads(json.dumps(asked)))
    if metrics["started_from"] != str(run.resolve()):
        changes.append(f"it started from {metrics['started_from']}, now from {run.resolve()}")
    if changes:
        raise ValueError(
            f"{file.parent} was made with other settings ({'; '.join(changes)}): choose another folder with --out, or "
            f"remove it"
        )
    return metrics


def cell_of(metrics: Series[dict[str, Any]]) -> Cell:
    """From the metrics.json of every seed."""
    results = [each["results"]["segmentation"] for each in metrics]
    classes = list(results[0]["last"]["per_class"])
    values = {name: [_number(result["last"]["per_class"][name]) for result in results] for name in classes}
    return Cell(
        tuple(_number(result["last"]["miou"]) for result in results),
        tuple(_number(result["best"]["miou"]) for result in results),
        {name: (mean(of_class), spread(of_class)) for name, of_class in values.items()},
    )


def mean(values: Series[float]) -> float:
    """Of those that are there; NaN where none is."""
    there = [value for value in values if not math.isnan(value)]
    return statistics.fmean(there) if there else math.nan


def spread(values: Series[float]) -> float:
    """The sample standard deviation of those that are there; NaN for fewer than two."""
    there = [value for value in values if not math.isnan(value)]
    return statistics.stdev(there) if len(there) > 1 else math.nan


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def percent_of(column: Column) -> float:
    """Of the labels there are."""
    return LabelFraction.parse(column.labels).percent
