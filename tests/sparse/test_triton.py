"""Oracle: torch's dense convolutions in double precision, the definition in loops, and laws.

tests/sparse/test_engines.py asks of every engine what an engine is; here is what only this one has. The kernels run on
a CUDA device, or with TRITON_INTERPRET=1 in Triton's interpreter, which `test_in_the_interpreter` starts where there is
neither. triton itself comes with torch's CUDA wheels: `pip install triton` beside others.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lima.sparse import KernelMap, KernelMaps
from lima.sparse.engines import Engine, PyTorchEngine
from lima.sparse.engines.triton import TritonEngine
from lima.sparse.engines.triton import engine as engine_module
from lima.sparse.engines.triton.row_tiles import row_order, row_tiles
from tests.fresh_process import modules_after
from tests.oracles.dense_conv import dense_inverse, dense_strided, dense_submanifold
from tests.sparse.voxel_sets import coordinates, random_coordinates

ENGINE = TritonEngine()
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cuda" if torch.cuda.is_available() and not INTERPRETED else "cpu"
HAS_TRITON = importlib.util.find_spec("triton") is not None
RUNS = HAS_TRITON and (INTERPRETED or DEVICE == "cuda")
CELLS = random_coordinates(250, 4)
TOLERANCE = {torch.float32: 1e-6, torch.bfloat16: 6e-3, torch.float16: 8e-4}

with_triton = pytest.mark.skipif(not HAS_TRITON, reason="triton is not installed: pip install triton")
running = pytest.mark.skipif(not RUNS, reason="kernels run on a CUDA device or with TRITON_INTERPRET=1")


@with_triton
@pytest.mark.slow
@pytest.mark.skipif(RUNS, reason="the kernels run right here")
def test_in_the_interpreter() -> None:
    """This file, and the shortest of the tests of all engines, without a GPU."""
    chosen = "not compiles and (test_triton or triton and (voxel or chain or large or contiguous))"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", __file__, str(Path(__file__).with_name("test_engines.py")), "-k", chosen],
        env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-5000:]


def test_it_is_an_engine() -> None:
    assert isinstance(ENGINE, Engine)


def test_triton_is_not_imported_before_it_is_needed() -> None:
    modules = modules_after("import lima.sparse.engines.triton")
    assert "lima.sparse.engines.triton.engine" in modules
    assert "triton" not in modules


@pytest.mark.parametrize(
    ("dtype", "installed", "device", "capability", "words"),
    [
        (torch.float64, True, "cuda", (9, 0), "it takes float32, bfloat16, float16"),
        (torch.float32, False, "cuda", (9, 0), "triton is not installed"),
        (torch.float32, True, "cpu", (9, 0), "CUDA devices, others only with TRITON_INTERPRET=1"),
        (torch.float32, True, "cuda", (7, 5), "capability 8.0 or newer, this GPU has 7.5"),
        (torch.float32, True, "cuda", None, "no CUDA device"),
        (torch.bfloat16, True, "cuda", (8, 0), None),
    ],
)
def test_refusals_say_what_is_missing(
    dtype: torch.dtype,
    installed: bool,
    device: str,
    capability: tuple[int, int] | None,
    words: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(engine_module, "_triton_is_installed", lambda: installed)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: capability is not None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    engine_module._refusal_of_gpu.cache_clear()
    refusal = ENGINE.refusal(torch.device(device), dtype)
    engine_module._refusal_of_gpu.cache_clear()
    assert (refusal is None) if words is None else words in str(refusal)


def test_the_interpreter_takes_tensors_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(engine_module, "_triton_is_installed", lambda: True)
    assert ENGINE.refusal(torch.device("cpu"), torch.float32) is None


@pytest.mark.parametrize(("setting", "precision"), [("highest", "ieee"), ("high", "tf32")])
def test_single_precision_is_as_exact_as_torchs_matrix_products(setting: str, precision: str) -> None:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(setting)
    try:
        assert engine_module._precision(torch.float32) == precision
        assert engine_module._precision(torch.bfloat16) == "ieee"
    finally:
        torch.set_float32_matmul_precision(before)


@settings(deadline=None, max_examples=60)
@given(cells=coordinates(max_voxels=200), size=st.sampled_from([1, 2, 3, 5]), tall=st.booleans())
def test_tiles_hold_every_pair_once(cells: Tensor, size: int, tall: bool) -> None:
    maps = KernelMaps("torch")
    kernel_map = maps.submanifold(cells, 1, size, 1) if size % 2 else maps.strided(cells, 1, size, 2)[1]
    tiles = row_tiles(kernel_map, 128 if tall else 64)
    assert tiles.height == (128 if tall else 64)
    rows = sorted(tiles.rows.flatten().tolist())
    assert rows[: kernel_map.voxels_out] == list(range(kernel_map.voxels_out))
    assert set(rows[kernel_map.voxels_out :]) <= {kernel_map.voxels_out}
    assert len(rows) - kernel_map.voxels_out < tiles.height
    assert tiles.counts.tolist() == sorted(tiles.counts.tolist(), reverse=True)
    found = set()
    for tile, count in enumerate(tiles.counts.tolist()):
        offsets = tiles.offsets[tile].tolist()
        assert offsets[:count] == sorted(offsets[:count])
        assert sorted(offsets) == list(range(size**3))
        for entry, offset in enumerate(offsets):
            pairs = list(zip(tiles.neighbours[tile, entry].tolist(), tiles.rows[tile].tolist(), strict=True))
            seen = [(offset, i, o) for i, o in pairs if i >= 0]
            assert bool(seen) == (entry < count)
            found.update(seen)
    offset_of_pair = torch.arange(size**3).repeat_interleave(torch.tensor(kernel_map.counts))
    expected = set(zip(offset_of_pair.tolist(), kernel_map.inputs.tolist(), kernel_map.outputs.tolist(), strict=True))
    if kernel_map.symmetric:
        expected |= {(size**3 // 2, row, row) for row in range(len(cells))}
    assert found == expected


@settings(deadline=None, max_examples=60)
@given(
    present=st.integers(1, 130).flatmap(
        lambda offsets: st.lists(st.lists(st.sampled_from(range(offsets))), min_size=1, max_size=30).map(
            lambda rows: torch.tensor([[offset in row for row in rows] for offset in range(offsets)])
        )
    )
)
def test_rows_with_the_same_offsets_stand_together(present: Tensor) -> None:
    """Many more offsets than a number has bits, too."""
    order = row_order(present)
    assert sorted(order.tolist()) == list(range(present.shape[1]))
    sets = [tuple(present[:, row].tolist()) for row in order.tolist()]
    changes = sum(before != after for before, after in itertools.pairwise(sets))
    assert changes == len(set(sets)) - 1
    rows_of = present.sum(dim=1)
    rarest = int(rows_of.where(rows_of > 0, len(sets) + 1).argmin())
    has_rarest = [offsets[rarest] for offsets in sets]
    assert sum(before != after for before, after in itertools.pairwise(has_rarest)) <= 1, "the rarest stand together"


def test_from_one_set_of_offsets_to_the_next_one_comes_or_goes() -> None:
    """All sets of four offsets, shuffled, come out as a Gray code."""
    sets = torch.tensor(list(itertools.product([False, True], repeat=4)))
    sets = sets[torch.randperm(16, generator=torch.Generator().manual_seed(0))]
    in_order = sets[row_order(sets.T)]
    assert (in_order[1:] != in_order[:-1]).sum(dim=1).tolist() == [1] * 15


@with_triton
@settings(deadline=None, max_examples=40)
@given(cells=coordinates(), size=st.sampled_from([1, 2, 3]), most=st.integers(1, 20))
def test_parts_cut_every_offsets_pairs(cells: Tensor, size: int, most: int) -> None:
    from lima.sparse.engines.triton.weight_gradient import pair_lists

    maps = KernelMaps("torch")
    kernel_map = maps.submanifold(cells, 1, size, 1) if size % 2 else maps.strided(cells, 1, size, 2)[1]
    lists = pair_lists(kernel_map)
    assert sum(lists.counts) == kernel_map.products == len(lists.inputs) == len(lists.outputs)
    parts = lists.parts(most)
    firsts, spans = parts.firsts.tolist(), list(zip(parts.starts.tolist(), parts.stops.tolist(), strict=True))
    assert lists.parts(most) is parts
    assert [firsts[0], firsts[-1]] == [0, len(spans)]
    begin = 0
    for offset, count in enumerate(lists.counts):
        for start, stop in spans[firsts[offset] : firsts[offset + 1]]:
            assert start == begin
            assert 0 < stop - start <= most
            begin = stop
        assert begin == sum(lists.counts[: offset + 1])
        if kernel_map.symmetric and offset == size**3 // 2:
            assert lists.inputs[begin - count : begin].tolist() == list(range(len(cells)))
            assert lists.outputs[begin - count : begin].tolist() == list(range(len(cells)))


def maps_and_twins() -> dict[str, tuple[KernelMap, Callable[[Tensor, Tensor], Tensor]]]:
    """Over a few hundred voxels, found by the engine itself."""
    cells = CELLS.to(DEVICE)
    found = {}
    for size, dilation in ((1, 1), (3, 1), (3, 2), (5, 1)):
        kernel_map = KernelMaps("torch").submanifold(cells, 1, size, dilation)
        found[f"submanifold {size} {dilation}"] = (
            kernel_map, partial(lambda f, w, dilation: dense_submanifold(f, CELLS, w, dilation), dilation=dilation)
        )  # fmt: skip
    for size, step in ((2, 2), (3, 2), (3, 3)):
        maps = KernelMaps("torch")
        coarse, kernel_map = maps.strided(cells, 1, size, step)
        _, inverse = maps.inverse(coarse, step, size, step)
        found[f"strided {size} {step}"] = (
            kernel_map, partial(lambda f, w, step: dense_strided(f, CELLS, w, step), step=step)
        )  # fmt: skip
        found[f"inverse {size} {step}"] = (
            inverse, partial(lambda f, w, step: dense_inverse(f, CELLS, w, step), step=step)
        )  # fmt: skip
    return found


MAPS = maps_and_twins()


def randn(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return values.to(dtype).to(DEVICE)


def operands(kernel_map: KernelMap, in_dim: int, out_dim: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Features, weight and the gradient at the result."""
    offsets = len(kernel_map.counts)
    return (
        randn(kernel_map.voxels_in, in_dim, seed=0, dtype=dtype),
        randn(offsets, in_dim, out_dim, seed=1, dtype=dtype),
        randn(kernel_map.voxels_out, out_dim, seed=2, dtype=dtype),
    )


def value_and_gradients(
    kernel_map: KernelMap, features: Tensor, weight: Tensor, direction: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    value = ENGINE.forward(features, weight, kernel_map)
    at_features, at_weight = ENGINE.backward(features, weight, direction, kernel_map, True, True)
    assert at_features is not None
    assert at_weight is not None
    return value, at_features, at_weight


def assert_near(ours: Tensor, wanted: Tensor, tolerance: float) -> None:
    assert ours.shape == wanted.shape
    assert (ours.cpu().double() - wanted.cpu().double()).norm() <= tolerance * wanted.double().norm().cpu()


@running
@pytest.mark.parametrize("dtype", TOLERANCE, ids=lambda dtype: str(dtype).removeprefix("torch."))
@pytest.mark.parametrize(
    ("name", "in_dim", "out_dim"),
    [
        ("submanifold 1 1", 17, 32),
        ("submanifold 3 1", 1, 8),
        ("submanifold 3 1", 32, 17),
        ("submanifold 3 2", 8, 3),
        ("submanifold 5 1", 3, 1),
        ("strided 2 2", 17, 3),
        ("strided 3 2", 8, 17),
        ("strided 3 3", 32, 32),
        ("inverse 2 2", 32, 8),
        ("inverse 3 2", 1, 17),
        ("inverse 3 3", 3, 32),
    ],
)
def test_hundreds_of_voxels_equal_the_dense_twin(name: str, in_dim: int, out_dim: int, dtype: torch.dtype) -> None:
    kernel_map, twin = MAPS[name]
    features, weight, direction = operands(kernel_map, in_dim, out_dim, dtype)
    leaves = [features.cpu().double().requires_grad_(), weight.cpu().double().requires_grad_()]
    expected = twin(*leaves)
    wanted = [expected.detach(), *torch.autograd.grad(expected, leaves, direction.cpu().double())]
    for ours, exact in zip(value_and_gradients(kernel_map, features, weight, direction), wanted, strict=True):
        assert ours.dtype == dtype
        assert_near(ours, exact, TOLERANCE[dtype])


@running
@settings(deadline=None, max_examples=15)
@given(
    keys=st.sets(st.integers(-(2**62), 2**62) | st.integers(0, 300), min_size=1, max_size=200),
    wanted=st.sets(st.integers(-(2**62), 2**62) | st.integers(0, 300), max_size=150),
    steps=st.lists(st.integers(-40, 40) | st.just(2**40), max_size=4),
)
def test_hashing_finds_what_the_definition_finds(keys: set[int], wanted: set[int], steps: list[int]) -> None:
    inputs, outputs = sorted(keys), sorted(wanted)
    pairs = ENGINE.find_pairs(
        torch.tensor(inputs, device=DEVICE), torch.tensor(outputs, dtype=torch.int64, device=DEVICE), steps
    )
    expected = [
        [(inputs.index(key + step), row) for row, key in enumerate(outputs) if key + step in keys] for step in steps
    ]
    assert pairs.counts == tuple(map(len, expected))
    flat = [pair for of_step in expected for pair in of_step]
    assert list(zip(pairs.inputs.tolist(), pairs.outputs.tolist(), strict=True)) == flat


@running
def test_a_full_table_finds_every_key() -> None:
    """2048 keys in 4096 slots: many land on one another. What is found is what a binary search finds, in its order."""
    keys = torch.randint(0, 2**62, (2048,), generator=torch.Generator().manual_seed(0)).unique().to(DEVICE)
    assert len(keys) == 2048
    wanted = torch.cat([keys[::3] - 5, keys[1::3] + 7]).unique()
    ours, theirs = (engine.find_pairs(keys, wanted, [5, -7]) for engine in (ENGINE, PyTorchEngine()))
    assert ours.counts == theirs.counts == (683, 683)
    assert torch.equal(ours.inputs, theirs.inputs)
    assert torch.equal(ours.outputs, theirs.outputs)


@running
@pytest.mark.parametrize("dtype", TOLERANCE, ids=lambda dtype: str(dtype).removeprefix("torch."))
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("with_residual", [True, False])
def test_fused_is_unfused_rounded_once(with_residual: bool, relu: bool, dtype: torch.dtype) -> None:
    kernel_map, twin = MAPS["strided 3 2"]
    features, weight, residual = operands(kernel_map, 9, 33, dtype)
    scale, shift = randn(33, seed=3).float(), randn(33, seed=4).float()
    wanted = twin(features.cpu().double(), weight.cpu().double()) * scale.cpu() + shift.cpu()
    wanted = wanted + residual.cpu().double() if with_residual else wanted
    wanted = wanted.relu() if relu else wanted
    ours = ENGINE.forward_fused(features, weight, kernel_map, scale, shift, relu, residual if with_residual else None)
    assert ours.dtype == dtype
    assert_near(ours, wanted, TOLERANCE[dtype])


@running
def test_not_a_number_stays_one_through_relu() -> None:
    kernel_map, _ = MAPS["submanifold 1 1"]
    features, weight, _ = operands(kernel_map, 3, 4, torch.float32)
    features[7, 1] = torch.nan
    one, zero = torch.ones(4, device=DEVICE), torch.zeros(4, device=DEVICE)
    ours = ENGINE.forward_fused(features, weight, kernel_map, one, zero, True)
    assert ours[7].isnan().all()
    assert not ours[torch.arange(len(ours)) != 7].isnan().any()


@running
def test_neither_tiles_nor_their_configuration_change_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timing may choose any. The interpreter multiplies tiles as numpy does: there, small whole numbers."""
    from lima.sparse.engines.triton import tuning
    from lima.sparse.engines.triton.convolution import convolve_kernel
    from lima.sparse.engines.triton.weight_gradient import sum_parts_kernel

    results = []
    for tall in (False, True):
        monkeypatch.setattr("lima.sparse.engines.triton.row_tiles.TALL_FROM", 0 if tall else 10**9)
        kernel_map = KernelMaps("torch").submanifold(CELLS.to(DEVICE), 1, 3, 1)
        features, weight, direction = operands(kernel_map, 36, 70, torch.float16)
        if INTERPRETED:
            features, weight, direction = (x.mul(2).round() for x in (features, weight, direction))
        fitting = {"features": features, "out_dim": 36, "PRECISION": "ieee", "BLOCK_IN": 64, "BLOCK_ROWS": 64}
        configs = tuning.suitable(tuning.CONFIGS, fitting)
        for config in configs[:: 5 if INTERPRETED else 1]:
            for kernel in (convolve_kernel, sum_parts_kernel):
                monkeypatch.setattr(kernel, "configs", [config])
            results.append(value_and_gradients(kernel_map, features, weight, direction))
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            assert torch.equal(first, second)


@running
def test_a_sum_in_many_parts_is_the_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel_map, twin = MAPS["submanifold 3 1"]
    features, weight, direction = operands(kernel_map, 5, 6, torch.float32)
    monkeypatch.setattr("lima.sparse.engines.triton.weight_gradient.SMALLEST_PART", 16)
    monkeypatch.setattr("lima.sparse.engines.triton.weight_gradient.PROGRAMS", 10**6)
    results = [ENGINE.backward(features, weight, direction, kernel_map, False, True)[1] for _ in range(2)]
    leaf = weight.cpu().double().requires_grad_()
    value = twin(features.cpu().double(), leaf)
    assert results[0] is not None
    assert results[1] is not None
    assert torch.equal(*results)
    assert_near(results[0], torch.autograd.grad(value, leaf, direction.cpu().double())[0], 1e-6)


@with_triton
@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bf16", "tf32"])
def test_a_training_step_compiles_for_an_h100(dtype: str) -> None:
    """As far as the launches, on a stand-in: no spills, tensor cores as of Hopper, asynchronous copies, compiled once.

    TF32 wants some of its matrices the other way round and copies them number by number.
    """
    run = subprocess.run(
        [sys.executable, "-m", "tests.sparse.compile_triton", "--json", "--quick", "--dtypes", dtype,
         "--dims", "96", "96"],
        env={name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"},
        cwd=Path(__file__).parents[2], capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    records = [json.loads(line) for line in run.stdout.splitlines()]
    kernels = [record["kernel"] for record in records]
    assert {kernel: kernels.count(kernel) for kernel in kernels} == {
        "insert_kernel": 1, "look_up_kernel": 1, "convolve_kernel": 5, "sum_parts_kernel": 2, "add_parts_kernel": 1
    }  # fmt: skip
    for record in records:
        assert record["stack"] == record["LDL"] == record["STL"] == 0, record
        assert record["shared"] <= 227 * 1024, record
        if record["kernel"] in ("convolve_kernel", "sum_parts_kernel"):
            assert record["HGMMA"] > 0, record
            assert record["HMMA"] == 0, record
            assert record["wide"] > 0 or dtype == "tf32", record
