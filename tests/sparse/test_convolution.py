"""Convolution under autocast and within bounds of memory. Oracle: the same in single precision, and laws.

That it is right, whichever engine computes it, is tested in test_engines.py.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lima.sparse import InverseConv3d, KernelMaps, SparseTensor, StridedConv3d, SubmanifoldConv3d
from tests.sparse.voxel_sets import random_coordinates


def random_features(voxels: int, dim: int) -> Tensor:
    return torch.randn(voxels, dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()


def train_step(cells: Tensor, features: Tensor, layers: nn.ModuleList, engine: str | None = None) -> list[Tensor]:
    voxels = SparseTensor(features, cells, maps=KernelMaps(engine))
    for layer in layers:
        voxels = layer(voxels)
    return [
        voxels.features,
        *torch.autograd.grad(voxels.features.float().square().sum(), [features, *layers.parameters()]),
    ]


def small_network() -> nn.ModuleList:
    torch.manual_seed(0)
    return nn.ModuleList(
        [SubmanifoldConv3d(6, 16), StridedConv3d(16, 24), SubmanifoldConv3d(24, 24), InverseConv3d(24, 8)]
    )


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 2e-2), (torch.float16, 3e-3)])
def test_autocast_keeps_weights_and_their_gradients_in_single_precision(dtype: torch.dtype, tolerance: float) -> None:
    cells = random_coordinates(800, 6)
    features = random_features(len(cells), 6).detach().float().requires_grad_()
    layers = small_network()
    reference = train_step(cells, features, layers)
    with torch.autocast("cpu", dtype=dtype):
        values = train_step(cells, features, layers)
    assert values[0].dtype == dtype
    for value, expected in zip(values, reference, strict=True):
        assert (value.float() - expected).norm() < tolerance * expected.norm()
    assert all(gradient.dtype == torch.float32 for gradient in values[1:])


@pytest.mark.parametrize("pairs_at_once", [1, 200])
def test_small_groups_of_pairs_give_the_same_sums(pairs_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = random_coordinates(500, 6)
    features = random_features(len(cells), 6)
    layers = small_network().double()
    at_once = train_step(cells, features, layers, "torch")
    monkeypatch.setattr("lima.sparse.engines.pytorch.PAIRS_AT_ONCE", pairs_at_once)
    for value, expected in zip(train_step(cells, features, layers, "torch"), at_once, strict=True):
        assert torch.allclose(value, expected)


def test_memory_stays_with_the_largest_offset() -> None:
    """A training step of one layer keeps nothing but its inputs and its result, whatever the number of pairs."""
    cells = random_coordinates(3000, 8, batches=1)
    layer = SubmanifoldConv3d(4, 4)
    kept: list[Tensor] = []
    features = torch.ones(len(cells), 4, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda saved: kept.append(saved) or saved, lambda saved: saved):
        layer(SparseTensor(features, cells))
    assert sorted(tuple(saved.shape) for saved in kept) == sorted([(len(cells), 4), (27, 4, 4)])
