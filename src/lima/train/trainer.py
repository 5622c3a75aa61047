"""The state of a run, and one step of it."""

from __future__ import annotations

import math
from collections.abc import Sequence as Series
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from lima.config import PretrainConfig
from lima.data.lanes import Lanes, lanes_of_rank, random_generator
from lima.method.lima import LiMA, LossParts, StudentSweep
from lima.students.student import build_student
from lima.train.checkpoint import Checkpoint
from lima.train.divergence import check_finite
from lima.train.loader import Keyframe, LoadedStep
from lima.train.norm import synchronise_batch_norms
from lima.train.processes import Processes
from lima.train.schedule import build_optimiser, one_cycle, set_learning_rate
from lima.train.stopwatch import Stopwatch


@dataclass(frozen=True)
class StepReport:
    """What one step was like, over all processes. known_share: of the sweeps' points, those that had a target."""

    step: int
    epoch: float
    loss: dict[str, float]
    learning_rate: float
    gradient_norm: float
    points: int
    known_share: float


def training_type(device: torch.device) -> torch.dtype:
    """What the products of a step run in. On a CPU bfloat16 would be several times slower than float32."""
    return torch.bfloat16 if device.type == "cuda" else torch.float32


class Trainer:
    """Everything that a checkpoint holds, and what one process does with it in a step.

    lengths: keyframes of every sequence. With several processes, each has the same weights and optimiser, and the
    memories of its own lanes.
    """

    def __init__(self, lengths: Series[int], teacher_dim: int, config: PretrainConfig, processes: Processes) -> None:
        self.config, self.processes = config, processes
        lanes = config.optimiser.lanes
        self.own = lanes_of_rank(lanes, processes.rank, processes.world_size, paired=config.method.mixing != "none")
        self.lanes = Lanes(lengths, lanes, config.seed)
        self.steps = math.ceil(config.optimiser.epochs * sum(lengths) / lanes)
        self.step = 0
        torch.manual_seed(config.seed)
        self.method = LiMA(build_student(config.student), teacher_dim, len(self.own), config.method)
        if processes.world_size > 1:
            synchronise_batch_norms(self.method)
        self.method.to(processes.device).train()
        self.optimiser = build_optimiser(self.method.parameters(), config.optimiser)

    def train(self, loaded: LoadedStep, watch: Stopwatch) -> StepReport:
        """Make one step. Raises ValueError where the loss or the gradient is not a number, before weights change."""
        sweeps = [self._with_target(lane, keyframe) for lane, keyframe in enumerate(loaded.keyframes)]
        generators = [random_generator(self.config.seed, "lane", k.step.lane, self.step) for k in loaded.keyframes]
        watch.lap("targets")

        device = self.processes.device
        with torch.autocast(device.type, torch.bfloat16, enabled=training_type(device) == torch.bfloat16):
            parts = self.method.loss(sweeps, generators)
        watch.lap("student")

        loss, values = self._mean_over_processes(parts)
        self._check(sum(values.values()), "loss", loaded)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.processes.sum_gradients(self.method.parameters())
        watch.lap("backward")

        norm = float(nn.utils.clip_grad_norm_(self.method.parameters(), self.config.optimiser.clip_norm))
        self._check(norm, "gradient", loaded)
        learning_rate = one_cycle(self.step, self.steps, self.config.optimiser.learning_rate)
        set_learning_rate(self.optimiser, learning_rate)
        self.optimiser.step()
        self.step += 1
        watch.lap("optimiser")

        points, known = self.processes.sums(
            [float(sum(len(sweep.points_lidar) for sweep in sweeps)), float(sum(s.target.known.sum() for s in sweeps))]
        )
        return StepReport(
            step=self.step,
            epoch=self.step * self.lanes.lanes / self.lanes.keyframes,
            loss={"total": sum(values.values()), **values},
            learning_rate=learning_rate,
            gradient_norm=norm,
            points=int(points),
            known_share=known / points,
        )

    def _with_target(self, lane: int, keyframe: Keyframe) -> StudentSweep:
        device, seen, sweep = self.processes.device, keyframe.seen, keyframe.frame.sweep
        for past in keyframe.between:
            past_features = past.image_features.to(device, non_blocking=True)
            self.method.remember(lane, past.frame.sweep, past_features, past.pairs)
        image_features = seen.image_features.to(device, non_blocking=True)
        target = self.method.targets(lane, sweep, image_features, seen.pairs, keyframe.step.starts_sequence)
        return StudentSweep(
            sweep.points_lidar.to(device, non_blocking=True), sweep.intensity.to(device, non_blocking=True), target
        )

    def _mean_over_processes(self, parts: LossParts) -> tuple[torch.Tensor, dict[str, float]]:
        """This process's share of the loss, whose sum over the processes is the mean over all points; and its parts.

        Gradients of the shares are summed afterwards; batch norms already count every process's points.
        """
        named = {"distillation": parts.distillation}
        if self.config.method.mixing != "none":
            named["mixed"] = parts.mixed
        own = [value for part in named.values() for value in (float(part.total.detach()), float(part.points))]
        sums = self.processes.sums(own)
        totals, points = sums[::2], [max(count, 1.0) for count in sums[1::2]]
        loss = torch.stack([part.total / count for part, count in zip(named.values(), points, strict=True)]).sum()
        return loss, {name: total / count for name, total, count in zip(named, totals, points, strict=True)}

    def _check(self, value: float, what: str, loaded: LoadedStep) -> None:
        tokens = (keyframe.frame.token for keyframe in loaded.keyframes)
        check_finite(value, what, self.step + 1, tokens, self.config.optimiser.learning_rate)

    def checkpoint(self, lanes_after: dict[str, Any]) -> Checkpoint:
        """Everything needed to go on. lanes_after: where the lanes stand after the last step (they read ahead)."""
        random_states = {"cpu": torch.get_rng_state()}
        if self.processes.device.type == "cuda":
            random_states["cuda"] = torch.cuda.get_rng_state(self.processes.device)
        run = {
            "weights": self.method.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "lanes": lanes_after,
            "random_states": random_states,
        }
        memories = zip(self.own, self.method.memories, strict=True)
        return Checkpoint(self.step, run, {lane: memory.state_dict() for lane, memory in memories})

    def load(self, checkpoint: Checkpoint) -> None:
        """Go on where `checkpoint` was taken."""
        self.step = checkpoint.step
        self.method.load_state_dict(checkpoint.run["weights"])
        self.optimiser.load_state_dict(checkpoint.run["optimiser"])
        self.lanes.load_state_dict(checkpoint.run["lanes"])
        for lane, memory in zip(self.own, self.method.memories, strict=True):
            memory.load_state_dict(checkpoint.lanes[lane])
        torch.set_rng_state(checkpoint.run["random_states"]["cpu"].cpu())
        if "cuda" in checkpoint.run["random_states"] and self.processes.device.type == "cuda":
            torch.cuda.set_rng_state(checkpoint.run["random_states"]["cuda"].cpu(), self.processes.device)
