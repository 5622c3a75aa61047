"""Linear probing: how much of the classes a linear layer reads from features that do not move.

Everything below the linear layer is frozen, statistics included, and nothing is augmented; features are therefore
computed once per frame and all seeds and epochs learn from the same numbers. That is no approximation of running the
backbone in every epoch, apart from half precision and from the points drawn per sweep (`ProbeConfig`).
"""

from __future__ import annotations

import logging
import statistics
from collections.abc import Sequence as Series
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Int64
from torch import Tensor

from lima.config import DetectionConfig, ProbeConfig, SegmentationConfig
from lima.datasets.parts import temporal_halves
from lima.evaluate.fractions import LabelFraction, LabelList
from lima.evaluate.metrics import IGNORED, confusion_matrix, iou_percent, miou_percent
from lima.evaluate.nearest import nearest_point
from lima.evaluate.probe_features import FeatureSource, collect, labels_of
from lima.evaluate.probe_head import LinearProbe, fit
from lima.evaluate.scores import check_each_once, json_number, mean, spread
from lima.method.cross_view import PointFeatures
from lima.scene import Dataset, Frame, Sequence

Unknown = Literal["nearest", "leave_out"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ProbeSplit:
    """Where a probe learns and where it is scored.

    how: in words, for whoever reads the numbers. labels: what `LabelList.summary` says of the labels learned from.
    """

    train: list[Sequence]
    val: list[Sequence]
    how: str
    labels: dict[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class ProbeResult:
    """Scores in percent, means and sample standard deviations over the seeds; NaN where there is nothing to say.

    per_class: NaN for a class that is neither in the truth nor predicted. labelled_points: of the frames scored,
    without ignored ones; scored_points: those of them that have a feature or were given one. probes: one per seed.
    """

    miou: float
    miou_std: float
    per_class: dict[str, float]
    per_class_std: dict[str, float]
    seeds: tuple[float, ...]
    split: str
    train_frames: int
    train_points: int
    val_frames: int
    labelled_points: int
    scored_points: int
    probes: tuple[LinearProbe, ...]

    def as_dict(self) -> dict[str, Any]:
        """For `metrics.json`: null for NaN."""
        return {
            "miou": json_number(self.miou),
            "miou_std": json_number(self.miou_std),
            "per_class": {name: json_number(iou) for name, iou in self.per_class.items()},
            "per_class_std": {name: json_number(std) for name, std in self.per_class_std.items()},
            "seeds": [json_number(miou) for miou in self.seeds],
            "split": self.split,
            "train_frames": self.train_frames,
            "train_points": self.train_points,
            "val_frames": self.val_frames,
            "labelled_points": self.labelled_points,
            "scored_points": self.scored_points,
        }


def probe_split(dataset: Dataset, config: ProbeConfig | SegmentationConfig | DetectionConfig) -> ProbeSplit:
    """The splits that the settings name; of a dataset of one drive its two halves, with a gap between them.

    Raises ValueError where there are several drives but no such splits.
    """
    names = (config.train_split, config.val_split)
    if not all(name in dataset.split_names for name in names):
        drives = dataset.sequences(None)
        if len(drives) == 1:
            gap = config.temporal_gap_frames
            first, second = temporal_halves(drives[0], gap)
            how = (
                f"learned on the first {len(first)}, scored on the last {len(second)} of the {len(drives[0])} "
                f"keyframes of {drives[0].name}, {gap} between them left out: one drive, so this says less than a "
                f"score on drives never seen"
            )
            return ProbeSplit([first], [second], how)
    train, val = (dataset.sequences(name) for name in names)
    how = (
        f"learned on the {len(train)} sequences of {names[0]}, scored on the {len(val)} sequences of {names[1]} "
        f"({dataset.name})"
    )
    return ProbeSplit(train, val, how)


def labelled_split(dataset: Dataset, config: ProbeConfig) -> ProbeSplit:
    """`probe_split`, of whose training sequences only the frames of the label fraction `config.labels` are left."""
    split = probe_split(dataset, config)
    labels = LabelList(LabelFraction.parse(config.labels), split.train, dataset.name, config.train_split)
    told = labels.summary()
    how = f"{split.how}; labels {config.labels}: {told['keyframes']} keyframes, list {told['hash']}"
    return ProbeSplit(list(labels.chosen), split.val, how, told)


def probe(
    source: FeatureSource,
    split: ProbeSplit,
    class_names: Series[str],
    config: ProbeConfig,
    unknown: Unknown = "nearest",
    device: torch.device | str = "cpu",
) -> ProbeResult:
    """Learn a linear layer on the features of the training frames, for every seed, and score all points of the others.

    unknown: what happens to points without a feature. They are never learned from. When scoring, "nearest" gives them
    the class of the nearest point that has one, so that every point is scored (a student's points beyond its range);
    "leave_out" scores the points that have a feature (targets that no camera has seen) and counts the others.
    Raises ValueError for a seed given twice, and for a frame without any feature.
    """
    check_each_once("seed", config.seeds)
    train_frames = sum(len(sequence) for sequence in split.train)
    val_frames = sum(len(sequence) for sequence in split.val)
    logger.info("probe: %s; %d and %d frames", split.how, train_frames, val_frames)
    data = collect(source, split.train, config.points_per_sweep)
    probes = tuple(fit(data, len(class_names), config, seed, device) for seed in config.seeds)

    confusions = torch.zeros(len(probes), len(class_names), len(class_names), dtype=torch.int64)
    labelled = 0
    for sequence in split.val:
        for index in range(len(sequence)):
            frame = sequence.frame(index)
            truth = labels_of(frame)
            labelled += int((truth != IGNORED).sum())
            found = source(frame)
            known = found.known.cpu()
            for seed, predicted in enumerate(_predictions(probes, found, frame, unknown, device)):
                scored = torch.ones_like(known) if unknown == "nearest" else known
                confusions[seed] += confusion_matrix(predicted[scored], truth[scored], len(class_names))
    return _result(confusions, class_names, split, probes, train_frames, len(data.labels), val_frames, labelled)


def _predictions(
    probes: Series[LinearProbe], found: PointFeatures, frame: Frame, unknown: Unknown, device: torch.device | str
) -> list[Int64[Tensor, "points"]]:
    """The classes that every probe gives the frame's points, 0 where a point is to be left out."""
    known = found.known.cpu()
    if not bool(known.any()):
        if unknown == "leave_out":
            return [torch.zeros(len(known), dtype=torch.int64) for _ in probes]
        raise ValueError(f"no point of frame {frame.token} ({frame.sequence}) has a feature: is it out of range?")
    features = found.features[found.known].to(device)
    taken = torch.full((len(known),), -1)
    taken[known] = torch.arange(len(features))
    if unknown == "nearest":
        points = frame.sweep.points_lidar
        taken[~known] = nearest_point(points[~known].to(device), points[known].to(device)).cpu()
    classes = [probe.predict(features).cpu() for probe in probes]
    return [torch.where(taken >= 0, of_known[taken], 0) for of_known in classes]


def _result(
    confusions: Int64[Tensor, "seeds classes classes"],
    class_names: Series[str],
    split: ProbeSplit,
    probes: tuple[LinearProbe, ...],
    train_frames: int,
    train_points: int,
    val_frames: int,
    labelled_points: int,
) -> ProbeResult:
    mious = [miou_percent(confusion) for confusion in confusions]
    classes = torch.stack([iou_percent(confusion) for confusion in confusions]).T.tolist()
    named = dict(zip(class_names, classes, strict=True))
    del named[class_names[IGNORED]]
    return ProbeResult(
        miou=statistics.fmean(mious),
        miou_std=spread(mious),
        per_class={name: mean(ious) for name, ious in named.items()},
        per_class_std={name: spread(ious) for name, ious in named.items()},
        seeds=tuple(mious),
        split=split.how,
        train_frames=train_frames,
        train_points=train_points,
        val_frames=val_frames,
        labelled_points=labelled_points,
        scored_points=int(confusions[0].sum()),
        probes=probes,
    )
