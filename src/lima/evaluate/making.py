"""How the numbers of a report were made: settings, data, machine, versions and time."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from collections.abc import Sequence as Series
from pathlib import Path

import torch

from lima.config import AtGap, PretrainConfig
from lima.datasets import open_dataset
from lima.evaluate.page import facts, folded, paragraph, preformatted
from lima.evaluate.runs import ReportedRun, random_student

MIXING_WORDS = """A fair reading: the runs differ in frames and in mixing. Mixing shows the student further, mixed
sweeps in every step, so a run with mixing sees more points per step and takes longer; the seconds above say how
much."""

DRIVES_LISTED = 30


def making_section(runs: Series[ReportedRun], data: Path, seconds: Mapping[str, float]) -> str:
    run = runs[-1]
    config = run.config
    student = random_student(config)
    weights = sum(parameter.numel() for parameter in student.parameters())
    versions = ", ".join(f"{package} {version}" for package, version in run.record.get("versions", {}).items())
    pairs = [
        ("data", str(data)),
        ("teacher", f"{config.teacher.name}, layers {list(config.teacher.layers)}, images "
                    f"{config.teacher.image_height_px} x {config.teacher.image_width_px} px"),
        ("student", f"{config.student.backbone}, width {config.student.width:g}, {config.student.voxels} voxels of "
                    f"{config.student.voxel_size_m:g} m, {weights:,} weights, features of width {student.dim}"),
        *((f"method, {other.title}", _method_words(other.config)) for other in runs),
        ("keyframes", f"{len(run.record.get('keyframes', []))} of the {config.split} split, "
                      f"{config.optimiser.epochs} epochs, {config.optimiser.lanes} lanes"),
        *_splits(data, runs[-1].config.at_gap),
        ("machine", machine()),
        ("versions", versions),
    ]  # fmt: skip
    if seconds:
        total = sum(seconds.values())
        stages = ", ".join(f"{stage} {value:.0f} s" for stage, value in seconds.items())
        pairs.insert(-2, ("time", f"{stages}; {total / 60:.1f} minutes together"))
    details = json.dumps({run.name: run.record["config"] for run in runs}, indent=1)
    return facts(pairs) + _mixing_words(runs) + folded("every setting of the runs", preformatted(details))


def _splits(data: Path, at_gap: AtGap) -> list[tuple[str, str]]:
    """The names of the drives of every split; nothing where the data have gone."""
    try:
        dataset = open_dataset(data, at_gap)
    except FileNotFoundError:
        return []
    splits = [(name, [sequence.name for sequence in dataset.sequences(name)]) for name in dataset.split_names]
    return [
        (f"{name}, {len(drives)} drives", ", ".join(drives[:DRIVES_LISTED]) + " …" * (len(drives) > DRIVES_LISTED))
        for name, drives in splits
        if name != "all"
    ]


def _method_words(config: PretrainConfig) -> str:
    method = config.method
    memory = f", places within {method.association_size_m:g} m ({method.association})" if method.frames > 1 else ""
    return f"{method.frames} frame{'s' * (method.frames > 1)}{memory}, mixing {method.mixing}, loss {method.loss}"


def _mixing_words(runs: Series[ReportedRun]) -> str:
    if len({run.config.method.mixing == "none" for run in runs}) < 2:
        return ""
    return paragraph(MIXING_WORDS)


def machine() -> str:
    """The processor, the threads that torch used, and the accelerator where there is one."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = models[0] if models else name
    words = f"{name}, {os.cpu_count()} cores, {torch.get_num_threads()} used by torch"
    return f"{words}, {torch.cuda.get_device_name()}" if torch.cuda.is_available() else words
