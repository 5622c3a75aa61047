"""Stages of a long piece of work, one after another: finished ones are kept, and redone when their settings change.

A stage leaves a small file in `FOLDER/stages`: a key made of its settings and of all the stages before it, whether it
was finished, and its seconds. A finished stage with the same key is skipped; one that was interrupted is run again and
finds what it had written; one whose key changed loses what it had written, as do all after it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from collections.abc import Sequence as Series
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lima import __version__
from lima.train.progress import duration
from lima.train.run_folder import write_atomically

MARKERS = "stages"


@dataclass(frozen=True)
class Stage:
    """One piece of the work.

    settings: everything that changes what it makes, as JSON can hold it. outputs: the files and folders that it makes,
    all inside the folder of the stages. run: does it, and goes on with what it finds of itself there.
    """

    name: str
    what: str
    settings: Any
    outputs: tuple[Path, ...]
    run: Callable[[], None]
    expected_seconds: float


@dataclass(frozen=True)
class Marker:
    """What is known of a stage. seconds: of all its attempts that ended by themselves or by Ctrl-C."""

    key: str
    finished: bool
    seconds: float
    attempts: int


def stage_keys(stages: Series[Stage]) -> list[str]:
    """The key of every stage: a digest of its settings, of the version of lima, and of the key before."""
    keys, before = [], __version__
    for stage in stages:
        text = json.dumps([before, stage.name, stage.settings], sort_keys=True, default=str)
        before = hashlib.sha256(text.encode()).hexdigest()
        keys.append(before)
    return keys


def unfinished(folder: Path, stages: Series[Stage]) -> list[Stage]:
    """The stages that `run_stages` would run."""
    return [
        stage for stage, key in zip(stages, stage_keys(stages), strict=True) if not _is_finished(folder, stage, key)
    ]


def run_stages(
    folder: Path,
    stages: Series[Stage],
    say: Callable[[str], None] = print,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Marker]:
    """Run what is not finished, in order; what every stage took, by its name.

    Whatever a stage raises ends it: the stages before it stay finished, and it continues the next time.
    """
    markers: dict[str, Marker] = {}
    for number, (stage, key) in enumerate(zip(stages, stage_keys(stages), strict=True), start=1):
        title = f"[{number}/{len(stages)}] {stage.what}"
        before = read_marker(folder, stage)
        if before is not None and before.key != key:
            say(f"{title}: settings changed, starting afresh")
            _remove_outputs(folder, stage)
            before = None
        if before is not None and _is_finished(folder, stage, key):
            say(f"{title}: kept ({before.seconds:.0f} s when it was made)")
            markers[stage.name] = before
            continue
        if before is not None and not before.finished:
            say(f"{title}: continued")
        else:
            say(f"{title}, about {duration(stage.expected_seconds)}")
            before = None
        markers[stage.name] = _run(folder, stage, key, before, clock)
        say(f"      {markers[stage.name].seconds:.0f} s")
    return markers


def read_marker(folder: Path, stage: Stage) -> Marker | None:
    """What an earlier run left about the stage; None where there is nothing, or nothing that can be read."""
    try:
        return Marker(**json.loads(_marker_file(folder, stage).read_text()))
    except (FileNotFoundError, json.JSONDecodeError, TypeError):
        return None


def _run(folder: Path, stage: Stage, key: str, before: Marker | None, clock: Callable[[], float]) -> Marker:
    attempts = 1 + (before.attempts if before else 0)
    seconds = before.seconds if before else 0.0
    _write_marker(folder, stage, Marker(key, False, seconds, attempts))
    start = clock()
    finished = False
    try:
        stage.run()
        missing = [path for path in stage.outputs if not path.exists()]
        assert not missing, f"stage {stage.name} has not made {missing}"
        finished = True
    finally:
        marker = Marker(key, finished, seconds + clock() - start, attempts)
        _write_marker(folder, stage, marker)
    return marker


def _is_finished(folder: Path, stage: Stage, key: str) -> bool:
    marker = read_marker(folder, stage)
    return marker is not None and marker.finished and marker.key == key and all(path.exists() for path in stage.outputs)


def _remove_outputs(folder: Path, stage: Stage) -> None:
    for path in stage.outputs:
        assert folder.resolve() in path.resolve().parents, f"{path} is not inside {folder}: it is not ours to remove"
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    _marker_file(folder, stage).unlink(missing_ok=True)


def _write_marker(folder: Path, stage: Stage, marker: Marker) -> None:
    file = _marker_file(folder, stage)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, json.dumps(asdict(marker)) + "\n")


def _marker_file(folder: Path, stage: Stage) -> Path:
    return folder / MARKERS / f"{stage.name}.json"
