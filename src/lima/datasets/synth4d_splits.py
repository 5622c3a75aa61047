"""The split lists of Synth4D, which come as pickles: read without running what else a pickle may hold."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lima.datasets.scan_files import reading

FILES = {"train": "training_split.pkl", "val": "validation_split.pkl"}
HARMLESS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
    ("_codecs", "encode"),
}


def synth4d_splits(folder: Path) -> dict[str, dict[str, frozenset[str]]]:
    """The names of the frames of every town, for the splits whose file is in the folder. Raises ValueError."""
    return {split: _towns(folder / name) for split, name in FILES.items() if (folder / name).is_file()}


class _Lists(pickle.Unpickler):
    """Knows dictionaries, lists and arrays only."""

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy.core", "numpy._core")  # as it is called since numpy 2
        if (module, name) not in HARMLESS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)


def _towns(path: Path) -> dict[str, frozenset[str]]:
    with reading(path, "the split lists"):
        data = path.read_bytes()
    try:
        towns = _Lists(io.BytesIO(data)).load()
    except Exception as problem:
        raise ValueError(
            f"{path} is no pickled lists of frames by town ({problem}): damaged, or not from Synth4D? A splits.json "
            f"of your own does as well"
        ) from None
    if not isinstance(towns, Mapping):
        raise ValueError(f"{path} holds {type(towns).__name__}, lists of frames by town were expected")
    return {
        str(town): frozenset(_stem(frame) for frame in np.asarray(frames).ravel()) for town, frames in towns.items()
    }


def _stem(frame: Any) -> str:
    return f"{int(frame):06d}" if isinstance(frame, int | np.integer) else Path(str(frame)).stem
