"""The state of a detector in training, and one step of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from lima.config import DetectConfig
from lima.data.lanes import random_generator
from lima.evaluate.detection.anchor_head import AnchorHead
from lima.evaluate.detection.anchors import measured_shapes
from lima.evaluate.detection.balance import balanced_epoch, balanced_length
from lima.evaluate.detection.classes import DETECTION_CLASSES
from lima.evaluate.detection.detector import Detector
from lima.evaluate.detection.examples import Example, augmented, collate, read_example
from lima.evaluate.detection.object_bank import ObjectBank
from lima.evaluate.detection.sweeps import SweepHistory
from lima.evaluate.segmentation.fractions import LabelList
from lima.train.checkpoint import Checkpoint
from lima.train.schedule import one_cycle, set_learning_rate
from lima.train.trainer import training_type

KEPT_BYTES = 4 << 30  # of examples that were read, for the next epochs
BANK_FRAMES = 4000  # keyframes that things are gathered from at most


class Learner:
    """Everything that a checkpoint of a detector holds, and a step.

    An epoch is every labelled keyframe once or, class-balanced, as `balanced_epoch` draws them; in an order of its own
    that the seed decides, `batch` at a time. The last batch of an epoch holds what is left.
    """

    def __init__(
        self,
        detector: Detector,
        labels: LabelList,
        config: DetectConfig,
        device: torch.device | str = "cpu",
        say: Callable[[str], None] = print,
    ) -> None:
        if config.batch < 1 or config.epochs < 1 or (config.steps is not None and config.steps < 1):
            raise ValueError(
                f"at least one keyframe a step and one epoch or step are needed, got batch {config.batch}, epochs "
                f"{config.epochs}, steps {config.steps}"
            )
        self.config, self.labels, self.device = config, labels, torch.device(device)
        self._histories = [SweepHistory(part.sequence, config.sweeps, config.max_age_s) for part in labels.chosen]
        parts = zip(self._histories, labels.chosen, strict=True)
        self._places = [(history, index) for history, part in parts for index in part.indices]
        self._kept: dict[int, Example] = {}
        self._kept_bytes = 0
        self.bank = ObjectBank()
        self.frames_of_class: list[list[int]] = [[] for _ in DETECTION_CLASSES]
        if config.class_balanced or config.ground_truth_sampling or config.detector.head == "second":
            self._look_through(detector, say)
        self.frames_of_epoch = balanced_length(self.frames_of_class) if config.class_balanced else len(labels)
        if self.frames_of_epoch == 0:
            raise ValueError(f"none of the {len(labels)} labelled keyframes has a box of a class that is detected")
        self.batch = min(config.batch, self.frames_of_epoch)
        self.steps_of_epoch = math.ceil(self.frames_of_epoch / self.batch)
        self.steps = config.steps or config.epochs * self.steps_of_epoch
        self.step = 0
        self.detector = detector.to(self.device).train().requires_grad_(True)
        self.optimiser = torch.optim.AdamW(
            detector.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

    @property
    def epoch(self) -> float:
        """How many epochs are done."""
        return self.step / self.steps_of_epoch

    def history_words(self) -> str:
        """Which sweeps a keyframe is seen with."""
        config = self.config
        source = "past keyframes" if self._histories[0].from_keyframes else "the sweeps between keyframes"
        if config.sweeps == 1:
            return "each keyframe's own sweep alone"
        return f"each keyframe with up to {config.sweeps - 1} of {source}, none older than {config.max_age_s:g} s"

    def train_step(self) -> dict[str, Any]:
        """Make one step; returns the line of the log.

        Raises ValueError where the loss or the gradient is not a number, before weights change.
        """
        numbers = self._frames_of_step()
        examples = [self._changed(self._example(number), place) for place, number in enumerate(numbers)]
        batch, seconds = collate(examples)
        boxes = [example.boxes.to(self.device) for example in examples]
        half = training_type(self.device) == torch.bfloat16
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            parts = self.detector.loss(batch.to(self.device), seconds.to(self.device), boxes)
        loss = torch.stack(list(parts.values())).sum()
        self._check(float(loss.detach()), "loss", numbers)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = float(nn.utils.clip_grad_norm_(self.detector.parameters(), self.config.clip_norm))
        self._check(norm, "gradient", numbers)
        learning_rate = one_cycle(self.step, self.steps, self.config.learning_rate)
        set_learning_rate(self.optimiser, learning_rate)
        self.optimiser.step()
        self.step += 1
        return {
            "step": self.step,
            "epoch": self.epoch,
            "loss": {"total": float(loss.detach()), **{name: float(part.detach()) for name, part in parts.items()}},
            "learning_rate": learning_rate,
            "gradient_norm": norm,
            "boxes": sum(len(example) for example in boxes),
        }

    def _look_through(self, detector: Detector, say: Callable[[str], None]) -> None:
        """One pass over the labelled keyframes: which classes each holds, things for the bank, sizes for anchors."""
        gathered = torch.randperm(len(self._places), generator=random_generator(self.config.seed, "bank"))[:BANK_FRAMES]
        from_these = set(gathered.tolist())
        say(f"looking through {len(self._places)} labelled keyframes")
        boxes = []
        for number in range(len(self._places)):
            example = self._example(number)
            for cls in torch.unique(example.boxes.classes).tolist():
                self.frames_of_class[cls].append(number)
            if self.config.ground_truth_sampling and number in from_these:
                self.bank.add(example)
            boxes.append(example.boxes)
        if isinstance(detector.head, AnchorHead):
            detector.head.shapes.copy_(measured_shapes(boxes))

    def _frames_of_step(self) -> list[int]:
        epoch, place = divmod(self.step, self.steps_of_epoch)
        generator = random_generator(self.config.seed, "epoch", epoch)
        if self.config.class_balanced:
            order = balanced_epoch(self.frames_of_class, generator)
        else:
            order = torch.randperm(len(self._places), generator=generator).tolist()
        return order[place * self.batch : (place + 1) * self.batch]

    def _example(self, number: int) -> Example:
        if number in self._kept:
            return self._kept[number]
        history, index = self._places[number]
        example = read_example(history, index)
        if self._kept_bytes + example.nbytes <= KEPT_BYTES:
            self._kept[number] = example
            self._kept_bytes += example.nbytes
        return example

    def _changed(self, example: Example, place: int) -> Example:
        generator = random_generator(self.config.seed, "example", self.step, place)
        if self.config.ground_truth_sampling:
            example = self.bank.fill_up(example, generator)
        return augmented(example, generator) if self.config.augmentation else example

    def _check(self, value: float, what: str, numbers: list[int]) -> None:
        if not math.isfinite(value):
            tokens = ", ".join(self.labels.tokens[number] for number in numbers)
            raise ValueError(
                f"the {what} of step {self.step + 1} is {value}; the frames are {tokens}: look at these frames, or "
                f"lower the learning rate (it is {self.config.learning_rate:g} at its peak)"
            )

    def checkpoint(self) -> Checkpoint:
        """Everything needed to go on."""
        run = {"weights": self.detector.state_dict(), "optimiser": self.optimiser.state_dict()}
        return Checkpoint(self.step, run, {})

    def load(self, checkpoint: Checkpoint) -> None:
        """Go on where `checkpoint` was taken."""
        self.step = checkpoint.step
        self.detector.load_state_dict(checkpoint.run["weights"])
        self.optimiser.load_state_dict(checkpoint.run["optimiser"])
