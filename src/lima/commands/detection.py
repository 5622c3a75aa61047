"""Detection."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from lima.config import DetectConfig


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
