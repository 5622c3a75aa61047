"""Pretraining: from a folder of drives and a configuration to a student that has learned from the cameras."""

from __future__ import annotations

from collections.abc import Sequence as Series
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lima.config import PretrainConfig, default_cache_folder
from lima.data.between import with_between
from lima.datasets.readable import opened
from lima.encoder import save_student
from lima.scene import Sequence
from lima.teachers import load_teacher
from lima.teachers.cache import FeatureCache
from lima.train.announcement import announce_data, announce_run
from lima.train.checkpoint import Checkpoint
from lima.train.loader import Loader, Teaching
from lima.train.loop import learn, next_step_is_logged
from lima.train.processes import Processes, start_processes
from lima.train.run_folder import RunFolder, open_run_folder
from lima.train.stopwatch import Stopwatch
from lima.train.trainer import Trainer


def pretrain(data: Path, out: Path, config: PretrainConfig, cache: Path | None = None, resume: bool = False) -> None:
    """Distil a teacher into a student along the drives in `data`, and leave the run in the folder `out`.

    cache: folder of the teacher's features; beside the dataset when None. What is missing there is computed on the way.
    resume: go on from the last checkpoint in `out`; on one CPU thread the weights at the end are bit for bit those of
    a run that was never stopped.

    Raises FileExistsError for a folder that is not empty without `resume`, ValueError for settings that do not fit the
    data or a loss that is not a number, and Interrupted, after a checkpoint, on SIGINT or SIGTERM.
    """
    with start_processes() as processes, opened(data, config.at_gap, config.skip_bad, processes) as dataset:
        sequences = dataset.sequences(config.split)
        everything = with_between(sequences, _sweeps(config))
        tokens = [token for sequence in sequences for token in sequence.tokens]
        folder = open_run_folder(out, data, config, tokens, resume, processes=processes)
        teacher = load_teacher(config.teacher.name, config.teacher.layers, processes.device, config.teacher.runtime)
        features = FeatureCache(
            cache or default_cache_folder(data), teacher, config.teacher.image_height_px, config.teacher.image_width_px
        )
        teaching = Teaching(teacher.name, teacher.dim, features.features, len(features.missing(everything)))
        pretrain_on(sequences, teaching, folder, config, processes)


def _sweeps(config: PretrainConfig) -> int:
    if config.method.sweeps and config.method.frames == 1:
        raise ValueError(
            f"--sweeps {config.method.sweeps} puts sweeps into the memory, and with --frames 1 there is none: leave "
            f"one of them out"
        )
    return config.method.sweeps


def pretrain_on(
    sequences: Series[Sequence], teaching: Teaching, folder: RunFolder, config: PretrainConfig, processes: Processes
) -> None:
    """The run in `folder` from its last checkpoint, or from the beginning, to its end."""
    trainer = Trainer([len(sequence) for sequence in sequences], teaching.dim, config, processes)
    loader = Loader(
        sequences,
        trainer.lanes,
        trainer.own,
        teaching.features,
        config.method.occlusion_test,
        ahead=processes.device.type == "cuda",
        sweeps=config.method.sweeps,
    )

    def announce() -> list[str]:
        return announce_data(sequences, trainer) + announce_run(sequences, teaching, trainer)

    with loader:
        events = folder.tensorboard if config.tensorboard else None
        learn(TrainerWithLoader(trainer, loader), folder, "pretrain", announce, tensorboard=events)
    if processes.first:
        save_student(folder.path, trainer.method.student, config.student)
        print(f"the student is in {folder.path / 'student.safetensors'}")
    processes.wait_for_all()


class TrainerWithLoader:
    """What `learn` drives: a trainer, and what reads for it, which may be steps ahead."""

    def __init__(self, trainer: Trainer, loader: Loader) -> None:
        self.trainer, self.loader = trainer, loader
        self.config, self.processes = trainer.config, trainer.processes
        self.lanes, self.steps = trainer.own, trainer.steps
        self._lanes_after: dict[str, Any] = {}

    @property
    def step(self) -> int:
        return self.trainer.step

    def train_step(self) -> dict[str, Any]:
        """Read a step and make it."""
        watch = Stopwatch(self.processes.device, exact=next_step_is_logged(self))
        loaded = self.loader.next()
        watch.lap("waiting")
        report = self.trainer.train(loaded, watch)
        self._lanes_after = loaded.lanes_after
        memory_bytes = sum(memory.nbytes for memory in self.trainer.method.memories)
        return {
            **asdict(report),
            "memory_bytes": memory_bytes,
            "seconds": {**watch.seconds, "reading": loaded.seconds},
        }

    def checkpoint(self) -> Checkpoint:
        """The trainer's, and where the lanes stand after the last step."""
        return self.trainer.checkpoint(self._lanes_after)

    def load(self, checkpoint: Checkpoint) -> None:
        """Before anything is read."""
        self.trainer.load(checkpoint)
