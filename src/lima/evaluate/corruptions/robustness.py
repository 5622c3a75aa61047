"""`lima robustness RUN DATA`: what eight corruptions at three severities cost a segmenter, as Robo3D counts it.

Every corruption, severity and seed has one confusion matrix over the whole split, kept in a file of its own, so that
an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Series
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from lima.config import AtGap
from lima.datasets import open_dataset
from lima.evaluate.corruptions.contact_sheet import computed, contact_sheet
from lima.evaluate.corruptions.corrupted import SEVERITIES, KnownClasses, Severity, generator_for
from lima.evaluate.corruptions.every import CORRUPTIONS, UNSEEDED, corrupt
from lima.evaluate.corruptions.incomplete_echo import check_vehicles
from lima.evaluate.corruptions.published import PublishedSet, published_set
from lima.evaluate.corruptions.robo3d import METRICS_FILE, named_baseline
from lima.evaluate.corruptions.robustness_report import RobustnessScores, report_page, table_lines
from lima.evaluate.corruptions.scored_network import ScoredNetwork, scored_network
from lima.evaluate.probe_features import labels_of
from lima.evaluate.scores import check_each_once
from lima.evaluate.segmentation.scoring import score
from lima.scene import Frame, Sequence
from lima.train.progress import duration
from lima.train.run_folder import package_versions, settings_changes, write_atomically

CLEAN = "clean"


@dataclass(frozen=True)
class Cell:
    """One confusion matrix to be made: a corruption at a severity with a seed."""

    corruption: str
    severity: Severity
    seed: int

    @property
    def file(self) -> str:
        return f"{self.corruption}-{self.severity}-{self.seed}.json"


def measure_robustness(
    run: Path,
    data: Path,
    out: Path | None = None,
    *,
    split: str = "val",
    seeds: tuple[int, ...] = (0,),
    every: int = 1,
    published: Path | None = None,
    baseline: str | None = None,
    random: bool = False,
    at_gap: AtGap = "raise",
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Score the segmenter in `run` on the clean split and on all corruptions of it; returns what metrics.json holds.

    run: a fine-tuned folder, or a probed run. out: folder for cells/, metrics.json, report.html and sheet.png; below
    `run` when left out. every: only every so manieth keyframe of each drive. published: folder of nuScenes-C or
    SemanticKITTI-C, whose files are read instead of computing the corruptions. baseline: see `named_baseline`. random:
    of a probed run the random initialisation that was probed beside it.

    Raises ValueError where the baseline was measured on another corrupted set, `out` holds other cells, or a corruption
    that is to be computed lacks the classes it strikes.
    """
    _check(seeds, every, published)
    reference = None if baseline is None else named_baseline(baseline)
    dataset = open_dataset(data, at_gap)
    network = scored_network(run, dataset, random)
    if published is None:
        check_vehicles(dataset.class_names)
    sequences = dataset.sequences(split)
    files = None if published is None else published_set(published, dataset)
    tokens = {sequence.name: list(sequence.tokens)[::every] for sequence in sequences}
    name = set_name(dataset.name, dataset.class_names, split, seeds, tokens, files)
    if reference is not None:
        reference.check_set(name)

    folder = out or run / f"robustness{'-random' * random}{'-published' * (files is not None)}"
    config = {
        "run": str(run.resolve()), "network": network.name, "weights": network.digest, "data": str(data.resolve()),
        "set": name, "split": split, "seeds": list(seeds), "every": every,
        "published": None if published is None else str(published.resolve()),
    }  # fmt: skip
    _begin(folder, config)
    cells = Cells(folder / "cells", network, sequences, every, files, say)
    scores = cells.scores(seeds)
    metrics = {
        "command": "robustness",
        "config": config,
        "results": {"robustness": {"name": network.name, "set": name, **scores.as_dict(reference)}},
        "segmenter": network.about,
        "scored": tokens,
        "versions": package_versions(),
    }
    frame = _middle(sequences, every)
    as_scored = computed(frame, dataset.class_names, seeds[0]) if files is None else partial(files.drawn, frame)
    sheet = contact_sheet(frame.sweep, as_scored)
    sheet.save(folder / "sheet.png")
    write_atomically(folder / "report.html", report_page(network.name, name, scores, reference, sheet))
    write_atomically(folder / METRICS_FILE, json.dumps(metrics, indent=1, allow_nan=False) + "\n")
    say("\n".join(table_lines(scores, reference)))
    say(f"wrote {folder}/metrics.json, report.html and sheet.png")
    return metrics


def set_name(
    dataset: str,
    class_names: Series[str],
    split: str,
    seeds: Series[int],
    tokens: dict[str, list[str]],
    published: PublishedSet | None,
) -> str:
    """What a baseline must have been measured on too: the published set, or the very frames, classes and seeds.

    A published set in part (another split, every n-th frame) is another set than the published figures are of.
    """
    count = sum(map(len, tokens.values()))
    keyframes = f"{split}, {count} keyframes {_code(tokens)}"
    if published is not None:
        return published.name if count >= published.frames else f"a part of {published.name} ({keyframes})"
    classes = f"{len(class_names) - 1} classes {_code(class_names)}"
    return f"corruptions computed from {dataset} ({keyframes}, {classes}, seeds {', '.join(map(str, seeds))})"


def _code(names: Series[str] | dict[str, list[str]]) -> str:
    """Short, and another one for other names."""
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()[:12]


@dataclass(frozen=True, eq=False)
class Cells:
    """The confusion matrices of one network on one split, each made once and kept in a file."""

    folder: Path
    network: ScoredNetwork
    sequences: list[Sequence]
    every: int
    published: PublishedSet | None
    say: Callable[[str], None]

    def scores(self, seeds: Series[int]) -> RobustnessScores:
        """Every matrix, from its file or made now. Says beforehand what is to be done and how long it takes."""
        cells = [Cell(name, severity, seed) for name in CORRUPTIONS for severity in SEVERITIES for seed in seeds]
        own = [cell for cell in cells if self._own(cell, seeds[0]) == cell]
        missing = [cell for cell in own if not (self.folder / cell.file).is_file()]
        self.folder.mkdir(parents=True, exist_ok=True)
        frames = sum(1 for _ in self._positions())
        self.say(
            f"{self.network.name}: {frames} keyframes, clean and {len(own)} times corrupted, "
            f"{len(own) - len(missing)} of these done before"
        )
        started = time.perf_counter()
        clean = self._made(CLEAN + ".json", self._clean_frames)
        each_s = time.perf_counter() - started
        if missing and each_s > 1:
            self.say(f"clean took {duration(each_s)}: about {duration(each_s * len(missing))} for the others")
        matrices = {}
        for cell in own:
            started = time.perf_counter()
            matrices[cell] = self._made(cell.file, partial(self._frames, cell))
            if cell in missing:
                done = f"{cell.corruption}, {cell.severity}, seed {cell.seed}"
                self.say(f"{done}: {duration(time.perf_counter() - started)}")
        return RobustnessScores(
            self.network.segmenter.class_names,
            clean,
            {
                name: {
                    severity: [matrices[self._own(Cell(name, severity, seed), seeds[0])] for seed in seeds]
                    for severity in SEVERITIES
                }
                for name in CORRUPTIONS
            },
        )

    def _own(self, cell: Cell, first_seed: int) -> Cell:
        """The cell whose matrix this one shares: nothing is drawn for some corruptions, so the first seed's is all."""
        return replace(cell, seed=first_seed) if cell.corruption in UNSEEDED else cell

    def _made(self, name: str, frames: Callable[[], Iterator[Frame]]) -> Int64[Tensor, "classes classes"]:
        file = self.folder / name
        if not file.is_file():
            confusion = score(self.network.segmenter, frames())
            write_atomically(file, json.dumps({"confusion": confusion.tolist()}) + "\n")
        return torch.tensor(json.loads(file.read_text())["confusion"], dtype=torch.int64)

    def _positions(self) -> Iterator[tuple[Sequence, int]]:
        for sequence in self.sequences:
            for index in range(0, len(sequence), self.every):
                yield sequence, index

    def _clean_frames(self) -> Iterator[Frame]:
        for sequence, index in self._positions():
            yield sequence.frame(index)

    def _frames(self, cell: Cell) -> Iterator[Frame]:
        for clean in self._clean_frames():
            if self.published is not None:
                yield self.published.frame(clean, cell.corruption, cell.severity)
            else:
                yield corrupted_frame(clean, self.network.segmenter.class_names, cell)


def corrupted_frame(clean: Frame, class_names: tuple[str, ...], cell: Cell) -> Frame:
    """The frame with a corrupted sweep and the labels that still hold, the same whatever came before."""
    labels = labels_of(clean)
    generator = generator_for(cell.seed, cell.corruption, cell.severity, clean.token)
    known = KnownClasses(labels, class_names)
    found = corrupt(cell.corruption, clean.sweep, known, cell.severity, generator)
    return replace(clean, sweep=found.sweep, read_labels=lambda: found.labels(labels))


def _check(seeds: tuple[int, ...], every: int, published: Path | None) -> None:
    """Raises ValueError for what would score nothing, or the same twice."""
    if every < 1:
        raise ValueError(f"every must be 1 or more, got {every}: every 4 scores each drive's keyframes 0, 4, 8, …")
    if not seeds:
        raise ValueError("no seed was given: --seeds takes one or more, and is 0 when left out")
    check_each_once("seed", seeds)
    if published is not None and len(seeds) > 1:
        raise ValueError(
            f"the files in {published} were drawn once, so seeds {list(seeds)} would be one and the same: leave seeds "
            f"(--seeds) out"
        )


def _begin(folder: Path, config: dict[str, Any]) -> None:
    """Raises ValueError where the folder holds cells of something else."""
    file = folder / "config.json"
    if file.is_file():
        found = json.loads(file.read_text())
        if changes := settings_changes(found, config):
            words = f"{folder} holds scores made otherwise ({'; '.join(changes)}): choose another folder (--out)"
            raise ValueError(words)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(file, json.dumps(config, indent=1) + "\n")


def _middle(sequences: Series[Sequence], every: int) -> Frame:
    """Of the first drive, among the frames that are scored."""
    scored = range(0, len(sequences[0]), every)
    return sequences[0].frame(scored[len(scored) // 2])
