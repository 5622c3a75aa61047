"""What is probed: functions from a frame to one frozen feature per point, and the matrix a probe learns from."""

from __future__ import annotations

import copy
import logging
import tempfile
from collections.abc import Callable
from collections.abc import Sequence as Series
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float16, Float32, Float64, Int64
from torch import Tensor

from lima.config import Aggregation, MethodConfig
from lima.data.between import interleaved
from lima.data.pairs import pairs_from_frame
from lima.method.cross_view import PointFeatures, aggregate_views
from lima.method.memory import MemoryBank
from lima.scene import Batch, Frame, Sequence
from lima.students.student import Student

FeatureSource = Callable[[Frame], PointFeatures]
"""one feature per point of the frame; called for the frames of a sequence in time order, from the first"""
ImageFeatures = Callable[[Frame], Float32[Tensor, "cams dim rows cols"]]
MEMORY_BYTES = 4 << 30  # a larger matrix goes to a file
DRAW_SEED = 0

logger = logging.getLogger(__name__)


def student_features(student: Student, device: torch.device | str = "cpu") -> FeatureSource:
    """The features of a student, frozen: of a copy in evaluation mode, so that nothing moves, statistics included."""
    frozen = copy.deepcopy(student).eval().requires_grad_(False).to(device)

    @torch.no_grad()
    def features(frame: Frame) -> PointFeatures:
        batch = Batch.from_points([frame.sweep.points_lidar], [frame.sweep.intensity]).to(device)
        return PointFeatures(frozen(batch).float(), frozen.in_range(batch))

    return features


def unified_features(
    image_features: ImageFeatures, aggregation: Aggregation = "mean", occlusion_test: bool = False
) -> FeatureSource:
    """F_u: what the teacher sees at every point now. No student."""

    def features(frame: Frame) -> PointFeatures:
        return aggregate_views(image_features(frame), pairs_from_frame(frame, occlusion_test), aggregation)

    return features


def target_features(
    image_features: ImageFeatures, method: MethodConfig, sequences: Series[Sequence] = ()
) -> FeatureSource:
    """F_d: what a student is to learn, the memory of the last `method.frames` frames included. No student.

    sequences: that the frames are from, for the sweeps between them where `method.sweeps` are wanted. Raises ValueError
    where a frame does not follow the one before, or a sequence has no sweeps.
    """
    unified = unified_features(image_features, method.aggregation, method.occlusion_test)
    bank = MemoryBank(method.frames, method.association, method.association_size_m)
    before: list[tuple[str, int]] = []
    past = {each.sequence.name: each for each in interleaved(sequences, method.sweeps)}

    def features(frame: Frame) -> PointFeatures:
        if frame.index == 0:
            bank.reset()
        elif before != [(frame.sequence, frame.index - 1)]:
            raise ValueError(
                f"targets depend on the frames before: frame {frame.index} of {frame.sequence} came after {before}"
            )
        before[:] = [(frame.sequence, frame.index)]
        if method.sweeps and method.frames > 1:
            for sweep in past[frame.sequence].before(frame.index):
                bank.remember(_points_world(sweep), unified(sweep))
        return bank.step(_points_world(frame), unified(frame))

    return features


def _points_world(frame: Frame) -> Float64[Tensor, "points 3"]:
    return frame.sweep.world_from_lidar.apply(frame.sweep.points_lidar.double())


@dataclass(frozen=True, eq=False)
class LabelledFeatures:
    """Points of many sweeps with features in half precision and classes from 1 up."""

    features: Float16[Tensor, "points dim"]
    labels: Int64[Tensor, "points"]


def collect(source: FeatureSource, sequences: Series[Sequence], points_per_sweep: int) -> LabelledFeatures:
    """Features of up to `points_per_sweep` labelled points of every frame, drawn at random, the same in every call.

    Held in half precision, in memory or, above 4 GB, in a temporary file. Raises ValueError where frames have no
    labels, or features do not fit into half precision.
    """
    draw = torch.Generator().manual_seed(DRAW_SEED)
    most = sum(len(sequence) for sequence in sequences) * points_per_sweep
    matrix: Tensor | None = None
    labels, filled = torch.zeros(most, dtype=torch.uint8), 0
    for sequence in sequences:
        for index in range(len(sequence)):
            frame = sequence.frame(index)
            truth = labels_of(frame)
            found = source(frame)
            usable = torch.nonzero((truth > 0) & found.known.cpu())[:, 0]
            chosen = usable[torch.randperm(len(usable), generator=draw)[:points_per_sweep]]
            if matrix is None:
                matrix = _matrix(most, found.features.shape[1])
            half = found.features[chosen.to(found.features.device)].half().cpu()
            if not bool(torch.isfinite(half).all()):
                raise ValueError(
                    f"the features of frame {frame.token} ({frame.sequence}) are NaN or beyond half precision (65504): "
                    f"their largest is {float(found.features.abs().max()):g}"
                )
            matrix[filled : filled + len(chosen)] = half
            labels[filled : filled + len(chosen)] = truth[chosen].to(torch.uint8)
            filled += len(chosen)
    if matrix is None or filled == 0:
        raise ValueError(f"none of the {sum(map(len, sequences))} training frames has a labelled point with a feature")
    return LabelledFeatures(matrix[:filled], labels[:filled].long())


def labels_of(frame: Frame) -> Int64[Tensor, "points"]:
    """The classes of a frame's points. Raises ValueError where it has none."""
    if frame.read_labels is None:
        raise ValueError(
            f"frame {frame.token} ({frame.sequence}) has no labels of points: learning and scoring need a dataset with "
            f"lidarseg or with boxes"
        )
    return frame.read_labels()


def _matrix(rows: int, dim: int) -> Float16[Tensor, "{rows} {dim}"]:
    """Room for the features, said before it is filled."""
    size_bytes = rows * dim * 2
    where = "in memory" if size_bytes <= MEMORY_BYTES else f"in a temporary file in {tempfile.gettempdir()}"
    logger.info("probe: up to %d points of %d numbers, %.2f GB %s", rows, dim, size_bytes / 1e9, where)
    if size_bytes <= MEMORY_BYTES:
        return torch.empty(rows, dim, dtype=torch.float16)
    with tempfile.TemporaryDirectory() as folder:  # the mapping keeps the file alive until it is dropped
        return torch.from_numpy(np.memmap(Path(folder) / "features", np.float16, "w+", shape=(rows, dim)))
