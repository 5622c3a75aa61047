"""Oracle: point by point with a dictionary of the voxels (tests/oracles/points.py), and laws of interpolation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lima.sparse import (
    KernelMaps,
    SparseTensor,
    devoxelise_nearest,
    devoxelise_trilinear,
    find_voxels,
    scatter_mean,
)
from tests.oracles.points import (
    slow_devoxelise_nearest,
    slow_devoxelise_trilinear,
    slow_find_voxels,
    slow_scatter_mean,
)
from tests.sparse.every_engine import on_every_device, on_every_engine, skip_if_refused
from tests.sparse.voxel_sets import coordinates, random_coordinates


@st.composite
def points(draw: st.DrawFn, cells: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Positions and batch entries: most of them in or around a voxel, on borders and centres too, some anywhere."""
    quarters = st.integers(-5, 9).map(lambda quarters: quarters / 4)
    around = st.one_of(quarters, st.floats(-1.25, 2.25, allow_subnormal=False))
    near = st.tuples(st.sampled_from(cells.tolist()), st.tuples(around, around, around))
    anywhere = st.tuples(st.just([3, 0, 0, 0]), st.tuples(*[st.floats(-20, 20, allow_subnormal=False)] * 3))
    drawn = draw(st.lists(st.one_of(near, near, near, anywhere), min_size=1, max_size=20))
    positions = [[c + offset for c, offset in zip(cell[1:], offsets, strict=True)] for cell, offsets in drawn]
    batch = draw(st.lists(st.booleans(), min_size=len(drawn), max_size=len(drawn)))
    batch_of_point = [cell[0] if same else 0 for (cell, _), same in zip(drawn, batch, strict=True)]
    return torch.tensor(positions, dtype=torch.float64) * stride, torch.tensor(batch_of_point)


def random_features(rows: int, dim: int) -> Tensor:
    return torch.randn(rows, dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def assert_same(ours: Callable[[Tensor], Tensor], twin: Callable[[Tensor], Tensor], features: Tensor) -> None:
    """Values, and the gradients of a linear form of them. The twin works on the CPU."""
    here, features = features.detach().requires_grad_(), features.detach().cpu().requires_grad_()
    value, expected = ours(here), twin(features)
    direction = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (gradient,) = torch.autograd.grad(value, here, direction.to(value.device))
    wanted = torch.zeros_like(features)
    if expected.requires_grad:  # where nothing is near, the twin does not touch the features
        (wanted,) = torch.autograd.grad(expected, features, direction)
    assert torch.allclose(value.cpu(), expected, rtol=1e-9, atol=1e-9)
    assert torch.allclose(gradient.cpu(), wanted, rtol=1e-9, atol=1e-9)


@on_every_device
@on_every_engine
@settings(deadline=None, max_examples=40)
@given(cells=coordinates(), stride=st.integers(1, 3), data=st.data())
def test_find_voxels(device: str, engine: str, cells: Tensor, stride: int, data: st.DataObject) -> None:
    skip_if_refused(engine, device)
    positions, batch = data.draw(points(cells, stride))
    voxels = SparseTensor(torch.zeros(len(cells), 1, device=device), cells.to(device), stride, KernelMaps(engine))
    found = find_voxels(voxels, positions.to(device), batch.to(device))
    assert found.tolist() == slow_find_voxels(cells, stride, positions, batch)


@on_every_device
@on_every_engine
@settings(deadline=None, max_examples=40)
@given(cells=coordinates(), stride=st.integers(1, 3), data=st.data())
def test_devoxelise_trilinear(device: str, engine: str, cells: Tensor, stride: int, data: st.DataObject) -> None:
    skip_if_refused(engine, device)
    positions, batch = data.draw(points(cells, stride))
    there = [x.to(device) for x in (cells, positions, batch)]

    def ours(features: Tensor) -> Tensor:
        return devoxelise_trilinear(SparseTensor(features, there[0], stride, KernelMaps(engine)), *there[1:])

    assert_same(
        ours,
        lambda features: slow_devoxelise_trilinear(features, cells, stride, positions, batch),
        random_features(len(cells), 5).to(device),
    )


rows_of_points = st.lists(st.integers(-1, 7), max_size=30)


@on_every_device
@settings(deadline=None, max_examples=60)
@given(voxel_of_point=rows_of_points, dim=st.sampled_from([1, 4, 17]))
def test_scatter_mean(device: str, voxel_of_point: list[int], dim: int) -> None:
    rows = torch.tensor(voxel_of_point, dtype=torch.int64, device=device)
    assert_same(
        lambda features: scatter_mean(features, rows, 8),
        lambda features: slow_scatter_mean(features, voxel_of_point, 8),
        random_features(len(rows), dim).to(device),
    )


@on_every_device
@settings(deadline=None, max_examples=60)
@given(voxel_of_point=rows_of_points.filter(bool), dim=st.sampled_from([1, 4, 17]))
def test_devoxelise_nearest(device: str, voxel_of_point: list[int], dim: int) -> None:
    rows = torch.tensor(voxel_of_point, dtype=torch.int64, device=device)
    assert_same(
        lambda features: devoxelise_nearest(features, rows),
        lambda features: slow_devoxelise_nearest(features, voxel_of_point),
        random_features(8, dim).to(device),
    )


@pytest.mark.parametrize("stride", [1, 3, 4])
def test_interpolation_is_exact_at_the_centres_of_voxels(stride: int) -> None:
    """To the bit, though neighbours are missing, and though one that counts nothing there is not a number."""
    cells = random_coordinates(300, 4)
    features = random_features(len(cells), 3).float()
    features[7] = torch.nan
    centres = (cells[:, 1:] + 0.5) * stride
    at_centres = devoxelise_trilinear(SparseTensor(features, cells, stride), centres, cells[:, 0])
    assert torch.equal(at_centres.nan_to_num(nan=99), features.nan_to_num(nan=99))


def test_interpolation_reproduces_linear_functions_where_all_eight_are_there() -> None:
    cells = torch.cartesian_prod(torch.arange(1), *[torch.arange(-3, 4)] * 3)
    coefficients = torch.tensor([[2.0, -1.0], [0.5, 3.0], [-4.0, 1.0]], dtype=torch.float64)
    features = (cells[:, 1:] + 0.5).double() @ coefficients + 7
    positions = torch.rand(500, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 6 - 2.5
    batch = torch.zeros(500, dtype=torch.int64)
    for stride in (1, 2):
        found = devoxelise_trilinear(SparseTensor(features, cells, stride), positions * stride, batch)
        assert torch.allclose(found, positions @ coefficients + 7, rtol=1e-12, atol=1e-12)


def test_constants_are_kept_wherever_a_voxel_is_near() -> None:
    """Every point of an occupied cell has that cell among its eight."""
    cells = random_coordinates(200, 4, batches=1)
    positions = cells[:, 1:] + torch.rand(len(cells), 3, generator=torch.Generator().manual_seed(0))
    voxels = SparseTensor(torch.full((len(cells), 2), 3.0), cells)
    assert torch.allclose(devoxelise_trilinear(voxels, positions, cells[:, 0]), torch.full((len(cells), 2), 3.0))


def test_a_point_with_nothing_around_it_takes_zeros() -> None:
    """The cell on which the point's share is zero counts as not there; another batch entry's cells do not count."""
    voxels = SparseTensor(torch.ones(2, 1), torch.tensor([[0, 0, 0, 0], [1, 9, 9, 9]]))
    positions = torch.tensor([[1.5, 0.5, 0.5], [1.4, 0.5, 0.5], [9.5, 9.5, 9.5], [1e4, 0.0, 0.0]])
    batch = torch.tensor([0, 0, 0, 0])
    assert devoxelise_trilinear(voxels, positions, batch).tolist() == [[0], [1], [0], [0]]
    assert find_voxels(voxels, positions, batch).tolist() == [-1, -1, -1, -1]


def test_positions_get_no_gradient() -> None:
    cells = random_coordinates(50, 2)
    features = torch.ones(len(cells), 2, requires_grad=True)
    positions = torch.rand(20, 3, requires_grad=True)
    devoxelise_trilinear(SparseTensor(features, cells), positions, torch.zeros(20, dtype=torch.int64)).sum().backward()
    assert features.grad is not None
    assert positions.grad is None


@pytest.mark.parametrize(("voxels", "points"), [(0, 0), (0, 3), (3, 0)])
def test_no_voxels_and_no_points(voxels: int, points: int) -> None:
    tensor = SparseTensor(torch.ones(voxels, 2, requires_grad=True), random_coordinates(50, 4)[:voxels])
    positions, batch = torch.full((points, 3), 100.0), torch.zeros(points, dtype=torch.int64)
    rows = find_voxels(tensor, positions, batch)
    assert rows.tolist() == [-1] * points
    for found in (devoxelise_trilinear(tensor, positions, batch), devoxelise_nearest(tensor.features, rows)):
        assert found.tolist() == [[0.0, 0.0]] * points
        assert torch.autograd.grad(found.sum(), tensor.features)[0].tolist() == [[0.0, 0.0]] * voxels
    assert scatter_mean(torch.ones(points, 2), rows, voxels).tolist() == [[0.0, 0.0]] * voxels


@on_every_device
def test_twice_the_same_is_bit_for_bit_the_same(device: str) -> None:
    cells = random_coordinates(500, 5).to(device)
    features = random_features(len(cells), 9).float().to(device).requires_grad_()
    positions = torch.rand(3000, 3, generator=torch.Generator().manual_seed(0)).to(device) * 10 - 5
    batch = torch.arange(3000, device=device) % 2
    runs = []
    for _ in range(2):
        voxels = SparseTensor(features, cells)
        rows = find_voxels(voxels, positions, batch)
        found = devoxelise_trilinear(voxels, positions, batch) + devoxelise_nearest(features, rows)
        means = scatter_mean(found, rows, len(cells))
        runs.append([means, *torch.autograd.grad(means.square().sum(), features)])
    for first, second in zip(*runs, strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 2e-2), (torch.float16, 2e-3)])
def test_lower_precisions_stay_near(dtype: torch.dtype, tolerance: float) -> None:
    cells = random_coordinates(500, 5)
    features = random_features(len(cells), 9)
    positions = torch.rand(1000, 3, generator=torch.Generator().manual_seed(0)) * 10 - 5
    batch = torch.arange(1000) % 2
    ours = devoxelise_trilinear(SparseTensor(features.to(dtype), cells), positions, batch)
    expected = devoxelise_trilinear(SparseTensor(features, cells), positions, batch)
    assert ours.dtype == dtype
    assert (ours.double() - expected).norm() < tolerance * expected.norm()
