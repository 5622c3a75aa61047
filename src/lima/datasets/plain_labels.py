"""Labels of a plain folder: a file for each sweep, and classes.yaml with the names of the numbers in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from lima.datasets.file_times import stem
from lima.datasets.labels import IGNORED, NO_CLASS
from lima.datasets.scan_files import load_array, reading
from lima.datasets.yaml_file import read_yaml

CLASSES_FILE = "classes.yaml"
ENDINGS = (".label", ".npy", ".bin")
ID_BITS = 0xFFFF  # of .label files; the upper half counts instances


@dataclass(frozen=True)
class LabelClasses:
    """The names of classes, "ignored" first, and the class of every number that a file may hold."""

    path: Path
    names: tuple[str, ...]
    class_of_id: Mapping[int, int]


def read_classes(path: Path) -> LabelClasses:
    """classes.yaml: number: name, one line each. Several numbers may have one name; "ignored" counts nowhere.

    Raises FileNotFoundError, PermissionError, ValueError.
    """
    found = read_yaml(path, "the classes of the labels")
    good = isinstance(found, dict) and all(
        isinstance(number, int) and 0 <= number <= ID_BITS and isinstance(name, str) for number, name in found.items()
    )
    if not good or not found:
        raise ValueError(
            f"{path} must give numbers from 0 to {ID_BITS} names, one a line, such as 0: {IGNORED}, 1: car; got "
            f"{str(found)[:80]}"
        )
    names = (IGNORED, *dict.fromkeys(found[number] for number in sorted(found) if found[number] != IGNORED))
    return LabelClasses(path, names, {number: names.index(name) for number, name in found.items()})


def label_files(folder: Path) -> Mapping[str, Path]:
    """Label files by the name of their sweep; none where there is no such folder. Raises ValueError for two of one."""
    if not folder.is_dir():
        return {}
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in ENDINGS and not path.name.startswith("."):
            if stem(path) in files:
                raise ValueError(f"{path} and {files[stem(path)].name} are both labels of sweep {stem(path)}: keep one")
            files[stem(path)] = path
    return files


def read_labels(path: Path, points: int, classes: LabelClasses) -> Int64[Tensor, "points"]:
    """The class of every point of the file. Raises FileNotFoundError, PermissionError, ValueError."""
    with reading(path, "the labels"):
        ids = _read_ids(path)
    if len(ids) != points:
        raise ValueError(
            f"{path} has labels for {len(ids)} points, its sweep has {points}: truncated, or of another sweep?"
        )
    table = np.full(ID_BITS + 1, NO_CLASS, dtype=np.int64)
    table[list(classes.class_of_id)] = list(classes.class_of_id.values())
    labels = table[np.clip(ids, 0, ID_BITS)]
    strange = (labels == NO_CLASS) | (ids < 0) | (ids > ID_BITS)
    if strange.any():
        raise ValueError(
            f"{path} has label ids {np.unique(ids[strange])[:8].tolist()}, which {classes.path} does not name: add "
            f"them there, as {IGNORED} if they mean nothing"
        )
    return torch.from_numpy(labels)


def _read_ids(path: Path) -> Int64[np.ndarray, "points"]:
    ending = path.suffix.lower()
    if ending == ".bin":
        return np.fromfile(path, dtype=np.uint8).astype(np.int64)
    if ending == ".label":
        if path.stat().st_size % 4:
            raise ValueError(f"{path} has {path.stat().st_size} bytes, no multiple of 4 (uint32 labels): truncated?")
        return (np.fromfile(path, dtype="<u4") & ID_BITS).astype(np.int64)
    ids = load_array(path, "the labels")
    if ids.dtype.kind not in "iu" or ids.ndim != 1:
        raise ValueError(f"{path} must be one row of whole numbers, got {ids.dtype} of shape {ids.shape}")
    return ids.astype(np.int64)
