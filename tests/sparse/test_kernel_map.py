"""Oracle: the definition in loops over a dictionary of cells, which knows no keys, no sorting and no grid."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lima.sparse import KernelMap, KernelMaps
from lima.sparse.engines.pytorch import pair_groups
from tests.oracles.dense_conv import coarse_coordinates, generated_coordinates
from tests.sparse.voxel_sets import coordinates

Pairs = list[set[tuple[int, int]]]


def pairs_by_definition(inputs: Tensor, outputs: Tensor, kernel_size: int, step: int = 1, dilation: int = 1) -> Pairs:
    row_of_cell = {tuple(cell): row for row, cell in enumerate(inputs.tolist())}
    first = -(kernel_size // 2) if kernel_size % 2 else 0
    steps = range(first, first + kernel_size)
    pairs = []
    for dx, dy, dz in itertools.product(steps, steps, steps):
        seen = set()
        for row, (b, x, y, z) in enumerate(outputs.tolist()):
            cell = (b, x * step + dx * dilation, y * step + dy * dilation, z * step + dz * dilation)
            if cell in row_of_cell:
                seen.add((row_of_cell[cell], row))
        pairs.append(seen)
    return pairs


def pairs_of(kernel_map: KernelMap) -> Pairs:
    inputs, outputs = (rows.split(kernel_map.counts) for rows in (kernel_map.inputs, kernel_map.outputs))
    pairs = [set(zip(i.tolist(), o.tolist(), strict=True)) for i, o in zip(inputs, outputs, strict=True)]
    if kernel_map.symmetric:
        assert not pairs[len(pairs) // 2]
        pairs[len(pairs) // 2] = {(row, row) for row in range(kernel_map.voxels_in)}
    assert sum(map(len, pairs)) == kernel_map.products, "a pair occurs twice"
    return pairs


@settings(deadline=None, max_examples=60)
@given(cells=coordinates(), kernel_size=st.sampled_from([1, 3, 5]), dilation=st.integers(1, 3))
def test_submanifold_pairs_are_the_neighbours(cells: Tensor, kernel_size: int, dilation: int) -> None:
    kernel_map = KernelMaps().submanifold(cells, 1, kernel_size, dilation)
    assert pairs_of(kernel_map) == pairs_by_definition(cells, cells, kernel_size, dilation=dilation)
    assert kernel_map.voxels_in == kernel_map.voxels_out == len(cells)


@settings(deadline=None, max_examples=60)
@given(cells=coordinates(), kernel_size=st.integers(1, 4), step=st.integers(2, 3))
def test_strided_pairs_and_their_inverse(cells: Tensor, kernel_size: int, step: int) -> None:
    maps = KernelMaps()
    coarse, kernel_map = maps.strided(cells, 1, kernel_size, step)
    assert torch.equal(coarse, coarse_coordinates(cells, step))
    assert pairs_of(kernel_map) == pairs_by_definition(cells, coarse, kernel_size, step=step)
    fine, inverse = maps.inverse(coarse, step, kernel_size, step)
    assert fine is cells
    assert pairs_of(inverse) == [{(o, i) for i, o in pairs} for pairs in pairs_of(kernel_map)]
    assert (inverse.voxels_in, inverse.voxels_out) == (len(coarse), len(cells))


@settings(deadline=None, max_examples=60)
@given(cells=coordinates(max_voxels=15), kernel_size=st.integers(1, 4), step=st.integers(1, 3))
def test_generated_cells_and_pairs(cells: Tensor, kernel_size: int, step: int) -> None:
    """The pairs are those of the strided map between the same cells, read the other way round."""
    fine, kernel_map, maps = KernelMaps().generated(cells, step, kernel_size, step)
    assert torch.equal(fine, generated_coordinates(cells, kernel_size, step))
    strided = pairs_by_definition(fine, cells, kernel_size, step=step)
    assert pairs_of(kernel_map) == [{(o, i) for i, o in pairs} for pairs in strided]
    assert (kernel_map.voxels_in, kernel_map.voxels_out) == (len(cells), len(fine))
    assert maps.voxels(fine, 1).original is fine


@settings(deadline=None, max_examples=20)
@given(cells=coordinates(), data=st.data())
def test_cells_a_million_apart_meet_nobody(cells: Tensor, data: st.DataObject) -> None:
    """Moving everything by 2^20 changes no pair, and neither do strangers at both ends of such a grid."""
    shift = torch.tensor([0, *data.draw(st.tuples(*[st.sampled_from([-(2**20), 2**20]) for _ in range(3)]))])
    near = pairs_of(KernelMaps().submanifold(cells, 1, 3, 1))
    assert pairs_of(KernelMaps().submanifold(cells + shift, 1, 3, 1)) == near
    both = torch.cat([cells, cells + shift])
    far = [{(i + len(cells), o + len(cells)) for i, o in pairs} for pairs in near]
    assert pairs_of(KernelMaps().submanifold(both, 1, 3, 1)) == [a | b for a, b in zip(near, far, strict=True)]


@settings(deadline=None, max_examples=30)
@given(cells=coordinates(), pairs_at_once=st.integers(1, 60), symmetric=st.booleans())
def test_groups_hold_every_pair_once_and_sum_it_into_its_row(
    cells: Tensor, pairs_at_once: int, symmetric: bool
) -> None:
    maps = KernelMaps()
    kernel_map = maps.submanifold(cells, 1, 3, 1) if symmetric else maps.strided(cells, 1, 2, 2)[1]
    pairs: Pairs = [set() for _ in kernel_map.counts]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lima.sparse.engines.pytorch.PAIRS_AT_ONCE", pairs_at_once)
        groups = kernel_map.layout(pair_groups)
    for group in groups:
        assert len(group.inputs) <= pairs_at_once or len(group.counts) == 1
        parts = (rows.split(group.counts) for rows in (group.inputs, group.outputs))
        for members, inputs, outputs in zip(pairs[group.offsets], *parts, strict=True):
            members |= set(zip(inputs.tolist(), outputs.tolist(), strict=True))
        for row in range(kernel_map.voxels_out):
            of_row = group.order[group.starts[row] : group.starts[row + 1]]
            assert (group.outputs[of_row] == row).all()
            assert of_row.tolist() == sorted(of_row.tolist())
        assert sorted(group.order.tolist()) == list(range(len(group.inputs)))
    assert sum(len(group.inputs) for group in groups) == len(kernel_map.inputs)
    if symmetric:
        pairs[len(pairs) // 2] = {(row, row) for row in range(len(cells))}
    assert pairs == pairs_of(kernel_map)


def test_strides_chain() -> None:
    """Halving twice gives the same cells as quartering once."""
    cells = torch.cartesian_prod(torch.arange(2), torch.arange(-5, 4), torch.arange(-3, 3), torch.arange(0, 7))
    maps = KernelMaps()
    half, _ = maps.strided(cells, 1, 2, 2)
    quarter, _ = maps.strided(half, 2, 2, 2)
    assert torch.equal(quarter, KernelMaps().strided(cells, 1, 4, 4)[0])
    assert torch.equal(maps.strided(cells, 1, 4, 4)[0], quarter), "a resolution is known by its stride"


def test_maps_are_found_once() -> None:
    cells = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1]])
    maps = KernelMaps()
    assert maps.submanifold(cells, 1, 3, 1) is maps.submanifold(cells, 1, 3, 1)
    assert maps.submanifold(cells, 1, 3, 1) is not maps.submanifold(cells, 1, 3, 2)
    assert maps.strided(cells, 1, 2, 2)[1] is maps.strided(cells, 1, 2, 2)[1]
    generated = maps.generated(cells, 1, 2, 1)
    assert all(a is b for a, b in zip(maps.generated(cells, 1, 2, 1), generated, strict=True))


def test_generated_cells_are_the_start_of_another_set() -> None:
    """Whether their stride was known before or not, and once for every kernel."""
    cells = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1]])
    maps = KernelMaps("torch")
    coarse, _ = maps.strided(cells, 1, 2, 2)
    fine, _, own_maps = maps.generated(coarse, 2, 2, 2)
    assert own_maps.engine == "torch"
    assert len(fine) == 8
    assert own_maps.submanifold(fine, 1, 3, 1).voxels_in == 8
    assert maps.submanifold(cells, 1, 3, 1).voxels_in == 2
    assert maps.generated(coarse, 2, 3, 2)[2] is not own_maps


def test_no_voxels_have_no_pairs() -> None:
    nothing = torch.zeros(0, 4, dtype=torch.int64)
    maps = KernelMaps()
    assert maps.submanifold(nothing, 1, 3, 1).products == 0
    coarse, kernel_map = maps.strided(nothing, 1, 2, 2)
    assert len(coarse) == kernel_map.products == 0
    fine, kernel_map, _ = maps.generated(coarse, 2, 2, 2)
    assert len(fine) == kernel_map.products == 0


def test_int32_coordinates_are_as_good() -> None:
    cells = torch.tensor([[0, 3, 0, 0], [0, 2, 0, 1]])
    assert pairs_of(KernelMaps().submanifold(cells.int(), 1, 3, 1)) == pairs_of(
        KernelMaps().submanifold(cells, 1, 3, 1)
    )


@pytest.mark.parametrize("map_of", [KernelMaps.submanifold, KernelMaps.strided, KernelMaps.generated])
@pytest.mark.parametrize("last", [[0, 1, 2, 3], [0, 0, 0, 0]])
def test_a_repeated_voxel_is_refused(map_of: Callable[..., object], last: list[int]) -> None:
    cells = torch.tensor([[0, 1, 2, 3], [1, 1, 2, 3], [0, 0, 0, 0], last])
    with pytest.raises(ValueError, match=r"once, got 1 repetitions among 4 voxels, the first at .* = \(0, ") as error:
        map_of(KernelMaps(), cells, 1, 3, 1)
    assert str(tuple(last)) in str(error.value)


def test_a_grid_beyond_63_bits_is_refused() -> None:
    cells = torch.tensor([[0, 0, 0, 0], [0, 2**21, 2**21, 2**21]])
    with pytest.raises(ValueError, match="more than 63 bits: are the points in metres"):
        KernelMaps().submanifold(cells, 1, 3, 1)


def test_maps_refuse_another_batchs_voxels() -> None:
    maps = KernelMaps()
    maps.submanifold(torch.tensor([[0, 0, 0, 0]]), 1, 3, 1)
    with pytest.raises(ValueError, match="belong to other voxels of stride 1"):
        maps.submanifold(torch.tensor([[0, 0, 0, 1]]), 1, 3, 1)


def test_an_inverse_needs_what_it_undoes() -> None:
    with pytest.raises(ValueError, match="no strided convolution with kernel 2 and step 2 has led to stride 2"):
        KernelMaps().inverse(torch.tensor([[0, 0, 0, 0]]), 2, 2, 2)


@pytest.mark.parametrize(("kernel_size", "dilation", "words"), [(2, 1, "must be odd, got 2"), (3, 0, "1 or more")])
def test_impossible_kernels_are_refused(kernel_size: int, dilation: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        KernelMaps().submanifold(torch.tensor([[0, 0, 0, 0]]), 1, kernel_size, dilation)


@pytest.mark.parametrize("map_of", [KernelMaps.strided, KernelMaps.inverse, KernelMaps.generated])
@pytest.mark.parametrize(("kernel_size", "step"), [(0, 2), (2, 0)])
def test_impossible_windows_are_refused(map_of: Callable[..., object], kernel_size: int, step: int) -> None:
    with pytest.raises(ValueError, match=f"must be 1 or more, got {kernel_size} and {step}"):
        map_of(KernelMaps(), torch.tensor([[0, 0, 0, 0]]), 2, kernel_size, step)


def test_a_stride_must_be_divisible() -> None:
    with pytest.raises(ValueError, match="with step 2 starts at a stride divisible by it, got 3"):
        KernelMaps().generated(torch.tensor([[0, 0, 0, 0]]), 3, 2, 2)
