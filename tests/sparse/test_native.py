"""Oracle: the engine in plain PyTorch, itself held to the dense twin in test_engines.py."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lima.sparse import KernelMap, KernelMaps
from lima.sparse.engines import engine_for
from lima.sparse.engines.native import NativeEngine, build, library
from lima.sparse.engines.native.library import Library, load_library, open_library
from lima.sparse.engines.pytorch import PyTorchEngine
from tests.sparse.voxel_sets import random_coordinates

NATIVE, TORCH = NativeEngine(), PyTorchEngine()
LOADED = load_library()
if isinstance(LOADED, str):
    pytest.skip(f"the native engine is not there: {LOADED}", allow_module_level=True)
assert isinstance(LOADED, Library)
KNOWN_SETS = [isa.name for isa in build.instruction_sets()]
SETS_HERE = KNOWN_SETS[: KNOWN_SETS.index(LOADED.instruction_set) + 1]


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def use(monkeypatch: pytest.MonkeyPatch, file: Path, instruction_set: str) -> None:
    monkeypatch.setenv(library.INSTRUCTION_SET_VARIABLE, instruction_set)
    opened = open_library(file)
    assert opened.instruction_set == instruction_set
    monkeypatch.setattr("lima.sparse.engines.native.engine.load_library", lambda: opened)


def some_maps() -> list[KernelMap]:
    """A symmetric map, a strided one, and its transpose; unsorted voxels, so that outputs do not ascend."""
    cells = random_coordinates(700, 6)
    maps = KernelMaps("torch")
    strided = maps.strided(cells, 1, 3, 2)[1]
    return [maps.submanifold(cells, 1, 3, 1), strided, strided.transposed]


def all_of(engine: NativeEngine | PyTorchEngine, kernel_map: KernelMap, in_dim: int, out_dim: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(kernel_map.voxels_in, in_dim, generator=generator, dtype=torch.float64)
    weight = torch.randn(len(kernel_map.counts), in_dim, out_dim, generator=generator, dtype=torch.float64)
    gradient = torch.randn(kernel_map.voxels_out, out_dim, generator=generator, dtype=torch.float64)
    results = [engine.forward(features, weight, kernel_map)]
    for result in engine.backward(features, weight, gradient, kernel_map, True, True):
        assert result is not None
        results.append(result)
    return results


@pytest.mark.parametrize("instruction_set", SETS_HERE)
@pytest.mark.parametrize("out_dim", [1, 7, 8, 16, 20, 33, 48, 64, 80, 96, 130])
def test_every_width_of_every_instruction_set(
    instruction_set: str, out_dim: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Widths around every number of vectors that a register block and a panel can have, and depths around rows."""
    use(monkeypatch, LOADED.path, instruction_set)
    for kernel_map in some_maps():
        for in_dim in (1, 4, 17, 48):
            ours, twin = all_of(NATIVE, kernel_map, in_dim, out_dim), all_of(TORCH, kernel_map, in_dim, out_dim)
            for value, expected in zip(ours, twin, strict=True):
                assert torch.allclose(value, expected, rtol=1e-12, atol=1e-11)


@settings(deadline=None, max_examples=40)
@given(
    keys=st.lists(st.integers(-50, 50), unique=True, max_size=40),
    wanted=st.lists(st.integers(-50, 50), unique=True, max_size=40),
    steps=st.lists(st.integers(-7, 7), max_size=9),
)
def test_pairs_are_those_of_the_definition(keys: list[int], wanted: list[int], steps: list[int]) -> None:
    keys, wanted = sorted(keys), sorted(wanted)
    pairs = [[(keys.index(w + s), row) for row, w in enumerate(wanted) if w + s in keys] for s in steps]
    tensors = torch.tensor(keys, dtype=torch.int64), torch.tensor(wanted, dtype=torch.int64)
    for engine in (NATIVE, TORCH):
        found = engine.find_pairs(*tensors, steps)
        assert found.counts == tuple(map(len, pairs))
        both = zip(found.inputs.tolist(), found.outputs.tolist(), strict=True)
        assert list(both) == [pair for of_step in pairs for pair in of_step]


@pytest.mark.parametrize("tile_rows", [1, 32, 100])
def test_tiles_of_any_size_give_the_same_bits(tile_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [all_of(NATIVE, kernel_map, 17, 20) for kernel_map in some_maps()]
    monkeypatch.setattr("lima.sparse.engines.native.engine.LEAST_TILE_ROWS", 1)
    monkeypatch.setattr("lima.sparse.engines.native.engine.TILE_ROWS", tile_rows)
    for kernel_map, values in zip(some_maps(), expected, strict=True):
        assert all(map(torch.equal, all_of(NATIVE, kernel_map, 17, 20), values))


def test_any_number_of_threads_gives_the_same_bits(threads: None) -> None:
    torch.set_num_threads(1)
    expected = [all_of(NATIVE, kernel_map, 40, 33) for kernel_map in some_maps()]
    for count in (2, 3, 7):
        torch.set_num_threads(count)
        for kernel_map, values in zip(some_maps(), expected, strict=True):
            assert all(map(torch.equal, all_of(NATIVE, kernel_map, 40, 33), values))


@pytest.mark.slow
def test_without_openmp_it_starts_threads_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: None
) -> None:
    build.compile_library(tmp_path / "alone.so", openmp=False)
    use(monkeypatch, tmp_path / "alone.so", LOADED.instruction_set)
    assert not open_library(tmp_path / "alone.so").openmp
    torch.set_num_threads(3)
    for kernel_map in some_maps():
        for value, expected in zip(all_of(NATIVE, kernel_map, 9, 33), all_of(TORCH, kernel_map, 9, 33), strict=True):
            assert torch.allclose(value, expected, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize(
    ("compiler", "words"),
    [
        ("no-such-compiler", "no C compiler: neither no-such-compiler is installed"),
        (sys.executable, "failed"),  # takes the flags for its own and fails
    ],
)
def test_without_a_working_compiler_torch_takes_over(
    compiler: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", compiler)
    monkeypatch.setenv(library.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr("lima.sparse.engines.native.engine.load_library", load_library.__wrapped__)
    cpu = torch.device("cpu")
    assert words in str(NATIVE.refusal(cpu, torch.float32))
    assert engine_for(cpu, torch.float32).name == "torch"
    with pytest.raises(ValueError, match=f"'native' cannot convolve torch.float32 on cpu: .*{words}"):
        engine_for(cpu, torch.float32, "native")


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(library.CACHE_VARIABLE, str(tmp_path / "file"))
    reason = load_library.__wrapped__()
    assert isinstance(reason, str)
    assert str(tmp_path / "file") in reason


def test_an_unknown_instruction_set_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(library.INSTRUCTION_SET_VARIABLE, "avx1024")
    with pytest.raises(OSError, match=r"LIMA_NATIVE_INSTRUCTION_SET is 'avx1024': here it may be .*plain"):
        open_library(LOADED.path)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_types_it_does_not_take_go_to_torch(dtype: torch.dtype) -> None:
    assert engine_for(torch.device("cpu"), dtype).name == "torch"
    with pytest.raises(ValueError, match=r"it takes torch.float32 and torch.float64"):
        engine_for(torch.device("cpu"), dtype, "native")


@pytest.mark.slow
def test_engines_tells_what_is_there(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lima", "engines"]
    environment = {**os.environ, "CC": "no-such-compiler", library.CACHE_VARIABLE: str(tmp_path)}
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert "no: no C compiler" in told
    assert "on cpu: torch for float32" in told
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert str(LOADED.path) in told
    assert "on cpu: native for float32, torch for bfloat16" in told
