"""Corruptions of the sweeps, to look at and to score under."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from lima.config import AtGap


@dataclass(frozen=True)
class Robustness:
    """Score a network under Robo3D's eight corruptions at three severities: mIoU, mRR, mCE, a page and a picture."""

    run_folder: Positional[Path]
    """folder of fine-tuning, or of a probed run"""
    data: Positional[Path]
    """folder of the dataset"""
    out: Path | None = None
    """folder for metrics.json, report.html and sheet.png; goes on where it stopped; RUN/robustness when left out"""
    split: str = "val"
    seeds: tuple[int, ...] = (0,)
    """of the corruptions; more than one gives spreads; published ones have one alone"""
    every: int = 1
    """score every so manieth keyframe of each drive, to save time"""
    published: Path | None = None
    """folder of nuScenes-C or SemanticKITTI-C; without it the corruptions are computed"""
    baseline: str | None = None
    """for mCE: FOLDER that lima robustness has left for another network on the same set, or, with --published,
    minkunet18-nuscenes-c or minkunet18-semantickitti-c"""
    random: bool = False
    """of a probed run: the random initialisation that was probed beside it"""
    at_gap: AtGap = "raise"

    def run(self) -> None:
        from lima.evaluate.corruptions.robustness import measure_robustness

        measure_robustness(
            self.run_folder,
            self.data,
            self.out,
            split=self.split,
            seeds=self.seeds,
            every=self.every,
            published=self.published,
            baseline=self.baseline,
            random=self.random,
            at_gap=self.at_gap,
        )


@dataclass(frozen=True)
class Corruptions:
    """Draw one sweep of a dataset under all eight corruptions at three severities."""

    data: Positional[Path]
    """folder of the dataset"""
    out: Path
    """picture to write, .png or .jpg"""
    split: str | None = None
    """train, val, …; every drive when left out"""
    drive: int = 0
    """number of the drive in the split"""
    keyframe: int | None = None
    """number of the keyframe in the drive; the middle one when left out"""
    seed: int = 0
    at_gap: AtGap = "raise"

    def run(self) -> None:
        from lima.evaluate.corruptions.contact_sheet import draw_corruptions

        draw_corruptions(self.data, self.out, self.split, self.drive, self.keyframe, self.seed, self.at_gap)
