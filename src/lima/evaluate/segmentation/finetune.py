"""`lima finetune RUN DATA --labels scene-1in100 --out DIR`: from a pretrained student to a segmenter and its scores."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from lima.config import FinetuneConfig
from lima.datasets import open_dataset
from lima.datasets.progress import CountLines
from lima.encoder import read_student_config
from lima.evaluate.fractions import LabelFraction, LabelList, tokens_of
from lima.evaluate.probe import ProbeSplit, probe_split
from lima.evaluate.runs import start_record, starting_student
from lima.evaluate.segmentation.learner import Learner
from lima.evaluate.segmentation.scoring import frames_of, score, scores_from_confusion
from lima.evaluate.segmentation.segmenter import Segmenter, save_segmenter
from lima.scene import Dataset
from lima.train.interruption import StopSignals
from lima.train.loop import Say, learn
from lima.train.processes import start_processes
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

    Under torchrun the processes share every step and the scoring; the first one writes.

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
        dataset = open_dataset(data, config.learning.at_gap)
        split = probe_split(dataset, config.learning)
        labels = LabelList(LabelFraction.parse(config.labels), split.train, dataset.name, config.learning.train_split)
        student_config = read_student_config(run)
        segmenter = start_segmenter(run, dataset, config)
        start = start_record(run, config.start)
        folder = open_run_folder(out, data, config, labels.tokens, resume, start, processes)
        if processes.first:
            write_atomically(out / LABELS, labels.as_json())
        learner = Learner(segmenter, labels, config.learning, config.seed, processes)
        results = _learn_and_score(learner, split, folder, config.start, signals)
        about = {
            "protocol": protocol,
            **start,
            "dataset": dataset.name,
            "labels": labels.summary(),
            "seed": config.seed,
        }
        metrics = {
            "command": "finetune",
            "config": {**asdict(config), "data": str(data.resolve()), "protocol": protocol},
            "results": {"segmentation": results},
            **start,
            "labels": labels.summary(),
            "split": split.how,
            "val": tokens_of(split.val),
            "versions": package_versions(),
        }
        if processes.first:
            save_segmenter(out, segmenter, student_config, about)
            write_atomically(out / "metrics.json", json.dumps(metrics, indent=1, allow_nan=False) + "\n")
        processes.wait_for_all()
        return metrics


def start_segmenter(run: Path, dataset: Dataset, config: FinetuneConfig) -> Segmenter:
    """The student of the run, or a fresh one of its shape, with a fresh head. The seed decides what is fresh."""
    student = starting_student(run, config.start, config.seed)
    torch.manual_seed(config.seed)  # the head is the same whatever the student
    return Segmenter(student, dataset.class_names, config.learning.head)


def _learn_and_score(
    learner: Learner, split: ProbeSplit, folder: RunFolder, start: str, signals: StopSignals | None
) -> dict[str, Any]:
    """All steps, and the scores in between and at the end."""
    config = learner.config
    scoring_steps = steps_to_score(learner.steps, config.scorings)

    def score_now_and_then(say: Say) -> dict[str, Any] | None:
        if learner.step not in scoring_steps:
            return None
        learner.scored.append(_scored(learner, split, say))
        return {"step": learner.step, "epoch": learner.epoch, "scores": learner.scored[-1]}

    learn(learner, folder, "finetune", lambda: _announcement(learner, split, start), score_now_and_then, signals)
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


def _scored(learner: Learner, split: ProbeSplit, say: Say) -> dict[str, Any]:
    started = time.perf_counter()
    frames = learner.processes.share(sum(len(sequence) for sequence in split.val))
    progress = CountLines("scoring", len(frames), "keyframes", say)
    own = score(learner.segmenter, frames_of(split.val, learner.processes), learner.config.views, progress.advance)
    scores = scores_from_confusion(learner.processes.total(own), learner.segmenter.class_names)
    say(
        f"epoch {learner.epoch:.1f}: {scores.miou:.2f} % mIoU on {scores.points} points ("
        f"{time.perf_counter() - started:.0f} s)"
    )
    return {"step": learner.step, "epoch": learner.epoch, **scores.as_dict()}


def _announcement(learner: Learner, split: ProbeSplit, start: str) -> list[str]:
    config, labels, epochs = learner.config, learner.labels, learner.epochs
    summary = labels.summary()
    names = summary["sequences"]
    listed = ", ".join(names[:8]) + (f" … ({len(names)})" if len(names) > 8 else "")
    val = sum(len(sequence) for sequence in split.val)
    done = f", {learner.step} of them done" if learner.step else ""
    return [
        f"labels {labels.fraction}: {len(labels)} keyframes of {listed}; list {labels.hash}",
        f"{epochs.done(learner.steps):g} epochs x {len(labels)} keyframes / batches of {epochs.batch} = "
        f"{learner.steps} steps{done}, from {start} weights; {config.scorings} x {val} keyframes of "
        f"{config.val_split} are scored" + (f", each in {config.views} views" if config.views > 1 else ""),
    ]
