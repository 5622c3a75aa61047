"""The state of fine-tuning, and one step of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from lima.config import SegmentationConfig
from lima.data.augment import augment
from lima.data.lanes import random_generator
from lima.evaluate.fractions import LabelList
from lima.evaluate.metrics import IGNORED
from lima.evaluate.probe_features import labels_of
from lima.evaluate.segmentation.losses import segmentation_loss
from lima.evaluate.segmentation.optimisation import SCHEDULES, build_optimiser, set_rates
from lima.evaluate.segmentation.segmenter import Segmenter
from lima.scene import Batch
from lima.train.checkpoint import Checkpoint
from lima.train.divergence import check_finite
from lima.train.epochs import Epochs
from lima.train.kept import Kept
from lima.train.norm import synchronise_batch_norms
from lima.train.processes import ALONE, Processes
from lima.train.trainer import training_type


@dataclass(frozen=True, eq=False)
class LabelledSweep:
    """What one step needs of a frame."""

    points_lidar: Float32[Tensor, "points 3"]
    intensity: Float32[Tensor, "points"]
    truth: Int64[Tensor, "points"]

    @property
    def nbytes(self) -> int:
        return self.points_lidar.nbytes + self.intensity.nbytes + self.truth.nbytes


class Learner:
    """Everything that a checkpoint of fine-tuning holds, and a step.

    Every epoch takes the labelled frames once. Several processes share the frames of a step; the step is that of one
    process with all of them. scored: what was scored so far, see `finetune`.
    """

    lanes = range(0)

    def __init__(
        self,
        segmenter: Segmenter,
        labels: LabelList,
        config: SegmentationConfig,
        seed: int,
        processes: Processes = ALONE,
    ) -> None:
        processes.check_batch(config.batch)
        self.config, self.labels, self.seed, self.processes = config, labels, seed, processes
        self.epochs = Epochs(len(labels), config.batch, config.epochs, config.steps, seed)
        self.steps = self.epochs.steps
        self.step = 0
        if processes.world_size > 1:
            synchronise_batch_norms(segmenter)
        self.segmenter = segmenter.to(processes.device).train().requires_grad_(True)
        self.optimiser = build_optimiser(segmenter, config)
        self.scored: list[dict[str, Any]] = []
        self._sweeps = Kept(self._read)

    @property
    def epoch(self) -> float:
        """How often every frame has been taken so far."""
        return self.epochs.done(self.step)

    def train_step(self) -> dict[str, Any]:
        """Make one step; returns the line of the log.

        Raises ValueError where the loss or the gradient is not a number, before weights change, and where no point of
        the batch has a label.
        """
        config, device = self.config, self.processes.device
        numbers = self.epochs.frames_of_step(self.step)
        places = self.processes.share(len(numbers))
        sweeps = [self._sweeps[numbers[place]] for place in places]
        points = [self._augmented(sweep.points_lidar, place) for place, sweep in zip(places, sweeps, strict=True)]
        batch = Batch.from_points(points, [sweep.intensity for sweep in sweeps]).to(device)
        truth = torch.cat([sweep.truth for sweep in sweeps] or [torch.zeros(0, dtype=torch.int64)]).to(device)
        usable = (truth != IGNORED) & self.segmenter.student.in_range(batch)
        (usable_points,) = self.processes.sums([float(usable.sum())])
        tokens = [self.labels.tokens[number] for number in numbers]
        if not usable_points:
            raise ValueError(f"no point of frames {', '.join(tokens)} has a label and is within the student's range")

        with torch.autocast(device.type, torch.bfloat16, enabled=training_type(device) == torch.bfloat16):
            scores = self.segmenter(batch)
        wide = scores[usable].to(torch.promote_types(scores.dtype, torch.float32))
        parts = segmentation_loss(wide, truth[usable] - 1, config.lovasz_weight, self.processes)
        loss = torch.stack(list(parts.values())).sum()
        total, *values = self.processes.sums([float(value.detach()) for value in (loss, *parts.values())])
        check_finite(total, "loss", self.step + 1, tokens, config.learning_rate)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.processes.sum_gradients(self.segmenter.parameters())
        limit = math.inf if config.clip_norm is None else config.clip_norm
        norm = float(nn.utils.clip_grad_norm_(self.segmenter.parameters(), limit))
        check_finite(norm, "gradient", self.step + 1, tokens, config.learning_rate)
        learning_rate = config.learning_rate * SCHEDULES[config.schedule](self.step / self.steps)
        set_rates(self.optimiser, learning_rate)
        self.optimiser.step()
        self.step += 1
        return {
            "step": self.step,
            "epoch": self.epoch,
            "loss": {"total": total, **dict(zip(parts, values, strict=True))},
            "learning_rate": learning_rate,
            "gradient_norm": norm,
            "points": int(usable_points),
        }

    def _read(self, number: int) -> LabelledSweep:
        frame = self.labels.frame(number)
        return LabelledSweep(frame.sweep.points_lidar, frame.sweep.intensity, labels_of(frame))

    def _augmented(self, points: Float32[Tensor, "points 3"], place: int) -> Float32[Tensor, "points 3"]:
        if not self.config.augmentation:
            return points
        return augment(points, random_generator(self.seed, "sweep", self.step, place), self.config.scale_range)

    def checkpoint(self) -> Checkpoint:
        """Everything needed to go on."""
        run = {
            "weights": self.segmenter.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scored": self.scored,
        }
        return Checkpoint(self.step, run, {})

    def load(self, checkpoint: Checkpoint) -> None:
        """Go on where `checkpoint` was taken."""
        self.step = checkpoint.step
        self.segmenter.load_state_dict(checkpoint.run["weights"])
        self.optimiser.load_state_dict(checkpoint.run["optimiser"])
        self.scored = checkpoint.run["scored"]
