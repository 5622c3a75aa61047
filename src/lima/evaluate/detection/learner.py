"""The state of a detector in training, and one step of it."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import nn

from lima.config import DetectionConfig
from lima.data.lanes import random_generator
from lima.datasets.progress import CountProgress
from lima.evaluate.detection.anchor_head import AnchorHead
from lima.evaluate.detection.anchors import measured_shapes
from lima.evaluate.detection.balance import balanced_epoch, balanced_length
from lima.evaluate.detection.classes import DETECTION_CLASSES
from lima.evaluate.detection.detector import Detector
from lima.evaluate.detection.examples import Example, augmented, collate, read_example
from lima.evaluate.detection.object_bank import ObjectBank
from lima.evaluate.detection.sweeps import SweepHistory
from lima.evaluate.fractions import LabelList
from lima.train.checkpoint import Checkpoint
from lima.train.divergence import check_finite
from lima.train.epochs import Epochs
from lima.train.kept import Kept
from lima.train.norm import synchronise_batch_norms
from lima.train.processes import ALONE, Processes
from lima.train.schedule import one_cycle, set_learning_rate
from lima.train.trainer import training_type

BANK_FRAMES = 4000  # keyframes that things are gathered from at most


class Learner:
    """Everything that a checkpoint of a detector holds, and a step.

    An epoch is every labelled keyframe once or, class-balanced, as `balanced_epoch` draws them. Several processes share
    the keyframes of a step; the step is that of one process with all of them. seconds: what all steps so far took.
    """

    lanes = range(0)

    def __init__(
        self,
        detector: Detector,
        labels: LabelList,
        config: DetectionConfig,
        seed: int,
        processes: Processes = ALONE,
    ) -> None:
        processes.check_batch(config.batch)
        self.config, self.labels, self.seed, self.processes = config, labels, seed, processes
        self._histories = [SweepHistory(part.sequence, config.sweeps, config.max_age_s) for part in labels.chosen]
        parts = zip(self._histories, labels.chosen, strict=True)
        self._places = [(history, index) for history, part in parts for index in part.indices]
        self._examples = Kept(self._read)
        self.bank = ObjectBank(random_generator(seed, "things"))
        self.frames_of_class: list[list[int]] = [[] for _ in DETECTION_CLASSES]
        if config.class_balanced or config.ground_truth_sampling or config.detector.head == "second":
            self._look_through(detector)
        frames = balanced_length(self.frames_of_class) if config.class_balanced else len(labels)
        if frames == 0:
            raise ValueError(f"none of the {len(labels)} labelled keyframes has a box of a class that is detected")
        draw = self._draw_balanced if config.class_balanced else None
        self.epochs = Epochs(frames, config.batch, config.epochs, config.steps, seed, draw)
        self.steps = self.epochs.steps
        self.step = 0
        self.seconds = 0.0
        if processes.world_size > 1:
            synchronise_batch_norms(detector)
        self.detector = detector.to(processes.device).train().requires_grad_(True)
        self.optimiser = torch.optim.AdamW(
            detector.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

    @property
    def epoch(self) -> float:
        """How many epochs are done."""
        return self.epochs.done(self.step)

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
        started = time.perf_counter()
        device, peak_rate = self.processes.device, self.config.learning_rate
        numbers = self.epochs.frames_of_step(self.step)
        tokens = [self.labels.tokens[number] for number in numbers]
        places = self.processes.share(len(numbers))
        examples = [self._changed(self._examples[numbers[place]], place) for place in places]
        batch, seconds = collate(examples)
        boxes = [example.boxes.to(device) for example in examples]
        with torch.autocast(device.type, torch.bfloat16, enabled=training_type(device) == torch.bfloat16):
            parts = self.detector.loss(batch.to(device), seconds.to(device), boxes, self.processes)
        loss = torch.stack(list(parts.values())).sum()
        own = [float(value.detach()) for value in (loss, *parts.values())]
        total, *values, count = self.processes.sums([*own, float(sum(map(len, boxes)))])
        check_finite(total, "loss", self.step + 1, tokens, peak_rate)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.processes.sum_gradients(self.detector.parameters())
        norm = float(nn.utils.clip_grad_norm_(self.detector.parameters(), self.config.clip_norm))
        check_finite(norm, "gradient", self.step + 1, tokens, peak_rate)
        learning_rate = one_cycle(self.step, self.steps, peak_rate)
        set_learning_rate(self.optimiser, learning_rate)
        self.optimiser.step()
        self.step += 1
        self.seconds += time.perf_counter() - started
        return {
            "step": self.step,
            "epoch": self.epoch,
            "loss": {"total": total, **dict(zip(parts, values, strict=True))},
            "learning_rate": learning_rate,
            "gradient_norm": norm,
            "boxes": int(count),
        }

    def _look_through(self, detector: Detector) -> None:
        """One pass over the labelled keyframes: which classes each holds, things for the bank, sizes for anchors."""
        gathered = torch.randperm(len(self._places), generator=random_generator(self.seed, "bank"))[:BANK_FRAMES]
        from_these = set(gathered.tolist())
        boxes = []
        name = "looking through the labelled keyframes"
        with CountProgress(name, len(self._places), "keyframes", quiet=not self.processes.first) as progress:
            for number in range(len(self._places)):
                example = self._examples[number]
                for cls in torch.unique(example.boxes.classes).tolist():
                    self.frames_of_class[cls].append(number)
                if self.config.ground_truth_sampling and number in from_these:
                    self.bank.add(example)
                boxes.append(example.boxes)
                progress.advance()
        if isinstance(detector.head, AnchorHead):
            detector.head.shapes.copy_(measured_shapes(boxes))

    def _draw_balanced(self, generator: torch.Generator) -> list[int]:
        return balanced_epoch(self.frames_of_class, generator)

    def _read(self, number: int) -> Example:
        return read_example(*self._places[number])

    def _changed(self, example: Example, place: int) -> Example:
        generator = random_generator(self.seed, "example", self.step, place)
        if self.config.ground_truth_sampling:
            example = self.bank.fill_up(example, generator)
        return augmented(example, generator) if self.config.augmentation else example

    def checkpoint(self) -> Checkpoint:
        """Everything needed to go on."""
        run = {
            "weights": self.detector.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "seconds": self.seconds,
        }
        return Checkpoint(self.step, run, {})

    def load(self, checkpoint: Checkpoint) -> None:
        """Go on where `checkpoint` was taken."""
        self.step = checkpoint.step
        self.detector.load_state_dict(checkpoint.run["weights"])
        self.optimiser.load_state_dict(checkpoint.run["optimiser"])
        self.seconds = checkpoint.run["seconds"]
