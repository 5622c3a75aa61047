"""All that a dataset holds, read once and counted: whether it can be read at all, and whether nothing is left out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lima.datasets import open_dataset


@dataclass(frozen=True)
class Contents:
    """How much there is, over all frames. labels: points with a label. boxes: of all frames together."""

    frames: int = 0
    points: int = 0
    images: int = 0
    labels: int = 0
    boxes: int = 0


def read_everything(root: Path) -> Contents:
    """Everything of every frame; images must be as large, labels and points as many as is said."""
    frames = points = images = labels = boxes = 0
    for sequence in open_dataset(root).sequences():
        for index in range(len(sequence)):
            frame = sequence.frame(index)
            frames += 1
            here = len(frame.sweep.points_lidar)
            assert here > 0
            points += here
            for image in frame.images:
                assert image.read_pixels().shape[1:] == (image.camera.height_px, image.camera.width_px)
                images += 1
            if frame.read_labels is not None:
                assert len(frame.read_labels()) == here
                labels += here
            if frame.read_boxes is not None:
                boxes += len(frame.read_boxes())
    return Contents(frames, points, images, labels, boxes)
