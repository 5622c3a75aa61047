"""Linear probing, of a student and of its targets."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from lima.config import Aggregation, Association, MethodConfig, ProbeConfig, TeacherConfig


@dataclass(frozen=True)
class Probe:
    """Linear probing: how much of the classes a linear layer reads from the frozen features of a run."""

    run_folder: Positional[Path]
    """folder of a pretraining run"""
    data: Positional[Path]
    """folder of the dataset"""
    config: OmitArgPrefixes[ProbeConfig] = field(default_factory=ProbeConfig)

    def run(self) -> None:
        from lima.evaluate.probe_run import probe_run

        probe_run(self.run_folder, self.data, self.config)


@dataclass(frozen=True)
class Targets:
    """Linear probing of the targets themselves, without a student: where a gain or a loss comes from, in seconds."""

    data: Positional[Path]
    """folder of the dataset"""
    frames: tuple[int, ...] = (1, 2, 4, 6, 8)
    """memories to try: the current keyframe and k - 1 frames before it"""
    sweeps: int = 0
    """at most so many of the sweeps between two keyframes (nuScenes has 9) enter the memory, each one of the k"""
    aggregation: tuple[Aggregation, ...] = ("mean",)
    association: tuple[Association, ...] = ("voxel",)
    association_size_m: float = 0.25
    occlusion_test: bool = False
    teacher: OmitArgPrefixes[TeacherConfig] = field(default_factory=TeacherConfig)
    probe: OmitArgPrefixes[ProbeConfig] = field(default_factory=ProbeConfig)
    cache: Path | None = None
    """folder of the teacher's features; beside the dataset when left out"""

    def run(self) -> None:
        from lima.evaluate.targets import probe_targets

        methods = [
            MethodConfig(
                frames=frames,
                sweeps=self.sweeps,
                aggregation=aggregation,
                association=association,
                association_size_m=self.association_size_m,
                occlusion_test=self.occlusion_test,
            )
            for aggregation in self.aggregation
            for association in self.association
            for frames in self.frames
        ]
        probe_targets(self.data, self.teacher, methods, self.probe, self.cache)
