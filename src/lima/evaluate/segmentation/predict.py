"""`lima predict FOLDER DATA --out DIR`: predictions of every point in the dataset's own submission format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from lima.config import AtGap
from lima.datasets import open_dataset
from lima.datasets.submissions import submission_writer
from lima.evaluate.segmentation.scoring import frames_of
from lima.evaluate.segmentation.segmenter import load_segmenter
from lima.train.progress import RunProgress


def predict_folder(
    folder: Path,
    data: Path,
    out: Path,
    split: str = "val",
    views: int = 1,
    at_gap: AtGap = "raise",
    say: Callable[[str], None] = print,
) -> int:
    """Predict every frame of a split with the segmenter in `folder`; returns how many files were written.

    views: test-time augmentation, see `Segmenter.predict`. The files and their formats: `submission_writer`. Raises
    FileExistsError where `out` holds something already: files of two networks would mix.
    """
    segmenter = load_segmenter(folder).to("cuda" if torch.cuda.is_available() else "cpu")
    dataset = open_dataset(data, at_gap)
    sequences = dataset.sequences(split)
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty: choose another folder, or remove it")
    write = submission_writer(dataset, segmenter.class_names, split, out)
    frames = sum(len(sequence) for sequence in sequences)
    say(f"{frames} keyframes of {len(sequences)} drives of {split}, {views} view{'s' * (views > 1)} of each")
    with RunProgress(frames, max(frames // 10, 1), quiet=False, what="predict") as progress:
        for count, frame in enumerate(frames_of(sequences), start=1):
            file = write(frame, segmenter.predict(frame, views))
            progress.count(count)
    say(f"{frames} files like {file}")
    return frames
