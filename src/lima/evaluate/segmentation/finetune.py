"""`lima finetune RUN DATA --labels scene-1in100 --out DIR`: from a pretrained student to a segmenter and its scores."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from lima.config import FinetuneConfig
from lima.datasets import open_dataset
from lima.encoder import load_encoder, read_student_config
from lima.evaluate.probe import ProbeSplit, probe_split
from lima.evaluate.segmentation.fractions import LabelFraction, LabelList
from lima.evaluate.segmentation.learner import Learner
from lima.evaluate.segmentation.scoring import frames_of, score, scores_from_confusion
from lima.evaluate.segmentation.segmenter import Segmenter, save_segmenter
from lima.scene import Dataset
from lima.students.student import Student, build_student
from lima.train.checkpoint import read_last_checkpoint, write_checkpoint
from lima.train.interruption import Interrupted, StopSignals
from lima.train.log import Log
from lima.train.processes import Processes, start_processes
from lima.train.progress import RunProgress
from lima.train.run_folder import LABELS, RunFolder, open_run_folder, package_versions, write_atomically


def finetune(
    run: Path,
    data: Path,
    out: Path,
    config: FinetuneConfig,
    resume: bool = False,
    protocol: str = "lima",
    signals: StopSignals | None = None,
) -> dict[str, Any]:
    """Fine-tune the student of `run` on the labels in `data`; leaves the folder `out` and returns its metrics.json.

    run: a folder with student.safetensors and student.json; of these, `start="random"` takes the shape alone.
    protocol: the name of the recipe that the settings came from. resume: go on from the last checkpoint in `out`; on
    one CPU thread the weights at the end are bit for bit those of a run that was never stopped. signals: of a caller
    who has more to do and has entered them; SIGINT and SIGTERM are noted here where there are none.

    `out` then holds the segmenter (`load_segmenter`), whose student is also an encoder (`load_encoder`); labels.json,
    the frames that were learned from; metrics.json and log.jsonl. Raises FileExistsError for a folder that is not empty
    without `resume`, ValueError for settings that do not fit the data, and Interrupted, after a checkpoint, on SIGINT
    or SIGTERM.
    """
    with start_processes() as processes:
        if processes.world_size > 1:
            raise ValueError(
                f"fine-tuning runs in one process, {processes.world_size} were started: call lima finetune without "
                f"torchrun; several fractions or seeds can run side by side on a GPU each"
            )
        dataset = open_dataset(data, config.learning.at_gap)
        split = probe_split(dataset, config.learning)
        labels = LabelList(LabelFraction.parse(config.labels), split.train, dataset.name, config.learning.train_split)
        student_config = read_student_config(run)
        folder = open_run_folder(out, data, config, labels.tokens, resume, started_from=run)
        write_atomically(out / LABELS, labels.as_json())
        segmenter = start_segmenter(run, dataset, config)
        learner = Learner(segmenter, labels, config.learning, config.seed, processes.device)
        results = _learn(learner, split, folder, processes, config.start, signals)
        about = {
            "protocol": protocol,
            "start": config.start,
            "started_from": str(run.resolve()),
            "dataset": dataset.name,
            "labels": labels.summary(),
            "seed": config.seed,
        }
        save_segmenter(out, segmenter, student_config, about)
        metrics = {
            "command": "finetune",
            "config": {**asdict(config), "data": str(data.resolve()), "protocol": protocol},
            "results": {"segmentation": results},
            **{name: about[name] for name in ("start", "started_from", "labels")},
            "split": split.how,
            "val": {sequence.name: list(sequence.tokens) for sequence in split.val},
            "versions": package_versions(),
        }
        write_atomically(out / "metrics.json", json.dumps(metrics, indent=1, allow_nan=False) + "\n")
        return metrics


def start_segmenter(run: Path, dataset: Dataset, config: FinetuneConfig) -> Segmenter:
    """The student of the run, or a fresh one of its shape, with a fresh head. The seed decides what is fresh."""
    torch.manual_seed(config.seed)
    student: Student = build_student(read_student_config(run))
    if config.start == "pretrained":
        student.load_state_dict(load_encoder(run).student.state_dict())
    torch.manual_seed(config.seed)  # the head is the same whatever the student
    return Segmenter(student, dataset.class_names, config.learning.head)


def _learn(
    learner: Learner,
    split: ProbeSplit,
    folder: RunFolder,
    processes: Processes,
    start: str,
    noted: StopSignals | None,
) -> dict[str, Any]:
    """The loop: from the last checkpoint in the folder, or from the beginning, to the end; returns the scores."""
    config = learner.config
    progress = RunProgress(learner.steps, config.log_every_steps, quiet=not processes.first, what="finetune")
    if (found := read_last_checkpoint(folder.checkpoints, range(0), processes, progress.say)) is not None:
        learner.load(found)
    for line in _announcement(learner, split, start):
        progress.say(line)
    scoring_steps = steps_to_score(learner.steps, config.scorings)
    with nullcontext(noted) if noted else StopSignals() as signals, progress, Log(folder.log, learner.step) as log:
        progress.start(learner.step)
        while learner.step < learner.steps:
            started = time.perf_counter()
            report = learner.train_step()
            progress.step(learner.step, report["loss"]["total"], report["learning_rate"])
            if learner.step % config.log_every_steps == 0 or learner.step == learner.steps:
                log.write({**report, "seconds": time.perf_counter() - started})
            if learner.step in scoring_steps:
                learner.scored.append(_scored(learner, split, progress.say))
                log.write({"step": learner.step, "epoch": learner.epoch, "scores": learner.scored[-1]})
            last = learner.step == learner.steps
            stop = signals.received > 0 and not last
            if stop or last or learner.step % config.checkpoint_every_steps == 0:
                write_checkpoint(folder.checkpoints, learner.checkpoint(), processes)
            if stop:
                raise Interrupted.after(signals.received, learner.step, learner.steps)
    learner.segmenter.eval()
    best = max(learner.scored, key=lambda scores: -1.0 if scores["miou"] is None else scores["miou"])
    return {
        "last": learner.scored[-1],
        "best": best,
        "scored": [{name: scores[name] for name in ("step", "epoch", "miou")} for scores in learner.scored],
        "views": config.views,
    }


def steps_to_score(steps: int, scorings: int) -> set[int]:
    """After which steps the validation split is scored: evenly, the last one included. Raises ValueError for none."""
    if scorings < 1:
        raise ValueError(f"the validation split is scored at least once, at the end; got scorings = {scorings}")
    return {max(1, round(steps * number / scorings)) for number in range(1, scorings + 1)}


def _scored(learner: Learner, split: ProbeSplit, say: Callable[[str], None]) -> dict[str, Any]:
    started = time.perf_counter()
    confusion = score(learner.segmenter, frames_of(split.val), learner.config.views)
    scores = scores_from_confusion(confusion, learner.segmenter.class_names)
    say(
        f"epoch {learner.epoch:.1f}: {scores.miou:.2f} % mIoU on {scores.points} points ("
        f"{time.perf_counter() - started:.0f} s)"
    )
    return {"step": learner.step, "epoch": learner.epoch, **scores.as_dict()}


def _announcement(learner: Learner, split: ProbeSplit, start: str) -> list[str]:
    config, labels = learner.config, learner.labels
    summary = labels.summary()
    names = summary["sequences"]
    listed = ", ".join(names[:8]) + (f" … ({len(names)})" if len(names) > 8 else "")
    val = sum(len(sequence) for sequence in split.val)
    done = f", {learner.step} of them done" if learner.step else ""
    return [
        f"labels {labels.fraction}: {len(labels)} keyframes of {listed}; list {labels.hash}",
        f"{learner.epochs:g} epochs x {len(labels)} keyframes / batches of {learner.batch} = {learner.steps} "
        f"steps{done}, from {start} weights; {config.scorings} x {val} keyframes of {config.val_split} are "
        f"scored" + (f", each in {config.views} views" if config.views > 1 else ""),
    ]
