"""`lima score FOLDER DATA`: what was fine-tuned, scored on a split of any dataset that has the same classes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from lima.config import AtGap
from lima.datasets import open_dataset
from lima.datasets.progress import CountProgress
from lima.evaluate.fractions import tokens_of
from lima.evaluate.scores import plus_minus
from lima.evaluate.segmentation.scoring import frames_of, score, scores_from_confusion
from lima.evaluate.segmentation.segmenter import load_segmenter, read_description
from lima.scene import Dataset
from lima.train.run_folder import package_versions, write_atomically


def check_classes(names: tuple[str, ...], dataset: Dataset, folder: Path) -> None:
    """Raises ValueError where a segmenter knows other classes than the dataset."""
    if names != dataset.class_names:
        raise ValueError(
            f"{folder} was fine-tuned for the classes {', '.join(names[1:])}; {dataset.name} has "
            f"{', '.join(dataset.class_names[1:])}: fine-tune on a dataset of the same classes"
        )


def _make_room_for(file: Path) -> None:
    if file.is_dir():
        raise IsADirectoryError(f"{file} is a folder, a file for the scores was expected, like {file / 'scores.json'}")
    file.parent.mkdir(parents=True, exist_ok=True)


def score_folder(
    folder: Path,
    data: Path,
    split: str = "val",
    views: int = 1,
    at_gap: AtGap = "raise",
    json_file: Path | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Score the segmenter in `folder` on all points of a split; prints every class, returns what `json_file` holds.

    views: test-time augmentation, see `Segmenter.predict`. Raises IsADirectoryError where `json_file` is a folder.
    """
    segmenter = load_segmenter(folder)
    dataset = open_dataset(data, at_gap)
    check_classes(segmenter.class_names, dataset, folder)
    sequences = dataset.sequences(split)
    frames = sum(len(sequence) for sequence in sequences)
    if json_file is not None:  # now, and not when everything has been scored
        _make_room_for(json_file)
    say(f"{frames} keyframes of {len(sequences)} drives of {split}, {views} view{'s' * (views > 1)} of each")
    segmenter.to("cuda" if torch.cuda.is_available() else "cpu")
    with CountProgress("scoring", frames, "keyframes") as progress:
        confusion = score(segmenter, frames_of(sequences), views, progress.advance)
    scores = scores_from_confusion(confusion, segmenter.class_names)
    for name, iou in scores.per_class.items():
        say(f"{name:>22}  {plus_minus(iou, None, 2)}")
    say(f"{'mIoU':>22}  {scores.miou:.2f} % of {scores.points} points")
    metrics = {
        "command": "score",
        "config": {"folder": str(folder.resolve()), "data": str(data.resolve()), "split": split, "views": views},
        "results": {"segmentation": scores.as_dict()},
        "confusion": confusion.tolist(),
        "segmenter": read_description(folder),
        "scored": tokens_of(sequences),
        "versions": package_versions(),
    }
    if json_file is not None:
        write_atomically(json_file, json.dumps(metrics, indent=1, allow_nan=False) + "\n")
    return metrics
