"""The joined tables, kept in a file so that a large dataset opens quickly the second time.

The file lies beside the tables, or in the user's cache folder where that folder is not to be written. It is trusted
only as long as every table has the size and the time of change it had, and its checksums are right.
"""

from __future__ import annotations

import gc
import hashlib
import json
import logging
import os
import zipfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

import numpy as np

from lima.datasets.ego_track import EgoTrack, build_track
from lima.datasets.index import TABLES, NuScenesIndex, build_index
from lima.datasets.sweep_index import SweepIndex, build_sweep_index

FILE_NAME, SWEEPS_FILE_NAME, TRACK_FILE_NAME = "lima-index.npz", "lima-sweeps.npz", "lima-track.npz"
FORMATS = {FILE_NAME: 2, SWEEPS_FILE_NAME: 3, TRACK_FILE_NAME: 2}
"""of each file, to be raised with every change of what its arrays mean"""
SMALLEST_BYTES = 32 << 20  # smaller tables are read within a second and leave no file behind
BYTES_PER_SECOND = 5e7

Index = TypeVar("Index", NuScenesIndex, SweepIndex, EgoTrack)

logger = logging.getLogger(__name__)


def load_index(folder: Path, smallest_bytes: int = SMALLEST_BYTES) -> NuScenesIndex:
    """The index of a version folder: from its file where that is fresh, else from the tables.

    Raises FileNotFoundError for a missing table, and what `build_index` raises.
    """
    return _load(folder, FILE_NAME, NuScenesIndex, lambda: build_index(folder), smallest_bytes)


def load_sweeps(folder: Path, index: NuScenesIndex, smallest_bytes: int = SMALLEST_BYTES) -> SweepIndex:
    """What lies between the keyframes, likewise; in a file of its own, because not everybody needs it."""
    return _load(folder, SWEEPS_FILE_NAME, SweepIndex, lambda: build_sweep_index(folder, index), smallest_bytes)


def load_track(folder: Path, smallest_bytes: int = SMALLEST_BYTES) -> EgoTrack:
    """Where the vehicle was at every time, likewise."""
    return _load(folder, TRACK_FILE_NAME, EgoTrack, lambda: build_track(folder), smallest_bytes)


def _load(folder: Path, file_name: str, kind: type[Index], build: Callable[[], Index], smallest_bytes: int) -> Index:
    fingerprint, size_bytes = _fingerprint(folder, FORMATS[file_name])
    if size_bytes < smallest_bytes:
        return build()
    build = _without_collection(build)
    path = index_path(folder, file_name)
    if path.is_file():
        try:
            return _read(path, fingerprint, kind)
        except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile) as problem:
            logger.warning("%s is made anew from the tables: %s", path, problem)
    seconds = size_bytes / BYTES_PER_SECOND
    logger.info("reading %.1f GB of tables in %s: about %.0f s, once", size_bytes / 1e9, folder, seconds)
    index = build()
    try:
        _write(path, index, fingerprint)
    except OSError as problem:
        logger.warning("%s could not be written, the next opening will take as long: %s", path, problem)
    return index


def _without_collection(build: Callable[[], Index]) -> Callable[[], Index]:
    """Millions of rows come and go, none of them in a cycle: looking for cycles would take a fifth of the time."""

    def built() -> Index:
        was_on = gc.isenabled()
        gc.disable()
        try:
            return build()
        finally:
            if was_on:
                gc.enable()

    return built


def index_path(folder: Path, file_name: str = FILE_NAME) -> Path:
    """Beside the tables where their folder is meant to be written, else in the user's cache folder."""
    if folder.stat().st_mode & 0o222 and os.access(folder, os.W_OK):
        return folder / file_name
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lima"
    return cache / f"{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]}-{file_name}"


def _fingerprint(folder: Path, file_format: int) -> tuple[str, int]:
    """What the tables look like from outside, and their bytes together."""
    paths = {table: folder / f"{table}.json" for table in TABLES}
    for path in paths.values():
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing; a nuScenes version folder holds the tables {', '.join(TABLES)}: was the archive "
                f"with the metadata unpacked completely, and is {folder} the folder meant?"
            )
    for table in ("lidarseg", "attribute"):  # not every dataset has them
        if (folder / f"{table}.json").is_file():
            paths[table] = folder / f"{table}.json"
    states = {table: path.stat() for table, path in paths.items()}
    seen = {"format": file_format} | {table: [state.st_size, state.st_mtime_ns] for table, state in states.items()}
    return json.dumps(seen), sum(state.st_size for state in states.values())


def _write(path: Path, index: NuScenesIndex | SweepIndex | EgoTrack, fingerprint: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    arrays = {field.name: getattr(index, field.name) for field in fields(index)}
    try:
        with beside.open("wb") as file:
            np.savez(file, fingerprint=np.array(fingerprint), **arrays)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _read(path: Path, fingerprint: str, kind: type[Index]) -> Index:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        if str(arrays["fingerprint"]) != fingerprint:
            raise ValueError("it was made of other tables, or by another version")
        return kind(**{field.name: arrays[field.name] for field in fields(kind)})
