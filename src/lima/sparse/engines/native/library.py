"""The compiled library: found inside the package, or compiled once into the user's cache, and loaded."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
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
_MOMENTS = (_pointer, _int64, _int64, *[_pointer] * 3, _int)
_AFFINE_RELU = (*[_pointer] * 6, _int64, _int64, _int, _int)
_GRADIENT_SUMS = (*[_pointer] * 4, _int64, _int64, *[_pointer] * 3, _int)
_AFFINE_RELU_GRADIENT = (*[_pointer] * 9, _int64, _int64, _int)


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
    moments: dict[torch.dtype, Callable[..., Any]]
    affine_relu: dict[torch.dtype, Callable[..., Any]]
    gradient_sums: dict[torch.dtype, Callable[..., Any]]
    affine_relu_gradient: dict[torch.dtype, Callable[..., Any]]


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
    cached = cache_folder() / "native" / library_name()
    openmp = hasattr(ctypes.CDLL(None), "GOMP_parallel")  # torch has brought in GCC's OpenMP
    fault = ""
    for file, compiled in (
        (SOURCES / library_name(), None),
        (cached, partial(compile_library, openmp=True) if openmp else None),
        (cached.with_stem(cached.stem + "_pthreads"), partial(compile_library, openmp=False)),
    ):
        try:
            if not file.exists():
                if compiled is None:
                    continue
                print(f"lima: compiling the native engine of sparse convolution, once: {file}", file=sys.stderr)
                compiled(file)
            return open_library(file)
        except (CannotCompileError, OSError) as error:
            fault = str(error)
    return fault


def open_library(file: Path) -> Library:
    """Loads the file. Raises OSError where it cannot be loaded here."""
    library = ctypes.CDLL(str(file))
    known = [isa.name for isa in instruction_sets()]
    possible = known[: library.lima_instruction_set() + 1]
    name = os.environ.get(INSTRUCTION_SET_VARIABLE) or possible[-1]
    if name not in possible:
        raise OSError(f"{INSTRUCTION_SET_VARIABLE} is {name!r}: here it may be {', '.join(possible)}")

    def function(symbol: str, arguments: tuple[type, ...], result: type | None = None) -> Callable[..., Any]:
        found = getattr(library, symbol)
        found.argtypes, found.restype = arguments, result
        return found

    def functions(
        symbol: str, arguments: tuple[type, ...], result: type | None = None
    ) -> dict[torch.dtype, Callable[..., Any]]:
        return {dtype: function(f"{symbol}_{name}_{real}", arguments, result) for dtype, real in TYPES.items()}

    return Library(
        file,
        name,
        bool(library.lima_uses_openmp()),
        function("lima_find_pairs", _FIND_PAIRS),
        function("lima_tiles", _TILES),
        functions("lima_convolve", _CONVOLVE, _int),
        functions("lima_weight_gradient", _WEIGHT_GRADIENT),
        functions("lima_moments", _MOMENTS),
        functions("lima_affine_relu", _AFFINE_RELU),
        functions("lima_gradient_sums", _GRADIENT_SUMS),
        functions("lima_affine_relu_gradient", _AFFINE_RELU_GRADIENT),
    )
