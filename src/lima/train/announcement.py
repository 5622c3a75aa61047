"""What a run says before it starts: what it will do, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence as Series

import torch
from torch import nn

from lima.method.voxel_sums import FIRST_CAPACITY
from lima.scene import Sequence
from lima.sparse.engines import engine_for
from lima.train.loader import Teaching
from lima.train.progress import size
from lima.train.trainer import Trainer, training_type


def announce_data(sequences: Series[Sequence], trainer: Trainer) -> list[str]:
    """The drives, how they are dealt to lanes, and the steps that this makes."""
    lanes, optimiser = trainer.lanes, trainer.config.optimiser
    lines = [
        f"{len(sequences)} drives with {lanes.keyframes} keyframes in split {trainer.config.split}; "
        f"{lanes.lanes} lanes in {trainer.processes.world_size} process(es) on {trainer.processes.device}"
    ]
    if len(lanes.stretches) > len(sequences):
        longest = max(stretch.frames for stretch in lanes.stretches)
        lines.append(
            f"fewer drives than lanes: they are cut into {len(lanes.stretches)} stretches of at most {longest} "
            f"keyframes, and the memory starts anew in each"
        )
    done = f", {trainer.step} of them done" if trainer.step else ""
    lines.append(
        f"{optimiser.epochs} epochs x {lanes.keyframes} keyframes / {lanes.lanes} lanes = {trainer.steps} steps{done}"
    )
    return lines


def announce_run(sequences: Series[Sequence], teaching: Teaching, trainer: Trainer) -> list[str]:
    """The networks and the memory; what the first keyframe takes stands for all."""
    method, config = trainer.method, trainer.config
    points = len(sequences[0].frame(0).sweep.points_lidar)
    seen = "its features are all in the cache"
    if teaching.missing:
        seen = f"{teaching.missing} frames are not in the cache yet: it looks at each once, on the way"
    lines = [
        f"teacher {teaching.name}: {seen}",
        f"student {config.student.backbone}: {_millions(method.student)} M parameters, and {_millions(method.head)} M "
        f"in the head, which is dropped at the end",
        _engine_line(trainer.processes.device),
    ]
    if config.method.sweeps:
        lines.append(
            f"up to {config.method.sweeps} sweeps between two keyframes enter the memory; each is one of its frames"
        )
    if config.method.frames > 1:
        bound = memory_bound_bytes(config.method.frames, points, teaching.dim)
        lines.append(
            f"memory of {config.method.frames} frames: at most {size(bound)} a lane for {points} points a sweep"
        )
    return lines


def memory_bound_bytes(frames: int, points: int, dim: int) -> int:
    """What a memory bank can hold at most: every point of every past frame in a voxel of its own.

    Per past voxel: the row of its frame (feature, position, slot) and its place in the sorted index and among the free
    ones. The rows of the sums (feature, position, count, key) lie in a slab that may be half empty.
    """
    voxels = (frames - 1) * points
    of_frame = 4 * dim + 12 + 8
    of_index = 8 + 8 + 8
    of_sums = 4 * dim + 12 + 4 + 8
    return voxels * (of_frame + of_index) + max(2 * (voxels + 1), FIRST_CAPACITY) * of_sums


def _engine_line(device: torch.device) -> str:
    engine = engine_for(device, training_type(device))
    return f"sparse convolution by the engine {engine.name}: {engine.details()}"


def _millions(module: nn.Module) -> str:
    return f"{sum(parameter.numel() for parameter in module.parameters()) / 1e6:.2f}"
