"""Scores of a segmenter: every original point of a split, one confusion matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Sequence as Series
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from lima.evaluate.metrics import IGNORED, confusion_matrix, iou_percent, miou_percent
from lima.evaluate.probe_features import labels_of
from lima.evaluate.scores import json_number
from lima.evaluate.segmentation.segmenter import Segmenter
from lima.scene import Frame, Sequence
from lima.train.processes import ALONE, Processes


@dataclass(frozen=True)
class SegmentationScores:
    """Scores in percent. per_class: NaN for a class in neither prediction nor truth. points: labelled ones scored."""

    miou: float
    per_class: dict[str, float]
    points: int

    def as_dict(self) -> dict[str, Any]:
        """For `metrics.json`: null for NaN."""
        return {
            "miou": json_number(self.miou),
            "per_class": {name: json_number(iou) for name, iou in self.per_class.items()},
            "points": self.points,
        }


def frames_of(sequences: Iterable[Sequence], processes: Processes = ALONE) -> Iterator[Frame]:
    """Every frame, read when it is its turn; of several processes, each has its share."""
    places = [(sequence, index) for sequence in sequences for index in range(len(sequence))]
    for number in processes.share(len(places)):
        sequence, index = places[number]
        yield sequence.frame(index)


def score(
    segmenter: Segmenter, frames: Iterable[Frame], views: int = 1, after_frame: Callable[[], None] = lambda: None
) -> Int64[Tensor, "classes classes"]:
    """The confusion matrix over all points of all frames: rows are true classes, columns predicted ones.

    The segmenter predicts in evaluation mode and comes back in the mode it had. views: test-time augmentation
    (`Segmenter.predict`). after_frame: called when a frame is done. Raises ValueError where a frame has no labels.
    """
    was_training = segmenter.training
    segmenter.eval()
    classes = len(segmenter.class_names)
    confusion = torch.zeros(classes, classes, dtype=torch.int64)
    for frame in frames:
        confusion += confusion_matrix(segmenter.predict(frame, views), labels_of(frame), classes)
        after_frame()
    segmenter.train(was_training)
    return confusion


def scores_from_confusion(confusion: Int64[Tensor, "classes classes"], class_names: Series[str]) -> SegmentationScores:
    """IoU of every class and their mean over the classes that occur, from one matrix over a whole split."""
    named = dict(zip(class_names, iou_percent(confusion).tolist(), strict=True))
    del named[class_names[IGNORED]]
    return SegmentationScores(miou_percent(confusion), named, int(confusion.sum()))
