"""The compiled library: found inside the package, or compiled once into the user's cache, and loaded."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from lima.sparse.engines.native.build import (
    SOURCES,
    CannotCompileError,
    compile_library,
    instruction_sets,
    library_name,
)

CACHE_VARIABLE = "LIMA_CACHE"
INSTRUCTION_SET_VARIABLE = "LIMA_NATIVE_INSTRUCTION_SET"
TYPES = {torch.float32: "float", torch.float64: "double"}

_pointer, _int64, _int = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int
_CONVOLVE = (*[_pointer] * 6, *[_int64] * 5, _int, _int, _int)
_WEIGHT_GRADIENT = (*[_pointer] * 7, *[_int64] * 5, _int)
_FIND_PAIRS = (_pointer, _int64, _pointer, _int64, _pointer, _int64, *[_pointer] * 4, _int)
_TILES = (*[_pointer] * 3, *[_int64] * 4, *[_pointer] * 3)


@dataclass(frozen=True)
class Library:
    """path: the file. instruction_set: the one in use. openmp: whether the threads are torch's own."""

    path: Path
    instruction_set: str
    openmp: bool
    find_pairs: Callable[..., Any]
    tiles: Callable[..., Any]
    convolve: dict[torch.dtype, Callable[..., Any]]
    weight_gradient: dict[torch.dtype, Callable[..., Any]]


def cache_folder() -> Path:
    """LIMA_CACHE, or `lima` in the user's cache folder."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lima"


@cache
def load_library() -> Library | str:
    """The library, or in words why there is none. It is compiled at the first call on a machine: a few seconds."""
    if platform.system() not in ("Linux", "Darwin"):
        return f"not made for {platform.system()}"
    inside = SOURCES / library_name()
    if inside.exists():
        return _open(inside)
    try:
        return _open(_compiled())
    except (CannotCompileError, OSError) as error:
        return str(error)


def _compiled() -> Path:
    """From the cache, compiled if need be; without OpenMP where its symbols are not in this process."""
    cached = cache_folder() / "native" / library_name()
    alone = cached.with_stem(cached.stem + "_pthreads")
    for file, openmp in ((cached, True), (alone, False)):
        if not file.exists():
            if openmp and not hasattr(ctypes.CDLL(None), "GOMP_parallel"):
                continue
            compile_library(file, openmp)
        try:
            _open(file)
        except OSError:
            if not openmp:
                raise
            continue
        return file
    raise AssertionError("the second way either returns or raises")


def _open(file: Path) -> Library:
    library = ctypes.CDLL(str(file))
    known = [isa.name for isa in instruction_sets()]
    name = os.environ.get(INSTRUCTION_SET_VARIABLE) or known[library.lima_instruction_set()]
    if name not in known:
        raise OSError(f"{INSTRUCTION_SET_VARIABLE} is {name!r}: here it may be {', '.join(known)}")

    def function(symbol: str, arguments: tuple[type, ...], result: type | None = None) -> Callable[..., Any]:
        found = getattr(library, symbol)
        found.argtypes, found.restype = arguments, result
        return found

    return Library(
        file,
        name,
        bool(library.lima_uses_openmp()),
        function("lima_find_pairs", _FIND_PAIRS),
        function("lima_tiles", _TILES),
        {dtype: function(f"lima_convolve_{name}_{real}", _CONVOLVE, _int) for dtype, real in TYPES.items()},
        {dtype: function(f"lima_weight_gradient_{name}_{real}", _WEIGHT_GRADIENT) for dtype, real in TYPES.items()},
    )
