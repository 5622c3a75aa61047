"""Pretraining, and the teacher's features that it reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tyro.conf import OmitArgPrefixes, Positional

from lima.config import AtGap, PretrainConfig, SkipBad, TeacherConfig, default_cache_folder

Recipe = Literal["lima", "scalr", "lima_vit_s", "lima_vit_b", "lima_vit_l", "demo", "demo_small"]


@dataclass(frozen=True)
class Features:
    """Compute the teacher's features of every keyframe once, into a cache that pretraining reads."""

    data: Positional[Path]
    """folder of the dataset"""
    config: OmitArgPrefixes[TeacherConfig] = field(default_factory=TeacherConfig)
    split: str | None = None
    """train, val, …; every sequence when left out"""
    at_gap: AtGap = "raise"
    skip_bad: SkipBad = False
    sweeps: int = 0
    """of the sweeps between two keyframes, too: at most so many, as in pretraining"""
    cache: Path | None = None
    """folder of the cache; beside the dataset when left out"""

    def run(self) -> None:
        from lima.data.between import with_between
        from lima.datasets.readable import opened
        from lima.teachers import load_teacher
        from lima.teachers.cache import FeatureCache

        teacher = load_teacher(self.config.name, self.config.layers, runtime=self.config.runtime)
        folder = self.cache or default_cache_folder(self.data)
        cache = FeatureCache(folder, teacher, self.config.image_height_px, self.config.image_width_px)
        with opened(self.data, self.at_gap, self.skip_bad) as dataset:
            cache.fill(with_between(dataset.sequences(self.split), self.sweeps))


@dataclass(frozen=True)
class Pretrain:
    """Distil a frozen image network into a LiDAR network along the drives of a dataset (LiMA)."""

    data: Positional[Path]
    """folder of the dataset"""
    out: Path
    """folder of the run"""
    recipe: Recipe = "lima"
    """the settings to start from; every option below replaces one of them"""
    config: OmitArgPrefixes[PretrainConfig] = field(default_factory=PretrainConfig)
    cache: Path | None = None
    """folder of the teacher's features; beside the dataset when left out"""
    resume: bool = False
    """go on from the last checkpoint in the folder of the run"""

    def run(self) -> None:
        from lima.train.pretrain import pretrain

        pretrain(self.data, self.out, self.config, self.cache, self.resume)
