"""Oracle: torch's dense convolution over the whole box; a cell of the result is there where a kernel of ones meets an
occupied cell, which is spconv's definition."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lima.sparse import BoundedConv3d, SparseTensor

CELLS = (9, 8, 7)


def random_voxels(dim: int, seed: int = 0, sweeps: int = 2, shuffled: bool = False) -> SparseTensor:
    generator = torch.Generator().manual_seed(seed)
    occupied = torch.rand(sweeps, *CELLS, generator=generator) < 0.1
    cells = torch.nonzero(occupied)
    if shuffled:
        cells = cells[torch.randperm(len(cells), generator=generator)]
    return SparseTensor(torch.randn(len(cells), dim, generator=generator, dtype=torch.float64), cells)


def dense(voxels: SparseTensor, sweeps: int = 2) -> torch.Tensor:
    """(sweeps, dim, x, y, z)"""
    grid = voxels.features.new_zeros(sweeps, *CELLS, voxels.features.shape[1])
    grid[tuple(voxels.coordinates.T)] = voxels.features
    return grid.permute(0, 4, 1, 2, 3)


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize(
    ("kernel", "step", "padding"),
    [((3, 3, 3), (2, 2, 2), (1, 1, 1)), ((3, 3, 3), (2, 2, 2), (1, 1, 0)), ((1, 1, 3), (1, 1, 2), (0, 0, 0))],
)
def test_equals_the_dense_convolution(
    kernel: tuple[int, int, int], step: tuple[int, int, int], padding: tuple[int, int, int], shuffled: bool
) -> None:
    torch.manual_seed(0)
    convolution = BoundedConv3d(4, 5, kernel, step, padding, CELLS).double()
    voxels = random_voxels(4, shuffled=shuffled)
    features = voxels.features.requires_grad_(True)
    found = convolution(voxels)

    weight = convolution.weight.reshape(*kernel, 4, 5).permute(4, 3, 0, 1, 2)
    twin_features = voxels.features.detach().requires_grad_(True)
    expected = F.conv3d(dense(voxels.with_features(twin_features)), weight, stride=step, padding=padding)
    occupancy = dense(voxels.with_features(torch.ones(len(voxels), 1, dtype=torch.float64)))
    reached = (
        F.conv3d(occupancy, torch.ones(1, 1, *kernel, dtype=torch.float64), stride=step, padding=padding)[:, 0] > 0
    )

    assert convolution.cells_out == tuple(expected.shape[2:])
    assert torch.equal(found.coordinates, torch.nonzero(reached))
    assert found.stride == 1
    at = expected.permute(0, 2, 3, 4, 1)[reached]
    assert torch.allclose(found.features, at, atol=1e-12)

    weights = torch.randn_like(at)
    (found.features * weights).sum().backward()
    gradient, convolution.weight.grad = convolution.weight.grad, None
    (at * weights).sum().backward()
    assert torch.allclose(gradient, convolution.weight.grad, atol=1e-10)
    assert torch.allclose(features.grad, twin_features.grad, atol=1e-10)


def test_no_voxels_and_voxels_outside() -> None:
    convolution = BoundedConv3d(4, 5, (3, 3, 3), (2, 2, 2), (1, 1, 1), CELLS)
    nothing = SparseTensor(torch.zeros(0, 4), torch.zeros(0, 4, dtype=torch.int64))
    assert len(convolution(nothing)) == 0
    with pytest.raises(ValueError, match=r"a box of \(9, 8, 7\) cells, got \(batch, x, y, z\) = \(0, 0, 8, 0\)"):
        convolution(SparseTensor(torch.zeros(1, 4), torch.tensor([[0, 0, 8, 0]])))
    with pytest.raises(ValueError, match="too small for a kernel"):
        BoundedConv3d(4, 5, (3, 3, 3), (2, 2, 2), (0, 0, 0), (9, 9, 2))
