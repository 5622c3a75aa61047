"""Fine-tunings that belong into one table."""

from __future__ import annotations

from collections.abc import Sequence as Series
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lima.config import FinetuneConfig, SegmentationConfig
from lima.encoder import load_encoder
from lima.evaluate.scores import json_number, mean, number, spread
from lima.evaluate.segmentation.finetune import finetune
from lima.evaluate.study import Metrics, Training
from lima.train.interruption import StopSignals


@dataclass(frozen=True)
class SegmentationCell:
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
class Finetunings:
    """Fine-tuning for semantic segmentation, as the task of a study. protocol: whose settings these are."""

    learning: SegmentationConfig
    protocol: str

    command = "lima finetune"
    several = "fine-tunings"
    longer = ""

    def check(self, run: Path) -> None:
        load_encoder(run)

    def settings(self, training: Training) -> dict[str, Any]:
        config = asdict(self._config(training))
        return {**config, "data": str(training.column.data.resolve()), "protocol": self.protocol}

    def train(self, training: Training, resume: bool, signals: StopSignals) -> Metrics:
        config = self._config(training)
        return finetune(training.run, training.column.data, training.folder, config, resume, self.protocol, signals)

    def _config(self, training: Training) -> FinetuneConfig:
        return FinetuneConfig(training.column.labels, training.weights, training.seed, self.learning)

    def cell(self, metrics: Series[Metrics]) -> SegmentationCell:
        results = [each["results"]["segmentation"] for each in metrics]
        classes = list(results[0]["last"]["per_class"])
        values = {name: [number(result["last"]["per_class"][name]) for result in results] for name in classes}
        return SegmentationCell(
            tuple(number(result["last"]["miou"]) for result in results),
            tuple(number(result["best"]["miou"]) for result in results),
            {name: (mean(of_class), spread(of_class)) for name, of_class in values.items()},
        )
