"""Fine-tuning for semantic segmentation and what is done with the result."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tyro.conf import OmitArgPrefixes, Positional

from lima.config import AtGap, FinetuneConfig, SegmentationConfig

Protocol = Literal["lima", "slidr", "scalr", "superflow"]


@dataclass(frozen=True)
class Finetune:
    """Fine-tune a run's student, or a fresh one, for segmentation on a fraction of the labels, and score it."""

    run_folder: Positional[Path]
    """folder of a pretraining run"""
    data: Positional[Path]
    """folder of the dataset"""
    out: Path
    """folder to leave the fine-tuned network, its scores and the list of its labels in"""
    protocol: Protocol = "lima"
    """the settings to start from; every option below replaces one of them"""
    config: OmitArgPrefixes[FinetuneConfig] = field(default_factory=FinetuneConfig)
    resume: bool = False
    """go on from the last checkpoint in the folder"""

    def run(self) -> None:
        from lima.evaluate.segmentation.finetune import finetune

        finetune(self.run_folder, self.data, self.out, self.config, self.resume, self.protocol)


@dataclass(frozen=True)
class Score:
    """Score a fine-tuned network on a split of any dataset with the same classes: other towns, weather or sensors."""

    folder: Positional[Path]
    """folder that fine-tuning left"""
    data: Positional[Path]
    """folder of the dataset"""
    split: str = "val"
    views: int = 1
    """test-time augmentation: probabilities averaged over so many turned and flipped copies; 1: none"""
    at_gap: AtGap = "raise"
    json: Path | None = None
    """file to write the scores to, with the confusion matrix and every token"""

    def run(self) -> None:
        from lima.evaluate.segmentation.score_command import score_folder

        score_folder(self.folder, self.data, self.split, self.views, self.at_gap, self.json)


@dataclass(frozen=True)
class Predict:
    """Write a fine-tuned network's class of every point in the dataset's own submission format."""

    folder: Positional[Path]
    """folder that fine-tuning left"""
    data: Positional[Path]
    """folder of the dataset"""
    out: Path
    """empty folder to write to: lidarseg/… of nuScenes, sequences/…/predictions of SemanticKITTI and its relatives"""
    split: str = "val"
    views: int = 1
    """test-time augmentation: probabilities averaged over so many turned and flipped copies; 1: none"""
    at_gap: AtGap = "raise"

    def run(self) -> None:
        from lima.evaluate.segmentation.predict import predict_folder

        predict_folder(self.folder, self.data, self.out, self.split, self.views, self.at_gap)


@dataclass(frozen=True)
class Efficiency:
    """Fine-tune runs and random initialisation on several fractions of the labels: a table and curves."""

    data: Positional[Path]
    """folder of the dataset"""
    out: Path
    """folder to leave every fine-tuning, metrics.json, report.html and curves.svg in; goes on where it stopped"""
    runs: tuple[str, ...]
    """NAME=FOLDER each, or NAME=FOLDER,FOLDER,… for a pretraining of each seed"""
    labels: tuple[str, ...] = ("scene-1in100", "scene-1in20", "scene-1in10", "scene-1in4", "all")
    """of the labels; whole scenes (scene-1inN) and single scans (scan-1inN) never together"""
    seeds: tuple[int, ...] = (0, 1, 2)
    no_random: bool = False
    """leave random initialisation out"""
    protocol: Protocol = "lima"
    """the settings to start from; every option below replaces one of them"""
    config: OmitArgPrefixes[SegmentationConfig] = field(default_factory=SegmentationConfig)

    def run(self) -> None:
        from lima.evaluate.segmentation.efficiency import label_efficiency

        label_efficiency(
            self.runs, self.data, self.labels, self.seeds, self.config, self.out, self.protocol, not self.no_random
        )


@dataclass(frozen=True)
class Generalisation:
    """Fine-tune runs and random initialisation on other datasets than pretraining saw: one table."""

    out: Path
    """folder to leave every fine-tuning, metrics.json and report.html in; goes on where it stopped"""
    runs: tuple[str, ...]
    """NAME=FOLDER each, or NAME=FOLDER,FOLDER,… for a pretraining of each seed"""
    data: tuple[str, ...]
    """FOLDER or NAME=FOLDER of every dataset"""
    labels: str | None = None
    """of the labels; the paper's for the dataset when left out"""
    seeds: tuple[int, ...] = (0, 1, 2)
    no_random: bool = False
    """leave random initialisation out"""
    protocol: Protocol = "lima"
    """the settings to start from; every option below replaces one of them"""
    config: OmitArgPrefixes[SegmentationConfig] = field(default_factory=SegmentationConfig)

    def run(self) -> None:
        from lima.evaluate.segmentation.generalisation import domain_generalisation

        domain_generalisation(
            self.runs, self.data, self.labels, self.seeds, self.config, self.out, self.protocol, not self.no_random
        )
