"""Pretraining: from a folder of drives and a configuration to a student that has learned from the cameras."""

from __future__ import annotations

import signal
from collections.abc import Sequence as Series
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

from lima.config import PretrainConfig, default_cache_folder
from lima.data.between import with_between
from lima.datasets.readable import opened
from lima.encoder import save_student
from lima.scene import Sequence
from lima.teachers import load_teacher
from lima.teachers.cache import FeatureCache
from lima.train.announcement import announce_data, announce_run
from lima.train.checkpoint import read_last_checkpoint, write_checkpoint
from lima.train.interruption import Interrupted, StopSignals
from lima.train.loader import Loader, Teaching
from lima.train.log import Log
from lima.train.processes import Processes, start_processes
from lima.train.progress import RunProgress
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
        folder = _open_folder(out, data, config, sequences, resume, processes)
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


def _open_folder(
    out: Path, data: Path, config: PretrainConfig, sequences: Series[Sequence], resume: bool, processes: Processes
) -> RunFolder:
    if processes.first:
        tokens = [token for sequence in sequences for token in sequence.tokens]
        open_run_folder(out, data, config, tokens, resume)
    processes.wait_for_all()
    return RunFolder(out)


def pretrain_on(
    sequences: Series[Sequence], teaching: Teaching, folder: RunFolder, config: PretrainConfig, processes: Processes
) -> None:
    """The loop: the run in `folder` from its last checkpoint, or from the beginning, to its end."""
    trainer = Trainer([len(sequence) for sequence in sequences], teaching.dim, config, processes)
    progress = RunProgress(trainer.steps, config.log_every_steps, quiet=not processes.first)
    found = read_last_checkpoint(folder.checkpoints, trainer.own, processes, progress.say)
    if found is not None:
        trainer.load(found)
    for line in announce_data(sequences, trainer) + announce_run(sequences, teaching, trainer):
        progress.say(line)

    events = folder.tensorboard if config.tensorboard else None
    log_or_none = Log(folder.log, trainer.step, events) if processes.first else nullcontext()
    loader = Loader(
        sequences,
        trainer.lanes,
        trainer.own,
        teaching.features,
        config.method.occlusion_test,
        ahead=processes.device.type == "cuda",
        sweeps=config.method.sweeps,
    )
    with StopSignals() as signals, loader, progress, log_or_none as log:
        progress.start(trainer.step)
        while trainer.step < trainer.steps:
            logs = (trainer.step + 1) % config.log_every_steps == 0 or trainer.step + 1 == trainer.steps
            watch = Stopwatch(processes.device, exact=logs)
            loaded = loader.next()
            watch.lap("waiting")
            report = trainer.train(loaded, watch)
            progress.step(report.step, report.loss["total"], report.learning_rate)
            if log and logs:
                memory_bytes = sum(memory.nbytes for memory in trainer.method.memories)
                seconds = {**watch.seconds, "reading": loaded.seconds}
                log.write({**asdict(report), "memory_bytes": memory_bytes, "seconds": seconds})
            last = report.step == trainer.steps
            stop = processes.sums([float(signals.received)])[0] > 0 and not last
            if stop or last or report.step % config.checkpoint_every_steps == 0:
                write_checkpoint(folder.checkpoints, trainer.checkpoint(loaded.lanes_after), processes)
            if stop:
                raise Interrupted.after(signals.received or signal.SIGTERM, report.step, trainer.steps)
    if processes.first:
        save_student(folder.path, trainer.method.student, config.student)
        progress.say(f"the student is in {folder.path / 'student.safetensors'}")
    processes.wait_for_all()
