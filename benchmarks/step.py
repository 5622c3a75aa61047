"""Where the time of a pretraining step goes, and what it costs to remember more frames.

    python benchmarks/step.py DATA --cache FOLDER [--recipe demo] [--split train] [--threads 1]

The budget is the median over warm steps of the recipe. The second table follows the longest drive with one lane and
times whole steps at its end, where a memory of k frames is full if the drive has as many.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from lima.config import PretrainConfig
from lima.datasets import open_dataset
from lima.method.cross_view import PointFeatures
from lima.method.memory import MemoryBank
from lima.recipes import RECIPES
from lima.scene import Sequence
from lima.teachers import load_teacher
from lima.teachers.cache import FeatureCache
from lima.train.loader import Loader, Teaching
from lima.train.processes import Processes, start_processes
from lima.train.progress import size
from lima.train.stopwatch import Stopwatch
from lima.train.trainer import Trainer

FRAMES = (1, 2, 4, 6, 12, 24)
WARM_UP_STEPS, STEPS = 2, 8


@dataclass
class TimedMemory:
    """A memory bank that tells the stopwatch when it begins and ends: what came before was the aggregation."""

    bank: MemoryBank
    lap: Callable[[str], None]

    def reset(self) -> None:
        self.bank.reset()

    def step(self, points_world: torch.Tensor, current: PointFeatures) -> PointFeatures:
        self.lap("aggregation over the cameras")
        target = self.bank.step(points_world, current)
        self.lap("memory")
        return target


class TimedTrainer:
    """A trainer whose parts report to a stopwatch, step after step."""

    def __init__(self, sequences: list[Sequence], teaching: Teaching, config: PretrainConfig, processes: Processes):
        self.trainer = Trainer([len(sequence) for sequence in sequences], teaching.dim, config, processes)
        self.watch = Stopwatch(processes.device)
        method = self.trainer.method
        self.banks = method.memories
        method.memories = [TimedMemory(bank, self._lap) for bank in self.banks]
        method.student.register_forward_pre_hook(lambda *_: self._lap("mixing and augmentation"))
        method.student.register_forward_hook(lambda *_: self._lap("student, forward"))
        method.head.register_forward_hook(lambda *_: self._lap("head"))
        self.loader = Loader(
            sequences, self.trainer.lanes, self.trainer.own, teaching.features, config.method.occlusion_test
        )

    def _lap(self, part: str) -> None:
        self.watch.lap(part)

    def step(self, clock: Callable[[], float]) -> dict[str, float]:
        """Seconds of every part of one step; `reading` is within `waiting`."""
        watch = self.watch = Stopwatch(self.trainer.processes.device, exact=True, clock=clock)
        loaded = self.loader.next()
        watch.lap("waiting for data")
        self.trainer.train(loaded, watch)
        seconds = watch.seconds
        seconds["loss"] = seconds.pop("student") + seconds.pop("targets")
        reading = {f"(reading: {part})": value for part, value in loaded.seconds.items()}
        return {
            "waiting for data": seconds.pop("waiting for data"),
            **{name: seconds.get(name, 0.0) for name in ("aggregation over the cameras", "memory")},
            **{name: seconds[name] for name in ("mixing and augmentation", "student, forward", "head", "loss")},
            "student and head, backward": seconds["backward"],
            "optimiser": seconds["optimiser"],
            **reading,
        }


def print_budget(
    sequences: list[Sequence],
    teaching: Teaching,
    config: PretrainConfig,
    processes: Processes,
    clock: Callable[[], float],
) -> None:
    timed = TimedTrainer(sequences, teaching, config, processes)
    with timed.loader:
        steps = [timed.step(clock) for _ in range(WARM_UP_STEPS + STEPS)][WARM_UP_STEPS:]
    total = statistics.median(sum(v for name, v in step.items() if not name.startswith("(")) for step in steps)
    print(f"\na step of {config.optimiser.lanes} lanes, median of {STEPS}: {total:.3f} s")
    for name in steps[0]:
        part = statistics.median(step[name] for step in steps)
        print(f"  {name:<32} {part:8.3f} s  {100 * part / total:5.1f} %")


def print_cost_of_frames(
    drive: Sequence, teaching: Teaching, config: PretrainConfig, processes: Processes, clock: Callable[[], float]
) -> None:
    print(f"\nthe last {STEPS} of {len(drive)} keyframes of {drive.name}, one lane, no mixing")
    print("  frames k     step  aggregation + memory     student   memory holds")
    for frames in FRAMES:
        one_lane = replace(
            config,
            method=replace(config.method, frames=frames, mixing="none"),
            optimiser=replace(config.optimiser, lanes=1),
        )
        timed = TimedTrainer([drive], teaching, one_lane, processes)
        with timed.loader:
            for _ in range(len(drive) - STEPS):
                keyframe = timed.loader.next().keyframes[0]
                step = keyframe.step
                timed.trainer.method.targets(
                    0, keyframe.frame.sweep, keyframe.seen.image_features, keyframe.seen.pairs, step.starts_sequence
                )
            steps = [timed.step(clock) for _ in range(STEPS)]
        targets = statistics.median(step["aggregation over the cameras"] + step["memory"] for step in steps)
        total = statistics.median(sum(v for name, v in step.items() if not name.startswith("(")) for step in steps)
        student = statistics.median(step["student, forward"] + step["student and head, backward"] for step in steps)
        held = size(timed.banks[0].nbytes)
        print(f"  {frames:8} {total:7.3f} s {targets:19.3f} s {student:9.3f} s {held:>14}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--recipe", choices=RECIPES, default="demo")
    parser.add_argument("--teacher")
    parser.add_argument("--split", default="train")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--busy", action="store_true", help="count the thread's own seconds: on one thread of a busy CPU"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config = RECIPES[options.recipe]()
    teacher_config = replace(config.teacher, name=options.teacher or config.teacher.name)
    config = replace(config, teacher=teacher_config, split=options.split)
    sequences = open_dataset(options.data).sequences(options.split)
    with start_processes() as processes:
        teacher = load_teacher(config.teacher.name, config.teacher.layers, device=processes.device)
        cache = FeatureCache(options.cache, teacher, config.teacher.image_height_px, config.teacher.image_width_px)
        cache.fill(sequences)
        teaching = Teaching(teacher.name, teacher.dim, cache.features)
        clock = time.thread_time if options.busy else time.perf_counter
        print(f"{options.recipe} on {processes.device}, {options.threads} thread(s), torch {torch.__version__}")
        print_budget(sequences, teaching, config, processes, clock)
        print_cost_of_frames(max(sequences, key=len), teaching, config, processes, clock)


if __name__ == "__main__":
    main()
