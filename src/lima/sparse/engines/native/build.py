"""Compiling the native engine: one shared object that holds it for every instruction set and type.

Needs nothing but a C compiler; knows nothing of torch, so that a build of a wheel can use it, too.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parent
TYPES = ("float", "double")
ROWS_AT_ONCE = 256
"""Rows that a thread sums at once in normalisation.c."""
COMMON_FLAGS = ("-O3", "-std=gnu11", "-fPIC", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math")


class CannotCompileError(Exception):
    """There is no compiler, or it failed; the message says which and how."""


@dataclass(frozen=True)
class InstructionSet:
    """name: suffix of the functions compiled for it. vector_bytes, registers: of the vector unit."""

    name: str
    vector_bytes: int
    registers: int
    flags: tuple[str, ...]


PLAIN = InstructionSet("plain", 16, 16, ())
NEON = InstructionSet("plain", 16, 32, ())
AVX2 = InstructionSet("avx2", 32, 16, ("-mavx2", "-mfma"))
AVX512 = InstructionSet("avx512", 64, 32, ("-mavx512f", "-mavx512vl", "-mavx512dq", "-mavx512bw", "-mfma"))


def instruction_sets() -> tuple[InstructionSet, ...]:
    """What can be compiled for on this kind of processor, in ascending order, as `lima_instruction_set` counts."""
    machine = platform.machine().lower()
    if machine in ("x86_64", "amd64"):
        return (PLAIN, AVX2, AVX512)
    return (NEON,) if machine in ("arm64", "aarch64") else (PLAIN,)


def find_compiler() -> str:
    """The compiler named by CC, else the first of cc, gcc and clang there is. Raises CannotCompileError."""
    asked = os.environ.get("CC")
    for name in (asked,) if asked else ("cc", "gcc", "clang"):
        if path := shutil.which(name.split()[0]):
            return path
    raise CannotCompileError(f"no C compiler: neither {asked or 'cc, gcc nor clang'} is installed")


def source_digest() -> str:
    """Changes with anything that changes what is compiled."""
    digest = hashlib.blake2b(digest_size=8)
    for file in (*sorted(SOURCES.glob("*.[ch]")), Path(__file__)):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def library_name() -> str:
    """A file name that differs wherever another library is needed."""
    return f"lima_native_{platform.system().lower()}_{platform.machine().lower()}_{source_digest()}.so"


def compile_library(target: Path, openmp: bool = True) -> None:
    """Compile everything to `target`, written beside and renamed. Raises CannotCompileError.

    openmp: leave the threads to the OpenMP library that is in the process when the object is loaded.
    """
    compiler = find_compiler()
    flags = (*COMMON_FLAGS, *(("-fopenmp",) if openmp else ("-pthread",)))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="compiling-") as folder:
        commands = [[compiler, *flags, "-c", str(SOURCES / "pairs.c"), "-o", f"{folder}/pairs.o"]]
        for real in TYPES:
            for isa in instruction_sets():
                name = f"{isa.name}_{real}"
                settings = (
                    f"-DREAL={real}",
                    f"-DVECTOR_BYTES={isa.vector_bytes}",
                    f"-DREGISTERS={isa.registers}",
                    f"-DNAME(x)=x##_{name}",
                    f"-DROWS_AT_ONCE={ROWS_AT_ONCE}",
                )
                for source in ("convolution", "normalisation"):
                    files = ("-c", str(SOURCES / f"{source}.c"), "-o", f"{folder}/{source}_{name}.o")
                    commands.append([compiler, *flags, *isa.flags, *settings, *files])
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(_run, commands))
        finished = f"{folder}/finished.so"
        # Without -fopenmp: the linker would bring in another OpenMP library than torch's.
        undefined = ("-undefined", "dynamic_lookup") if platform.system() == "Darwin" else ()
        threads = () if openmp else ("-pthread",)
        _run([compiler, "-shared", *undefined, *threads, *(c[-1] for c in commands), "-o", finished])
        os.replace(finished, target)


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise CannotCompileError(f"{command[0]} cannot be started: {error}") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise CannotCompileError(f"{command[0]} failed: {lines[0]}")
