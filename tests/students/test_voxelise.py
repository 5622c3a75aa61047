"""Oracle: the definition in loops (floor of the coordinates, a dictionary of cells, sums), and the law of means."""

from __future__ import annotations

import math
from collections import defaultdict

import pytest
import torch
from torch import Tensor

from lima.scene import Batch
from lima.students.voxelise import INPUT_SCALE, Voxeliser


def make_batch(points: int = 400, reach_m: float = 4.0, sweeps: int = 2) -> Batch:
    generator = torch.Generator().manual_seed(0)
    positions = (torch.rand(points, 3, generator=generator) * 2 - 1) * reach_m
    intensity = torch.rand(points, generator=generator)
    sweep = torch.arange(points) * sweeps // points
    return Batch(positions, intensity, sweep, sweeps)


def cell_of(voxeliser: Voxeliser, sweep: int, point: list[float]) -> tuple[int, ...]:
    x, y, z = point
    if voxeliser.kind == "cylindrical":
        position = (math.hypot(x, y), math.degrees(math.atan2(y, x)), z)
        size = (voxeliser.size_m, voxeliser.azimuth_deg, voxeliser.size_m)
    else:
        position, size = (x, y, z), (voxeliser.size_m,) * 3
    return (sweep, *(math.floor(p / s) for p, s in zip(position, size, strict=True)))


@pytest.mark.parametrize("kind", ["cartesian", "cylindrical"])
def test_voxels_are_means_over_their_points(kind: str) -> None:
    batch = make_batch()
    voxeliser = Voxeliser(kind, 0.5, 7.0, max_range_m=4.5)  # type: ignore[arg-type]
    members: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for point, (position, sweep) in enumerate(
        zip(batch.points_lidar.tolist(), batch.sweep_of_point.tolist(), strict=True)
    ):
        if math.hypot(position[0], position[1]) <= 4.5:
            members[cell_of(voxeliser, sweep, position)].append(point)
    result = voxeliser(batch)
    assert [tuple(cell) for cell in result.voxels.coordinates.tolist()] == sorted(members)
    for voxel, cell in enumerate(sorted(members)):
        rows = members[cell]
        assert (result.voxel_of_point[rows] == voxel).all()
        inputs = torch.cat([batch.points_lidar[rows], batch.intensity[rows, None]], dim=1)
        mean = sum(inputs.double()) / len(rows) * torch.tensor(INPUT_SCALE).double()
        assert torch.allclose(result.voxels.features[voxel].double(), mean, atol=1e-5)
    outside = ~voxeliser.in_range(batch)
    assert 0 < int(outside.sum()) < len(outside)
    assert int((result.voxel_of_point == -1).sum()) == int(outside.sum()) == 400 - sum(map(len, members.values()))
    assert (result.voxel_of_point[outside] == -1).all()


def test_same_cell_of_two_sweeps_is_two_voxels() -> None:
    point = torch.tensor([[1.0, 2.0, 3.0]])
    batch = Batch.from_points([point, point], [torch.tensor([0.0]), torch.tensor([1.0])])
    voxels = Voxeliser("cartesian", 0.1, 1.0, 60.0)(batch).voxels
    assert voxels.coordinates[:, 0].tolist() == [0, 1]
    assert voxels.features[:, 3].tolist() == [0.0, INPUT_SCALE[3]]


def test_points_take_their_voxels_feature_and_those_beyond_the_range_zeros() -> None:
    points = torch.tensor([[0.01, 0.01, 0.01], [0.02, 0.02, 0.02], [50.0, 50.0, 0.0], [0.3, 0.0, 0.0]])
    batch = Batch.from_points([points], [torch.zeros(4)])
    result = Voxeliser("cartesian", 0.1, 1.0, 60.0)(batch)
    features = torch.tensor([[1.0, -1.0], [2.0, -2.0]])
    assert result.devoxelise(features).tolist() == [[1, -1], [1, -1], [0, 0], [2, -2]]


def test_gradient_of_devoxelising_is_counts_times_means() -> None:
    """d/dfeature of a sum over points = the sum over the voxel's points: the group's mean times its count."""
    batch = make_batch()
    result = Voxeliser("cartesian", 1.0, 1.0, max_range_m=4.5)(batch)
    features = torch.randn(len(result.voxels), 5, dtype=torch.float64, requires_grad=True)
    direction = torch.randn(len(batch.intensity), 5, dtype=torch.float64)
    (result.devoxelise(features) * direction).sum().backward()
    expected = torch.zeros_like(features)
    for point, voxel in enumerate(result.voxel_of_point.tolist()):
        if voxel >= 0:
            expected[voxel] = expected[voxel] + direction[point]
    assert features.grad is not None
    assert torch.allclose(features.grad, expected)


def test_a_feature_that_is_not_a_number_stays_out_of_points_beyond_the_range() -> None:
    batch = Batch.from_points([torch.tensor([[0.0, 0, 0], [99.0, 0, 0]])], [torch.zeros(2)])
    points = Voxeliser("cartesian", 0.1, 1.0, 60.0)(batch).devoxelise(torch.full((1, 2), torch.nan))
    assert points[0].isnan().all()
    assert points[1].tolist() == [0, 0]


@pytest.mark.parametrize("points", [0, 3])
def test_nothing_in_range(points: int) -> None:
    batch = Batch(torch.full((points, 3), 100.0), torch.zeros(points), torch.zeros(points, dtype=torch.int64), 1)
    result = Voxeliser("cartesian", 0.1, 1.0, 60.0)(batch)
    assert len(result.voxels) == 0
    assert result.devoxelise(torch.zeros(0, 7)).tolist() == [[0.0] * 7] * points


def test_the_order_of_points_does_not_matter() -> None:
    batch = make_batch(sweeps=1)
    order: Tensor = torch.randperm(len(batch.intensity))
    shuffled = Batch(batch.points_lidar[order], batch.intensity[order], batch.sweep_of_point, 1)
    voxeliser = Voxeliser("cartesian", 0.5, 1.0, 60.0)
    straight, other = voxeliser(batch), voxeliser(shuffled)
    assert torch.equal(straight.voxels.coordinates, other.voxels.coordinates)
    assert torch.equal(straight.voxel_of_point[order], other.voxel_of_point)
    assert torch.allclose(straight.voxels.features, other.voxels.features, atol=1e-6)


@pytest.mark.parametrize("sizes", [(0.0, 1.0, 60.0), (0.1, -1.0, 60.0), (0.1, 1.0, 0.0), (float("nan"), 1.0, 60.0)])
def test_impossible_sizes_are_refused(sizes: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        Voxeliser("cartesian", *sizes)
