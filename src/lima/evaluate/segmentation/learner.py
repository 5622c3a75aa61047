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
from lima.evaluate.metrics import IGNORED
from lima.evaluate.probe_features import labels_of
from lima.evaluate.segmentation.fractions import LabelList
from lima.evaluate.segmentation.losses import segmentation_loss
from lima.evaluate.segmentation.optimisation import SCHEDULES, build_optimiser, set_rates
from lima.evaluate.segmentation.segmenter import Segmenter
from lima.scene import Batch
from lima.train.checkpoint import Checkpoint
from lima.train.trainer import training_type

KEPT_BYTES = 4 << 30  # of sweeps that were read, for the next epochs


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

    Every epoch takes the labelled frames once, in an order of its own that the seed decides, `batch` at a time; the
    last batch of an epoch holds what is left. scored: what was scored so far, see `finetune`.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        labels: LabelList,
        config: SegmentationConfig,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        if config.batch < 1 or config.epochs < 1 or (config.steps is not None and config.steps < 1):
            raise ValueError(
                f"at least one sweep a step and one epoch or step are needed, got batch {config.batch}, epochs "
                f"{config.epochs}, steps {config.steps}"
            )
        self.config, self.labels, self.seed = config, labels, seed
        self.device = torch.device(device)
        self.batch = min(config.batch, len(labels))
        self.steps_of_epoch = math.ceil(len(labels) / self.batch)
        self.steps = config.steps or config.epochs * self.steps_of_epoch
        self.step = 0
        self.segmenter = segmenter.to(self.device).train().requires_grad_(True)
        self.optimiser = build_optimiser(segmenter, config)
        self.scored: list[dict[str, Any]] = []
        self._kept: dict[int, LabelledSweep] = {}
        self._kept_bytes = 0

    @property
    def epoch(self) -> float:
        """How often every frame has been taken so far."""
        return self.step / self.steps_of_epoch

    @property
    def epochs(self) -> float:
        """How often it will have been."""
        return self.steps / self.steps_of_epoch

    def train_step(self) -> dict[str, Any]:
        """Make one step; returns the line of the log.

        Raises ValueError where the loss or the gradient is not a number, before weights change, and where no point of
        the batch has a label.
        """
        config = self.config
        numbers = self._frames_of_step()
        sweeps = [self._sweep(number) for number in numbers]
        points = [self._augmented(sweep.points_lidar, place) for place, sweep in enumerate(sweeps)]
        batch = Batch.from_points(points, [sweep.intensity for sweep in sweeps]).to(self.device)
        truth = torch.cat([sweep.truth for sweep in sweeps]).to(self.device)
        usable = (truth != IGNORED) & self.segmenter.student.in_range(batch)
        if not bool(usable.any()):
            raise ValueError(
                f"no point of frames {self._tokens(numbers)} has a label and is within the student's range"
            )

        half = training_type(self.device) == torch.bfloat16
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            scores = self.segmenter(batch)
        parts = segmentation_loss(scores[usable].float(), truth[usable] - 1, config.lovasz_weight)
        loss = torch.stack(list(parts.values())).sum()
        self._check(float(loss.detach()), "loss", numbers)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        limit = math.inf if config.clip_norm is None else config.clip_norm
        norm = float(nn.utils.clip_grad_norm_(self.segmenter.parameters(), limit))
        self._check(norm, "gradient", numbers)
        learning_rate = config.learning_rate * SCHEDULES[config.schedule](self.step / self.steps)
        set_rates(self.optimiser, learning_rate)
        self.optimiser.step()
        self.step += 1
        return {
            "step": self.step,
            "epoch": self.epoch,
            "loss": {"total": float(loss.detach()), **{name: float(part.detach()) for name, part in parts.items()}},
            "learning_rate": learning_rate,
            "gradient_norm": norm,
            "points": int(usable.sum()),
        }

    def _frames_of_step(self) -> list[int]:
        epoch, place = divmod(self.step, self.steps_of_epoch)
        order = torch.randperm(len(self.labels), generator=random_generator(self.seed, "epoch", epoch)).tolist()
        return order[place * self.batch : (place + 1) * self.batch]

    def _sweep(self, number: int) -> LabelledSweep:
        if number in self._kept:
            return self._kept[number]
        frame = self.labels.frame(number)
        sweep = LabelledSweep(frame.sweep.points_lidar, frame.sweep.intensity, labels_of(frame))
        if self._kept_bytes + sweep.nbytes <= KEPT_BYTES:
            self._kept[number] = sweep
            self._kept_bytes += sweep.nbytes
        return sweep

    def _augmented(self, points: Float32[Tensor, "points 3"], place: int) -> Float32[Tensor, "points 3"]:
        if not self.config.augmentation:
            return points
        return augment(points, random_generator(self.seed, "sweep", self.step, place), self.config.scale_range)

    def _tokens(self, numbers: list[int]) -> str:
        return ", ".join(self.labels.tokens[number] for number in numbers)

    def _check(self, value: float, what: str, numbers: list[int]) -> None:
        if not math.isfinite(value):
            raise ValueError(
                f"the {what} of step {self.step + 1} is {value}; the frames are {self._tokens(numbers)}: look at these "
                f"frames, or lower the learning rate (it is {self.config.learning_rate:g} at its peak)"
            )

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
