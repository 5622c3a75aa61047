"""`lima detect RUN DATA --labels scene-1in20 --out DIR`: from a pretrained VoxelNet to a detector and its scores."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from lima.config import DetectConfig, DetectionConfig
from lima.datasets import open_dataset
from lima.encoder import read_student_config
from lima.evaluate.detection.detector import Detector, save_detector, student_for_detection
from lima.evaluate.detection.learner import Learner
from lima.evaluate.detection.pictures import detection_picture
from lima.evaluate.detection.scoring import Detections, detect_split, found_in
from lima.evaluate.detection.sweeps import SweepHistory
from lima.evaluate.fractions import LabelFraction, LabelList, tokens_of
from lima.evaluate.probe import ProbeSplit, probe_split
from lima.evaluate.runs import start_record, starting_student
from lima.train.interruption import StopSignals
from lima.train.loop import learn
from lima.train.processes import start_processes
from lima.train.run_folder import LABELS, open_run_folder, package_versions, write_atomically

SUBMISSION = "detections.json"
PICTURES = "pictures"


def detect(
    run: Path,
    data: Path,
    out: Path,
    config: DetectConfig,
    resume: bool = False,
    signals: StopSignals | None = None,
) -> dict[str, Any]:
    """Train a detector on the labels in `data`, from the student of `run`; returns its metrics.json.

    Under torchrun the processes share every step and the scoring; the first one writes.

    run: a folder with student.safetensors and student.json; of these, `start="random"` takes the shape alone. resume:
    go on from the last checkpoint in `out`; on one CPU thread the weights at the end are bit for bit those of a run
    that was never stopped. signals: of a caller who has more to do and has entered them; SIGINT and SIGTERM are noted
    here where there are none.

    `out` then holds the detector (`load_detector`), whose student is also an encoder (`load_encoder`); labels.json, the
    frames that were learned from; detections.json, the boxes of the validation split in nuScenes's format; pictures/,
    some of its keyframes; metrics.json and log.jsonl. Raises FileExistsError for a folder that is not empty without
    `resume`, ValueError for settings that do not fit the run or the data, and Interrupted, after a checkpoint, on
    SIGINT or SIGTERM.
    """
    with start_processes() as processes:
        student_config = read_student_config(run)
        learning = config.learning
        dataset = open_dataset(data, learning.at_gap)
        split = probe_split(dataset, learning)
        labels = LabelList(LabelFraction.parse(config.labels), split.train, dataset.name, learning.train_split)
        detector = start_detector(run, config)
        start = start_record(run, config.start)
        folder = open_run_folder(out, data, config, labels.tokens, resume, start, processes)
        if processes.first:
            write_atomically(out / LABELS, labels.as_json())
        learner = Learner(detector, labels, learning, config.seed, processes)
        learn(learner, folder, "detect", lambda: _announcement(learner, split, config.start), signals=signals)
        if processes.first:
            save_detector(out, detector, student_config)
        started = time.perf_counter()
        found = detect_split(detector, split.val, learning.sweeps, learning.max_age_s, processes)
        if processes.first:
            found.write_submission(out / SUBMISSION)
        scoring_s = time.perf_counter() - started
        metrics = {
            "command": "detect",
            "config": {**asdict(config), "data": str(data.resolve())},
            "results": {"detection": {**found.scores.as_dict(), "annotated": found.annotated}},
            **start,
            "labels": labels.summary(),
            "split": split.how,
            "val": tokens_of(split.val),
            "seconds": {"training": learner.seconds, "detecting": scoring_s},
            "versions": package_versions(),
        }
        if processes.first:
            _draw(detector, split, learning, out / PICTURES)
            write_atomically(out / "metrics.json", json.dumps(metrics, indent=1, allow_nan=False) + "\n")
            print(scores_in_words(found))
        processes.wait_for_all()
        return metrics


def start_detector(run: Path, config: DetectConfig) -> Detector:
    """The student of the run, or a fresh one of its shape, under a fresh head. The seed decides what is fresh.

    Raises ValueError for a run or settings that no detector can be made from.
    """
    network = config.learning.detector
    if network.head == "second" and network.head_channels is not None:
        raise ValueError(
            f"head_channels = {network.head_channels} does nothing with the head second, which works on the map as it "
            f"is: leave it out, or take the head centerpoint"
        )
    student = student_for_detection(starting_student(run, config.start, config.seed))
    torch.manual_seed(config.seed)  # the head is the same whatever the student
    return Detector(student, network)


def _draw(detector: Detector, split: ProbeSplit, config: DetectionConfig, folder: Path) -> None:
    """Pictures of keyframes of the validation split, evenly chosen."""
    places = [(sequence, index) for sequence in split.val for index in range(len(sequence))]
    folder.mkdir(exist_ok=True)
    for number in range(min(config.pictures, len(places))):
        sequence, index = places[(2 * number + 1) * len(places) // (2 * config.pictures)]
        frame, boxes = found_in(detector, SweepHistory(sequence, config.sweeps, config.max_age_s), index)
        detection_picture(frame, boxes).save(folder / f"{sequence.name}-{index:03d}.jpg", quality=88)


def _announcement(learner: Learner, split: ProbeSplit, start: str) -> list[str]:
    config, labels, epochs = learner.config, learner.labels, learner.epochs
    names = labels.summary()["sequences"]
    listed = ", ".join(names[:8]) + (f" … ({len(names)})" if len(names) > 8 else "")
    val = sum(len(sequence) for sequence in split.val)
    done = f", {learner.step} of them done" if learner.step else ""
    balance = f" ({epochs.frames} an epoch, class-balanced)" if config.class_balanced else ""
    weights = sum(parameter.numel() for parameter in learner.detector.parameters())
    lines = [
        f"labels {labels.fraction}: {len(labels)} keyframes of {listed}; list {labels.hash}",
        f"{epochs.done(learner.steps):g} epochs x {len(labels)} keyframes{balance} / batches of {epochs.batch} = "
        f"{learner.steps} steps{done}, from {start} weights; {config.detector.head} head, "
        f"{weights / 1e6:.2f} M parameters; {val} keyframes of {config.val_split} are scored at the end",
        learner.history_words(),
    ]
    if config.ground_truth_sampling:
        lines.append(f"ground-truth sampling from {len(learner.bank)} things of the labelled keyframes")
    return lines


def scores_in_words(found: Detections) -> str:
    """mAP, NDS and the precision of every class that is annotated, on three lines."""
    scores = found.scores
    classes = ", ".join(
        f"{name} {100 * precision:.1f}" for name, precision in scores.class_precisions.items() if found.annotated[name]
    )
    errors = ", ".join(f"{name} {error:.2f}" for name, error in scores.mean_errors.items())
    return f"mAP {100 * scores.mean_precision:.2f} %, NDS {100 * scores.nds:.2f} %\nAP {classes}\nerrors {errors}"
