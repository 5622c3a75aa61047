"""Tables of pandas in pickle files, read without pandas and without running what the file says.

A pickle is a program: whoever unpickles a file from elsewhere runs it. Here it may name nothing but the handful of
types that a table of numbers and texts is made of, and all of them but numpy's arrays are stand-ins of ours that only
keep what they are given. So files that pandas 0.25 wrote and files of today are read alike, whatever is installed.
"""

from __future__ import annotations

import gzip
import io
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from lima.datasets.scan_files import reading

_PLAIN = "biufUSO"  # kinds of numpy that a column may be


class _Frame:
    """Stands in for `pandas.DataFrame`: its state holds the blocks."""

    def __setstate__(self, state: Any) -> None:
        self.blocks: _Blocks = state["_mgr"] if "_mgr" in state else state["_data"]


class _Blocks:
    """Stands in for `BlockManager`: columns of one type lie together in a block. axes: columns, rows."""

    def __init__(self, blocks: Any = (), axes: Any = ()) -> None:
        self.blocks, self.axes = blocks, axes

    def __setstate__(self, state: Any) -> None:  # pandas before 1.3
        newest = state[3]["0.14.1"]
        self.axes = newest["axes"]
        self.blocks = tuple(_Block(block["values"], block["mgr_locs"]) for block in newest["blocks"])


class _Block:
    """Some columns: values (columns, rows), and which columns of the table they are."""

    def __init__(self, values: Any, places: Any, ndim: int = 2) -> None:
        self.values, self.places = values, places


class _IndexKind:
    """Stands in for the types of index, which all hold their values, but for the range."""


class _RangeIndexKind:
    """Stands in for `RangeIndex`."""


def _new_index(kind: Any, state: Any) -> Any:
    if kind is _RangeIndexKind:
        return range(state["start"], state["stop"], state["step"])
    return state["data"]


def _latin_bytes(text: Any, encoding: Any) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"bytes in {encoding}")
    return bytes(text, "latin1")


def _allowed() -> dict[tuple[str, str], Callable[..., Any]]:
    core = "numpy._core" if hasattr(np, "_core") else "numpy.core"
    array = __import__(f"{core}.multiarray", fromlist=["_reconstruct", "scalar"])
    numeric = __import__(f"{core}.numeric", fromlist=["_frombuffer"])
    names: dict[tuple[str, str], Callable[..., Any]] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("builtins", "slice"): slice,
        ("__builtin__", "slice"): slice,
        ("_codecs", "encode"): _latin_bytes,
    }
    for module in ("numpy.core", "numpy._core"):
        names[f"{module}.multiarray", "_reconstruct"] = array._reconstruct
        names[f"{module}.multiarray", "scalar"] = array.scalar
        names[f"{module}.numeric", "_frombuffer"] = numeric._frombuffer
    for module in ("pandas", "pandas.core.frame"):
        names[module, "DataFrame"] = _Frame
    for module in ("pandas.core.internals", "pandas.core.internals.managers"):
        names[module, "BlockManager"] = _Blocks
    names["pandas._libs.internals", "_unpickle_block"] = _Block
    names["pandas.core.internals.blocks", "new_block"] = _Block
    names["pandas.core.indexes.base", "_new_Index"] = _new_index
    for module in ("pandas", "pandas.core.indexes.base", "pandas.core.indexes.numeric"):
        for kind in ("Index", "Int64Index", "UInt64Index", "Float64Index"):
            names[module, kind] = _IndexKind
    for module in ("pandas", "pandas.core.indexes.range"):
        names[module, "RangeIndex"] = _RangeIndexKind
    return names


class _Unpickler(pickle.Unpickler):
    allowed = _allowed()

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no table of numbers and texts needs")
        return self.allowed[module, name]


def read_table(
    path: Path, what: str, columns: tuple[str, ...], optional: tuple[str, ...] = ()
) -> dict[str, Shaped[np.ndarray, "rows"]]:
    """Columns of a table in a pickle, gzipped or not, in the order of its rows; others are left where they are.

    columns: those that have to be there. optional: those that are given where they are there. Raises
    FileNotFoundError, PermissionError, ValueError: also for a pickle that is anything but a table.
    """
    with reading(path, what):
        data = path.read_bytes()
    if not data:
        raise ValueError(f"{path} is empty, {what} was expected: a broken download? Copy it again")
    try:
        if path.suffix == ".gz":
            data = gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as problem:
        raise ValueError(f"{path} cannot be unpacked ({problem}): truncated? Copy it again") from None
    try:
        frame = _Unpickler(io.BytesIO(data)).load()
        found = _columns(frame)
    except pickle.UnpicklingError as problem:
        raise ValueError(f"{path} is no table that pandas wrote ({problem}); nothing of it was run") from None
    except Exception as problem:  # whatever a broken pickle may lead to
        told = (str(problem).splitlines() or [""])[0]
        raise ValueError(
            f"{path} is no table that pandas wrote ({type(problem).__name__}: {told}): truncated? Copy it again"
        ) from None
    missing = [name for name in columns if name not in found]
    if missing:
        raise ValueError(
            f"{path} has no column {missing[0]} (it has {', '.join(map(str, found)) or 'none'}), {what} was expected"
        )
    return {name: found[name] for name in (*columns, *optional) if name in found}


def _columns(frame: Any) -> dict[str, Shaped[np.ndarray, "rows"]]:
    if not isinstance(frame, _Frame):
        raise pickle.UnpicklingError(f"it holds a {type(frame).__name__.lstrip('_')}")
    names = list(frame.blocks.axes[0])
    rows = len(frame.blocks.axes[1])
    found: dict[str, np.ndarray] = {}
    for block in frame.blocks.blocks:
        places = np.arange(len(names))[block.places]
        values = block.values
        if values.dtype.kind not in _PLAIN or values.shape != (len(places), rows):
            raise pickle.UnpicklingError(f"it holds {values.dtype} of shape {values.shape} as columns {places}")
        found.update({names[place]: column for place, column in zip(places.tolist(), values, strict=True)})
    return {name: found[name] for name in names}
