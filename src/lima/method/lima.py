"""LiMA, the paper's figure as code.

    images ── teacher ──► F_i ── cross_view (4.1) ──► F_u ── memory (4.2) ──► F_d ── mixing (4.3) ──┐
                                                                                                    ├─► losses
    sweeps ── mixing (4.3) ──► augmentation ──► student ──► head ──► F_p ───────────────────────────┘

F_i comes from the teacher's cache; everything from there to the loss is called here. `frames=1, mixing="none"` is the
one-frame method, ScaLR, by the same code.
"""

from __future__ import annotations

from collections.abc import Sequence as Series
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from lima.config import MethodConfig
from lima.data.augment import augment
from lima.data.pairs import PointPixelPairs
from lima.method.cross_view import PointFeatures, aggregate_views
from lima.method.losses import distillation_loss
from lima.method.memory import MemoryBank
from lima.method.mixing import mix
from lima.scene import Batch, Sweep
from lima.students.head import ProjectionHead
from lima.students.student import Student


@dataclass(frozen=True, eq=False)
class StudentSweep:
    """What the student learns from one sweep: points as the LiDAR saw them, and the target of each."""

    points_lidar: Float32[Tensor, "points 3"]
    intensity: Float32[Tensor, "points"]
    target: PointFeatures


@dataclass(frozen=True, eq=False)
class LossSum:
    """A loss summed over points, and how many they are, so that several processes can take one mean over all."""

    total: Float[Tensor, ""]
    points: int

    @property
    def mean(self) -> Float[Tensor, ""]:
        """The loss per point; zero without points."""
        return self.total / max(self.points, 1)


@dataclass(frozen=True, eq=False)
class LossParts:
    """distillation: on the sweeps as they are. mixed: on the mixed sweeps; zero points where nothing is mixed."""

    distillation: LossSum
    mixed: LossSum

    @property
    def total(self) -> Float[Tensor, ""]:
        """What is minimised: both count the same, as the paper gives no weights."""
        return self.distillation.mean + self.mixed.mean


class LiMA(nn.Module):
    """A student, its projection to the teacher's width, and one memory per lane.

    The weights are the student's and the head's. The state of a memory belongs to its lane, not to the network:
    `memories[lane].state_dict()`.
    """

    def __init__(self, student: Student, teacher_dim: int, lanes: int, config: MethodConfig) -> None:
        if lanes < 1 or (lanes % 2 and config.mixing != "none"):
            raise ValueError(f'mixing takes lanes two by two, got {lanes}: use an even number, or mixing = "none"')
        super().__init__()
        self.student = student
        self.head = ProjectionHead(student.dim, teacher_dim, config.head_layers)
        self.memories = [MemoryBank(config.frames, config.association, config.association_size_m) for _ in range(lanes)]
        self.config = config

    def targets(
        self,
        lane: int,
        sweep: Sweep,
        image_features: Float[Tensor, "cams dim rows cols"],
        pairs: PointPixelPairs,
        starts_sequence: bool,
    ) -> PointFeatures:
        """F_d of a lane's next frame, in time order; at the start of a sequence the lane's memory is emptied first."""
        if starts_sequence:
            self.memories[lane].reset()
        unified = aggregate_views(image_features, pairs, self.config.aggregation)
        points_world = sweep.world_from_lidar.apply(sweep.points_lidar.double())
        return self.memories[lane].step(points_world, unified)

    def remember(
        self, lane: int, sweep: Sweep, image_features: Float[Tensor, "cams dim rows cols"], pairs: PointPixelPairs
    ) -> None:
        """F_u of a frame between a lane's last keyframe and its next enters the lane's memory; no student sees it."""
        unified = aggregate_views(image_features, pairs, self.config.aggregation)
        points_world = sweep.world_from_lidar.apply(sweep.points_lidar.double())
        self.memories[lane].remember(points_world, unified)

    def loss(self, sweeps: Series[StudentSweep], generators: Series[torch.Generator]) -> LossParts:
        """The loss of one step: one sweep per lane, and the mixed sweeps of lanes 0 and 1, 2 and 3, …

        All of them are one batch to the student. Mixing comes before augmentation, so that its bands and sectors are
        those of the sensor, and every sweep, mixed ones too, is augmented by itself. generators: one per lane, on the
        CPU, so that what a lane draws does not depend on the other lanes.
        """
        mixed = [
            (sweep, generators[lane])
            for lane in range(0, len(sweeps) - 1, 2)
            for sweep in self._mix(sweeps[lane], sweeps[lane + 1], generators[lane])
        ]
        everything = [*zip(sweeps, generators, strict=True), *mixed]
        batch = Batch.from_points(
            [self._augmented(sweep.points_lidar, generator) for sweep, generator in everything],
            [sweep.intensity for sweep, _ in everything],
        ).to(next(self.parameters()).device)
        point_features = self.student(batch)

        known = torch.cat([sweep.target.known for sweep, _ in everything]).to(batch.points_lidar.device)
        learns = known & self.student.in_range(batch)
        points_of_sweep = torch.bincount(batch.sweep_of_point[learns], minlength=batch.sweeps).tolist()
        predicted = self.head(point_features[learns]).split(points_of_sweep)
        target = torch.cat([sweep.target.features for sweep, _ in everything]).to(known.device)[learns]
        losses = [
            LossSum(distillation_loss(p, t, self.config.loss, generator) * len(p), len(p))
            for p, t, (_, generator) in zip(predicted, target.split(points_of_sweep), everything, strict=True)
        ]
        return LossParts(_sum(losses[: len(sweeps)]), _sum(losses[len(sweeps) :]))

    def _augmented(
        self, points_lidar: Float32[Tensor, "points 3"], generator: torch.Generator
    ) -> Float32[Tensor, "points 3"]:
        return augment(points_lidar, generator) if self.config.augmentation else points_lidar

    def _mix(self, a: StudentSweep, b: StudentSweep, generator: torch.Generator) -> list[StudentSweep]:
        """Every mixed point keeps the target that its own sequence's memory gave it."""
        return [
            StudentSweep(
                mixed.take(a.points_lidar, b.points_lidar),
                mixed.take(a.intensity, b.intensity),
                PointFeatures(
                    mixed.take(a.target.features, b.target.features), mixed.take(a.target.known, b.target.known)
                ),
            )
            for mixed in mix(a.points_lidar, b.points_lidar, self.config.mixing, generator)
        ]


def _sum(losses: Series[LossSum]) -> LossSum:
    total = torch.stack([loss.total for loss in losses]).sum() if losses else torch.zeros(())
    return LossSum(total, sum(loss.points for loss in losses))
