"""SemanticKITTI's intersection over union as its evaluation defines it, written down anew.

One matrix over the whole split, predictions in rows and truth in columns; columns of the ignored classes are cleared
(their points are in nobody's way); of every class hits / (hits + false alarms + misses), with a tiny number in the
denominator against 0 / 0; the mean over all classes that are not ignored.
"""

from __future__ import annotations

import numpy as np


class KittiIoU:
    """Counts point by point."""

    def __init__(self, classes: int, ignored: tuple[int, ...]) -> None:
        self.matrix = np.zeros((classes, classes), dtype=np.int64)
        self.ignored = ignored

    def add(self, predicted: np.ndarray, truth: np.ndarray) -> None:
        for ours, theirs in zip(predicted.tolist(), truth.tolist(), strict=True):
            self.matrix[ours, theirs] += 1

    def mean_and_classes(self) -> tuple[float, list[float]]:
        matrix = self.matrix.copy()
        matrix[:, list(self.ignored)] = 0
        hits = np.diag(matrix)
        alarms = matrix.sum(axis=1) - hits
        misses = matrix.sum(axis=0) - hits
        classes = hits / (hits + alarms + misses + 1e-15)
        included = [label for label in range(len(matrix)) if label not in self.ignored]
        return float(np.mean(classes[included])), classes.tolist()
