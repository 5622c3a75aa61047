"""How the inner loops are compiled: by numba, ahead of their first call, and kept on disk.

Compiling takes some fifteen seconds once per machine. The compiled code is kept in a folder named after a digest of
the sources that it was made from (every file that uses `kernel`, and the numbers in materials.py), so that it never
outlives a change in any of them: numba itself only looks at the file of the outermost function. The folder lies
beside the sources, in the user's cache where those are read-only, or in NUMBA_CACHE_DIR where that is set.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

os.environ.setdefault("NUMBA_NUM_THREADS", "1")  # nothing here runs in parallel inside a process

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def _cache_folder() -> Path:
    package = Path(__file__).parent
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(package.rglob("*.py")):
        text = source.read_bytes()
        if b"streetsim.kernels" in text or source.name == "materials.py":
            digest.update(text)
    name = f"kernels-{digest.hexdigest()[:16]}"
    if os.access(package, os.W_OK):
        return package / "__pycache__" / name
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "streetsim" / name


_FOLDER = os.environ.get("NUMBA_CACHE_DIR") or str(_cache_folder())


def kernel(signature: str) -> Callable[[Function], Function]:
    """Compile a function for exactly these argument types, from disk where it has been compiled before.

    Without fast-math, so that the same inputs give the same bytes on every machine of a kind.
    """

    def decorate(function: Function) -> Function:
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = _FOLDER
        try:
            compiled: Function = numba.njit(signature, cache=True, error_model="numpy", nogil=True)(function)
        finally:
            numba.config.CACHE_DIR = before
        return compiled

    return decorate
