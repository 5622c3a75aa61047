"""Detectors that belong into one table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence as Series
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lima.config import DetectConfig, DetectionConfig
from lima.encoder import load_encoder
from lima.evaluate.detection.detect import detect
from lima.evaluate.detection.detector import student_for_detection
from lima.evaluate.scores import json_number, mean, number, spread
from lima.evaluate.study import Metrics, Training
from lima.train.interruption import StopSignals


@dataclass(frozen=True)
class DetectionCell:
    """One start and one column, at the last step, seed by seed.

    In percent: maps, nds, and ap by class, NaN for a class without annotated boxes (which mAP counts as zero). errors:
    the five mean errors by name, in the units that stand in the names. annotated: boxes that were scored, by class.
    """

    maps: tuple[float, ...]
    nds: tuple[float, ...]
    ap: Mapping[str, tuple[float, ...]]
    errors: Mapping[str, tuple[float, ...]]
    annotated: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        """For `metrics.json`."""
        told: dict[str, Any] = {}
        for name, values in (("map", self.maps), ("nds", self.nds)):
            told |= {name: json_number(mean(values)), f"{name}_std": json_number(spread(values))}
        told["seeds"] = [{"map": each, "nds": nds} for each, nds in zip(self.maps, self.nds, strict=True)]
        for name, by in (("ap", self.ap), ("mean_errors", self.errors)):
            told[name] = {key: json_number(mean(values)) for key, values in by.items()}
            told[f"{name}_std"] = {key: json_number(spread(values)) for key, values in by.items()}
        return {**told, "annotated": dict(self.annotated)}


@dataclass(frozen=True)
class Detectors:
    """Training a detector, as the task of a study."""

    learning: DetectionConfig

    command = "lima detect"
    several = "detectors"

    @property
    def longer(self) -> str:
        if not self.learning.class_balanced or self.learning.steps is not None:
            return ""
        return "more than that, because class-balanced epochs are longer (4.4 times on nuScenes): each training says it"

    def check(self, run: Path) -> None:
        student_for_detection(load_encoder(run).student)

    def settings(self, training: Training) -> dict[str, Any]:
        return {**asdict(self._config(training)), "data": str(training.column.data.resolve())}

    def train(self, training: Training, resume: bool, signals: StopSignals) -> Metrics:
        return detect(training.run, training.column.data, training.folder, self._config(training), resume, signals)

    def _config(self, training: Training) -> DetectConfig:
        return DetectConfig(training.column.labels, training.weights, training.seed, self.learning)

    def cell(self, metrics: Series[Metrics]) -> DetectionCell:
        results = [each["results"]["detection"] for each in metrics]
        annotated = results[0]["annotated"]
        return DetectionCell(
            maps=tuple(result["map"] for result in results),
            nds=tuple(result["nds"] for result in results),
            ap={
                name: tuple(number(result["ap"][name]) if annotated[name] else math.nan for result in results)
                for name in annotated
            },
            errors={name: tuple(number(result["mean_errors"][name]) for result in results)
                    for name in results[0]["mean_errors"]},
            annotated=annotated,
        )  # fmt: skip
