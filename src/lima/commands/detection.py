"""Detection."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from lima.config import DetectConfig, DetectionConfig


@dataclass(frozen=True)
class Detect:
    """Train a detector on a run's VoxelNet, or on a fresh one, with a fraction of the labels, and score it."""

    run_folder: Positional[Path]
    """folder of a pretraining run with the student voxelnet"""
    data: Positional[Path]
    """folder of the dataset"""
    out: Path
    """folder to leave the detector, its boxes, scores and the list of its labels in"""
    config: OmitArgPrefixes[DetectConfig] = field(default_factory=DetectConfig)
    resume: bool = False
    """go on from the last checkpoint in the folder"""

    def run(self) -> None:
        from lima.evaluate.detection.detect import detect

        detect(self.run_folder, self.data, self.out, self.config, self.resume)


@dataclass(frozen=True)
class DetectEfficiency:
    """Train detectors from runs and random initialisation on several fractions of the labels: a table and curves."""

    data: Positional[Path]
    """folder of the dataset"""
    out: Path
    """folder to leave every detector, metrics.json, report.html and curves.svg in; goes on where it stopped"""
    runs: tuple[str, ...]
    """NAME=FOLDER each, or NAME=FOLDER,FOLDER,… for a pretraining of each seed"""
    labels: tuple[str, ...] = ("scene-1in20", "scene-1in10", "scene-1in5")
    """of the labels: 5, 10 and 20 %, as in the paper"""
    seeds: tuple[int, ...] = (0, 1, 2)
    no_random: bool = False
    """leave random initialisation out"""
    config: OmitArgPrefixes[DetectionConfig] = field(default_factory=DetectionConfig)

    def run(self) -> None:
        from lima.evaluate.detection.efficiency import detection_efficiency

        detection_efficiency(self.runs, self.data, self.labels, self.seeds, self.config, self.out, not self.no_random)
