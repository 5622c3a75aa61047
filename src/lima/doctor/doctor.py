"""`lima doctor`: whether a driving log can be trusted, on the terminal, as JSON and as a page with pictures."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

from rich.console import Console

from lima.config import DoctorConfig
from lima.datasets import formats, open_dataset
from lima.datasets.plain_writer import write_whole
from lima.datasets.progress import CountProgress
from lima.doctor.as_json import as_json
from lima.doctor.examination import Examination, Judge, examine, forecast
from lima.doctor.finding import Finding
from lima.doctor.fits import Tolerance
from lima.doctor.page import examination_page
from lima.doctor.reference import Reference, read_reference
from lima.doctor.selection import choose
from lima.doctor.terminal import show
from lima.scene import Dataset, Sequence
from lima.train.interruption import Interrupted


def run_doctor(data: Path, config: DoctorConfig) -> Examination:
    """Look at a dataset, show what was found, and write the files that were asked for.

    What is broken about the data becomes a finding. Raises FileNotFoundError for a folder of no known format,
    ValueError for a split that there is not, or settings that make no sense, Interrupted where it was stopped.
    """
    for file in (config.json, config.html):
        if file is not None and not file.parent.is_dir():
            raise FileNotFoundError(f"{file} cannot be written: there is no folder {file.parent}")
    reference = Reference() if config.reference is None else read_reference(config.reference)
    judge = Judge(Tolerance(config.tolerance_deg, config.tolerance_m), reference)
    examination = _examination(data, config, judge)
    console = Console(highlight=False)
    show(console, examination)
    if config.json is not None:
        write_whole(config.json, json.dumps(as_json(examination), indent=1))
        console.print(f"written: {config.json}", markup=False)
    if config.html is not None:
        write_whole(config.html, examination_page(examination))
        console.print(f"written: {config.html}", markup=False)
    if examination.stopped:
        raise Interrupted(signal.SIGINT, "stopped; what is said above is of the drives that were done")
    return examination


def _examination(data: Path, config: DoctorConfig, judge: Judge) -> Examination:
    started = time.perf_counter()
    try:
        dataset, sequences = _opened(data, config.split)
    except _NoSuchSplitError:
        raise
    except (ValueError, OSError) as problem:
        if not data.is_dir() or not any(known.recognises(data) for known in formats()):
            raise
        broken = Finding("wrong", "reading", data.name, str(problem))
        return Examination(data.name, 0, (), (broken,), time.perf_counter() - started)
    chosen = choose(sequences, config.drives, config.frames)
    frames, images, seconds = forecast(chosen)
    with CountProgress(data.name, frames, "frames") as progress:
        progress.say(
            f"{dataset.name}: {len(chosen)} of {len(sequences)} drives, {frames} frames with {images} images, about "
            f"{_duration(seconds)} of one core; --drives and --frames look at more or less, Ctrl-C shows what is done"
        )
        return examine(dataset.name, sequences, chosen, judge, progress.advance)


def _opened(data: Path, split: str | None) -> tuple[Dataset, list[Sequence]]:
    dataset = open_dataset(data, "split")
    if split is not None and split not in dataset.split_names:
        raise _NoSuchSplitError(f"{data} has no split {split!r}; splits: {', '.join(dataset.split_names) or 'none'}")
    return dataset, dataset.sequences(split)


class _NoSuchSplitError(ValueError):
    """A mistake of the user's, not of the data."""


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
