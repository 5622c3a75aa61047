"""`lima targets DATA`: how good the targets themselves are, before any student learns from them.

A linear probe of F_u (one frame) and of F_d (a memory of several) takes seconds and tells where a gain or a loss of a
student comes from.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Series
from dataclasses import dataclass
from pathlib import Path

from lima.config import MethodConfig, ProbeConfig, TeacherConfig, default_cache_folder
from lima.data.between import with_between
from lima.data.pairs import pairs_from_frame
from lima.datasets.readable import opened
from lima.evaluate.probe import ProbeResult, labelled_split, probe
from lima.evaluate.probe_features import FeatureSource, target_features
from lima.evaluate.scores import plus_minus
from lima.method.cross_view import PointFeatures
from lima.scene import Frame
from lima.teachers import load_teacher
from lima.teachers.cache import FeatureCache


@dataclass(frozen=True, eq=False)
class TargetScore:
    """The probe of one kind of target. seen: on points that a camera sees now, the same for every k; known: on all
    points that have a target."""

    method: MethodConfig
    seen: ProbeResult
    known: ProbeResult

    def line(self) -> str:
        """For the terminal."""
        sweeps = f"{self.method.sweeps} sweeps between  " if self.method.sweeps else ""
        method, share = self.method, 100 * self.known.scored_points / self.known.labelled_points
        return (
            f"k = {method.frames:<3} {sweeps}{method.aggregation:<10} {method.association:<8} "
            f"occlusion test {'on ' if method.occlusion_test else 'off'}  "
            f"seen now {plus_minus(self.seen.miou, self.seen.miou_std, 2)}  "
            f"all with a target {plus_minus(self.known.miou, self.known.miou_std, 2)}  ({share:.1f} % of the points)"
        )


def seen_now(source: FeatureSource, occlusion_test: bool) -> FeatureSource:
    """The same features, known only where a camera sees the point in this very frame."""

    def features(frame: Frame) -> PointFeatures:
        found = source(frame)
        return PointFeatures(found.features, found.known & pairs_from_frame(frame, occlusion_test).visible.any(dim=0))

    return features


def probe_targets(
    data: Path,
    teacher_config: TeacherConfig,
    methods: Series[MethodConfig],
    probe_config: ProbeConfig,
    cache: Path | None = None,
    say: Callable[[str], None] = print,
) -> list[TargetScore]:
    """Probe the targets that each of the methods would give a student."""
    with opened(data, probe_config.at_gap, probe_config.skip_bad) as dataset:
        split = labelled_split(dataset, probe_config)
        teacher = load_teacher(teacher_config.name, teacher_config.layers, runtime=teacher_config.runtime)
        features = FeatureCache(
            cache or default_cache_folder(data), teacher, teacher_config.image_height_px, teacher_config.image_width_px
        )
        sequences = [*split.train, *split.val]
        features.fill(with_between(sequences, max(method.sweeps for method in methods)))
        say(f"{split.how}; teacher {teacher.name}; mIoU in % over {len(probe_config.seeds)} seeds of the probe")
        scores = []
        for method in methods:
            source = target_features(features.features, method, sequences)
            seen, known = (
                probe(each, split, dataset.class_names, probe_config, unknown="leave_out")
                for each in (seen_now(source, method.occlusion_test), source)
            )
            scores.append(TargetScore(method, seen, known))
            say(scores[-1].line())
    return scores
