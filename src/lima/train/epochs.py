"""Which frames a step learns from."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from lima.data.lanes import random_generator


class Epochs:
    """A run through `frames` frames, `batch` at a time, over and over; an epoch's last batch holds what is left.

    steps: replaces `epochs` where it is given. draw: the order of one epoch from a random generator, `frames` numbers;
    every frame once when None. An epoch's order depends on the seed and its number alone.
    """

    def __init__(
        self,
        frames: int,
        batch: int,
        epochs: int,
        steps: int | None,
        seed: int,
        draw: Callable[[torch.Generator], list[int]] | None = None,
    ) -> None:
        if batch < 1 or epochs < 1 or (steps is not None and steps < 1):
            raise ValueError(
                f"at least one keyframe a step and one epoch or step are needed, got batch {batch}, epochs {epochs}, "
                f"steps {steps}"
            )
        self.frames, self.seed = frames, seed
        self.batch = min(batch, frames)
        self.steps_of_epoch = math.ceil(frames / self.batch)
        self.steps = steps or epochs * self.steps_of_epoch
        self._draw = draw or self._every_frame

    def done(self, steps: int) -> float:
        """How many epochs so many steps are."""
        return steps / self.steps_of_epoch

    def frames_of_step(self, step: int) -> list[int]:
        """The numbers of the frames of step `step`, counted from 0."""
        epoch, place = divmod(step, self.steps_of_epoch)
        order = self._draw(random_generator(self.seed, "epoch", epoch))
        return order[place * self.batch : (place + 1) * self.batch]

    def _every_frame(self, generator: torch.Generator) -> list[int]:
        return torch.randperm(self.frames, generator=generator).tolist()
