"""Oracle: torch's dense pooling in double precision (tests/oracles/dense_pool.py), values and gradients, and laws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lima.sparse import AveragePool3d, GlobalPool, KernelMaps, MaxPool3d, SparseTensor
from lima.sparse.pooling import give_to_winners, give_to_winners_by_offset
from tests.oracles.dense_pool import dense_average_pool, dense_max_pool
from tests.sparse.every_engine import in_every_type, on_every_device
from tests.sparse.voxel_sets import coordinates, random_coordinates

WINDOWS = [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (4, 2), (4, 3), (5, 3)]
"""(kernel size, step): all that a coarse voxel sees something in, up to 5."""

windows = st.sampled_from(WINDOWS)
dims = st.sampled_from([1, 3, 17])
POOLS: dict[type[nn.Module], Callable[[Tensor, Tensor, int, int], Tensor]] = {
    MaxPool3d: dense_max_pool,
    AveragePool3d: dense_average_pool,
}


def random_features(voxels: int, dim: int) -> Tensor:
    return torch.randn(voxels, dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def value_and_gradient(function: Callable[[Tensor], Tensor], features: Tensor) -> tuple[Tensor, Tensor]:
    """And the gradient of a linear form of it, other weights for every number."""
    features = features.detach().requires_grad_()
    value = function(features)
    direction = torch.arange(1.0, value.numel() + 1, dtype=torch.float64).sin().view(value.shape).bfloat16()
    (gradient,) = torch.autograd.grad(value, features, direction.to(value))
    return value.detach().cpu(), gradient.cpu()


def pooled(pool: nn.Module, features: Tensor, cells: Tensor) -> Tensor:
    result: Tensor = pool(SparseTensor(features, cells.to(features.device))).features
    return result


@on_every_device
@pytest.mark.parametrize("pool", POOLS)
@settings(deadline=None, max_examples=40)
@given(cells=coordinates(), window=windows, dim=dims)
def test_the_dense_twin(device: str, pool: type[nn.Module], cells: Tensor, window: tuple[int, int], dim: int) -> None:
    features = random_features(len(cells), dim)
    ours = value_and_gradient(lambda f: pooled(pool(*window), f, cells), features.to(device))
    twin = value_and_gradient(lambda f: POOLS[pool](f, cells, *window), features)
    for value, expected in zip(ours, twin, strict=True):
        assert torch.allclose(value, expected, rtol=1e-12, atol=1e-12)


@on_every_device
@settings(deadline=None, max_examples=40)
@given(cells=coordinates(), window=windows, levels=st.integers(1, 3))
def test_among_equals_the_first_of_the_window_gets_the_gradient(
    device: str, cells: Tensor, window: tuple[int, int], levels: int
) -> None:
    """Whatever the order of the voxels: torch's dense pooling does the same, x counting slowest."""
    features = torch.randint(levels, (len(cells), 3), generator=torch.Generator().manual_seed(0)).double()
    ours = value_and_gradient(lambda f: pooled(MaxPool3d(*window), f, cells), features.to(device))
    twin = value_and_gradient(lambda f: dense_max_pool(f, cells, *window), features)
    for value, expected in zip(ours, twin, strict=True):
        assert torch.allclose(value, expected, rtol=1e-12, atol=1e-12)


@on_every_device
@in_every_type
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("window", [(2, 2), (3, 2)])
def test_every_type_to_its_own_rounding(
    device: str, dtype: torch.dtype, pool: type[nn.Module], window: tuple[int, int]
) -> None:
    """The largest is one of the inputs, exactly; a mean is rounded once, and its gradient once per summand."""
    cells = random_coordinates(500, 5)
    features = random_features(len(cells), 6).to(dtype)
    ours = value_and_gradient(lambda f: pooled(pool(*window), f, cells), features.to(device))
    twin = value_and_gradient(lambda f: POOLS[pool](f, cells, *window), features.double())
    assert ours[0].dtype == ours[1].dtype == dtype
    value_units, gradient_units = (0, 8) if pool is MaxPool3d else (1, 8)
    assert ((ours[0].double() - twin[0]).abs() <= value_units * torch.finfo(dtype).eps * twin[0].abs().max()).all()
    assert torch.allclose(ours[1].double(), twin[1], rtol=0, atol=gradient_units * torch.finfo(dtype).eps)


@on_every_device
@pytest.mark.parametrize("pool", POOLS)
def test_twice_the_same_is_bit_for_bit_the_same(device: str, pool: type[nn.Module]) -> None:
    """Windows that overlap, so that rows are added to from several."""
    cells = random_coordinates(3000, 8)
    features = random_features(len(cells), 33).float().to(device)
    runs = [value_and_gradient(lambda f: pooled(pool(3, 2), f, cells), features) for _ in range(2)]
    for first, second in zip(*runs, strict=True):
        assert torch.equal(first, second)


def test_a_mean_of_large_numbers_does_not_overflow() -> None:
    cells = torch.cartesian_prod(torch.arange(1), *[torch.arange(2)] * 3)
    voxels = SparseTensor(torch.full((8, 1), 60000.0, dtype=torch.float16), cells)
    assert AveragePool3d()(voxels).features.tolist() == [[60000.0]]
    assert GlobalPool("mean")(voxels, 1).tolist() == [[60000.0]]


@settings(deadline=None, max_examples=30)
@given(cells=coordinates(), window=windows)
def test_both_ways_to_give_to_the_winners_agree(cells: Tensor, window: tuple[int, int]) -> None:
    """In loops: every window gives its gradient to the row that won."""
    _, kernel_map = KernelMaps().strided(cells, 1, *window)
    generator = torch.Generator().manual_seed(0)
    members: list[list[int]] = [[] for _ in range(kernel_map.voxels_out)]
    for row, window_of_row in zip(kernel_map.inputs.tolist(), kernel_map.outputs.tolist(), strict=True):
        members[window_of_row].append(row)
    draws = torch.randint(2**30, (len(members), 3), generator=generator)
    winners = [
        [rows[draw % len(rows)] for draw in of_row] for rows, of_row in zip(members, draws.tolist(), strict=True)
    ]
    gradient = random_features(len(members), 3)
    expected = torch.zeros(len(cells), 3, dtype=torch.float64)
    for row, of_row in enumerate(winners):
        for channel, winner in enumerate(of_row):
            expected[winner, channel] += gradient[row, channel]
    for give in (give_to_winners, give_to_winners_by_offset):
        assert torch.allclose(give(gradient, torch.tensor(winners, dtype=torch.int32), kernel_map), expected)


def test_what_is_not_a_number_wins() -> None:
    """As in torch, wherever in the window it stands; infinities are numbers."""
    cells = torch.cartesian_prod(torch.arange(1), torch.arange(2), torch.arange(4), torch.arange(2))
    features = torch.stack([torch.arange(16.0), torch.full((16,), -torch.inf), torch.arange(16.0)], dim=1)
    for row in range(16):
        strange = features.clone()
        strange[row, 0], strange[row, 2] = torch.nan, torch.inf
        ours = MaxPool3d()(SparseTensor(strange, cells)).features
        assert torch.equal(ours.isnan(), dense_max_pool(strange, cells, 2, 2).isnan())
        assert torch.equal(ours.nan_to_num(nan=-1), dense_max_pool(strange, cells, 2, 2).nan_to_num(nan=-1))


@pytest.mark.parametrize("pool", POOLS)
def test_results_keep_resolution_and_maps_of_a_strided_convolution(pool: type[nn.Module]) -> None:
    cells = random_coordinates(100, 5)
    voxels = SparseTensor(random_features(len(cells), 2), cells, stride=2)
    result = pool(3, 2)(voxels)
    assert result.stride == 4
    assert result.maps is voxels.maps
    assert result.coordinates is voxels.maps.strided(cells, 2, 3, 2)[0]


@pytest.mark.parametrize("pool", POOLS)
def test_no_voxels(pool: type[nn.Module]) -> None:
    value, gradient = value_and_gradient(
        lambda f: pool()(SparseTensor(f, torch.zeros(0, 4, dtype=torch.int64))).features, torch.zeros(0, 5)
    )
    assert value.shape == gradient.shape == (0, 5)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize(("kernel_size", "step"), [(1, 2), (3, 3), (2, 3), (0, 1), (2, 0), (4, 5)])
def test_windows_that_miss_voxels_are_refused(pool: type[nn.Module], kernel_size: int, step: int) -> None:
    with pytest.raises(ValueError, match=f"windows of size {kernel_size} do not cover .* {step} times coarser"):
        pool(kernel_size, step)


@on_every_device
@pytest.mark.parametrize("mode", ["mean", "max"])
@settings(deadline=None, max_examples=40)
@given(cells=coordinates(), dim=dims, levels=st.sampled_from([2, 10**6]))
def test_global_pool_in_loops(device: str, mode: Literal["mean", "max"], cells: Tensor, dim: int, levels: int) -> None:
    """Of four entries, some without a voxel. Few levels make ties: the first in order of the cells wins."""
    features = torch.randint(levels, (len(cells), dim), generator=torch.Generator().manual_seed(0)).double() / levels

    def twin(features: Tensor) -> Tensor:
        results = []
        for entry in range(4):
            cells_of_entry = sorted((cell, row) for row, cell in enumerate(cells.tolist()) if cell[0] == entry)
            rows = [features[row] for _, row in cells_of_entry]
            if not rows:
                results.append(features.new_zeros(dim))
            elif mode == "mean":
                results.append(sum(rows) / len(rows))
            else:
                results.append(torch.stack([max(column, key=Tensor.item) for column in zip(*rows, strict=True)]))
        return torch.stack(results)

    there = cells.to(device)
    ours = value_and_gradient(lambda f: GlobalPool(mode)(SparseTensor(f, there), 4), features.to(device))
    for value, expected in zip(ours, value_and_gradient(twin, features), strict=True):
        assert torch.allclose(value, expected, rtol=1e-12, atol=1e-12)


def test_global_pool_of_no_voxels() -> None:
    value, gradient = value_and_gradient(
        lambda f: GlobalPool("max")(SparseTensor(f, torch.zeros(0, 4, dtype=torch.int64)), 2), torch.zeros(0, 3)
    )
    assert value.tolist() == [[0.0] * 3] * 2
    assert gradient.shape == (0, 3)


@pytest.mark.parametrize(("batch", "words"), [(2, r"0 to 1, got voxels of the entries 0 … 2"), (-1, r"got .* -1 … 0")])
def test_voxels_of_other_entries_are_refused(batch: int, words: str) -> None:
    cells = torch.tensor([[0, 0, 0, 0], [batch, 0, 0, 0]])
    with pytest.raises(ValueError, match=words):
        GlobalPool("mean")(SparseTensor(torch.zeros(2, 1), cells), 2)


def test_unknown_modes_are_refused() -> None:
    with pytest.raises(Exception, match="'sum'"):
        GlobalPool("sum")  # type: ignore[arg-type]
