"""Oracle: torch's dense convolutions in double precision (tests/oracles/dense_conv.py), values and gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lima.sparse import InverseConv3d, SparseTensor, StridedConv3d, SubmanifoldConv3d
from tests.oracles.dense_conv import dense_inverse, dense_strided, dense_submanifold
from tests.sparse.voxel_sets import coordinates, random_coordinates


class DownAndUp(nn.Module):
    """An inverse convolution behind the strided one that it undoes, whose features are replaced by given ones."""

    def __init__(self, in_dim: int, out_dim: int, kernel_size: int, step: int) -> None:
        super().__init__()
        self.down = StridedConv3d(1, 1, kernel_size, step)
        self.up = InverseConv3d(in_dim, out_dim, kernel_size, step)

    @property
    def weight(self) -> nn.Parameter:
        return self.up.weight

    def forward(self, cells: Tensor, coarse_features: Callable[[int], Tensor]) -> tuple[Tensor, Tensor]:
        coarse = self.down(SparseTensor(torch.zeros(len(cells), 1, dtype=self.weight.dtype), cells))
        features = coarse_features(len(coarse))
        fine = self.up(coarse.with_features(features))
        assert fine.coordinates is cells
        return features, fine.features


def assert_same(ours: Tensor, twin: Tensor, features: Tensor, weight: Tensor, tolerance: float = 1e-12) -> None:
    """Values, and the gradients of a random linear form of them, at features and weights."""
    scale = twin.detach().abs().max().clamp(min=1e-6)
    assert ours.shape == twin.shape
    assert ((ours - twin) / scale).abs().max() < tolerance
    direction = torch.randn(twin.shape, generator=torch.Generator().manual_seed(1), dtype=twin.dtype)
    ours_grads = torch.autograd.grad((ours.double() * direction).sum(), (features, weight))
    twin_grads = torch.autograd.grad((twin * direction).sum(), (features, weight))
    for ours_grad, twin_grad in zip(ours_grads, twin_grads, strict=True):
        assert ours_grad.dtype == features.dtype
        assert (ours_grad - twin_grad).abs().max() <= tolerance * twin_grad.abs().max().clamp(min=1e-6)


def random_features(voxels: int, dim: int) -> Tensor:
    return torch.randn(voxels, dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()


dims = st.sampled_from([1, 3, 8, 17])


@settings(deadline=None, max_examples=60)
@given(coordinates(), dims, dims, st.sampled_from([1, 3, 5]), st.integers(1, 3))
def test_submanifold(cells: Tensor, in_dim: int, out_dim: int, kernel_size: int, dilation: int) -> None:
    layer = SubmanifoldConv3d(in_dim, out_dim, kernel_size, dilation).double()
    features = random_features(len(cells), in_dim)
    ours = layer(SparseTensor(features, cells))
    assert ours.coordinates is cells
    twin = dense_submanifold(features, cells, layer.weight, dilation)
    assert_same(ours.features, twin, features, layer.weight)


@settings(deadline=None, max_examples=60)
@given(coordinates(), dims, dims, st.integers(1, 4), st.integers(2, 3))
def test_strided(cells: Tensor, in_dim: int, out_dim: int, kernel_size: int, step: int) -> None:
    layer = StridedConv3d(in_dim, out_dim, kernel_size, step).double()
    features = random_features(len(cells), in_dim)
    ours = layer(SparseTensor(features, cells))
    assert ours.stride == step
    assert_same(ours.features, dense_strided(features, cells, layer.weight, step), features, layer.weight)


@settings(deadline=None, max_examples=60)
@given(coordinates(), dims, dims, st.integers(1, 4), st.integers(2, 3))
def test_inverse(cells: Tensor, in_dim: int, out_dim: int, kernel_size: int, step: int) -> None:
    layer = DownAndUp(in_dim, out_dim, kernel_size, step).double()
    features, ours = layer(cells, lambda voxels: random_features(voxels, in_dim))
    assert_same(ours, dense_inverse(features, cells, layer.weight, step), features, layer.weight)


def test_a_chain_through_three_resolutions() -> None:
    """Down twice, a dilated convolution there, up twice: the twin in the same chain, gradients through all of it."""
    cells = random_coordinates(400, 8)
    features = random_features(len(cells), 5)
    torch.manual_seed(0)
    layers = nn.ModuleList(
        [
            StridedConv3d(5, 6),
            StridedConv3d(6, 7),
            SubmanifoldConv3d(7, 8, 3, 2),
            InverseConv3d(8, 6),
            InverseConv3d(6, 5),
        ]
    ).double()
    voxels = SparseTensor(features, cells)
    strides = []
    for layer in layers:
        voxels = layer(voxels)
        strides.append(voxels.stride)
    assert strides == [2, 4, 4, 2, 1]
    half = voxels.maps.strided(cells, 1, 2, 2)[0]
    quarter = voxels.maps.strided(half, 2, 2, 2)[0]
    weights = [layer.weight for layer in layers]
    twin = dense_strided(features, cells, weights[0], 2)
    twin = dense_strided(twin, half, weights[1], 2)
    twin = dense_submanifold(twin, quarter, weights[2], 2)
    twin = dense_inverse(twin, half, weights[3], 2)
    twin = dense_inverse(twin, cells, weights[4], 2)
    ours_grads = torch.autograd.grad(voxels.features.square().sum(), [features, *weights], retain_graph=True)
    twin_grads = torch.autograd.grad(twin.square().sum(), [features, *weights])
    for ours_grad, twin_grad in zip(ours_grads, twin_grads, strict=True):
        assert torch.allclose(ours_grad, twin_grad, rtol=1e-10)


def train_step(cells: Tensor, features: Tensor, layers: nn.ModuleList) -> list[Tensor]:
    voxels = SparseTensor(features, cells)
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


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2), (torch.float16, 3e-3)])
def test_lower_precisions_stay_near(dtype: torch.dtype, tolerance: float) -> None:
    cells = random_coordinates(800, 6)
    features = random_features(len(cells), 6)
    layers = small_network().double()
    reference = train_step(cells, features, layers)
    ours = train_step(cells, features.detach().to(dtype).requires_grad_(), layers.to(dtype))
    for value, expected in zip(ours, reference, strict=True):
        assert value.dtype == dtype
        assert (value.double() - expected).norm() < tolerance * expected.norm()


def test_small_summands_survive_beside_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """256 + 26 * 0.5 = 269: bfloat16 counts by twos there, and adding a half at a time would never leave 256."""
    monkeypatch.setattr("lima.sparse.engines.pytorch.PAIRS_AT_ONCE", 1)
    cells = torch.cartesian_prod(torch.arange(1), *[torch.arange(3)] * 3)
    layer = SubmanifoldConv3d(1, 1).bfloat16()
    layer.weight.data.fill_(0.5)
    layer.weight.data[0] = 256
    out = layer(SparseTensor(torch.ones(27, 1, dtype=torch.bfloat16), cells)).features
    assert out[13].item() in (268, 270)


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
    at_once = train_step(cells, features, layers)
    monkeypatch.setattr("lima.sparse.engines.pytorch.PAIRS_AT_ONCE", pairs_at_once)
    for value, expected in zip(train_step(cells, features, layers), at_once, strict=True):
        assert torch.allclose(value, expected)


def test_twice_the_same_is_bit_for_bit_the_same() -> None:
    cells = random_coordinates(800, 6)
    features = random_features(len(cells), 6).detach().float().requires_grad_()
    layers = small_network()
    for first, second in zip(train_step(cells, features, layers), train_step(cells, features, layers), strict=True):
        assert torch.equal(first, second)


def test_features_need_not_be_contiguous() -> None:
    cells = random_coordinates(300, 5)
    features = random_features(len(cells), 6).detach().float()
    layers = small_network()
    expected = train_step(cells, features.clone().requires_grad_(), layers)
    transposed = features.T.contiguous().T.requires_grad_()
    every_second = torch.stack([features, features], dim=2)[..., 0].detach().requires_grad_()
    for strange in (transposed, every_second):
        assert not strange.is_contiguous()
        for value, wanted in zip(train_step(cells, strange, layers), expected, strict=True):
            assert torch.allclose(value, wanted, rtol=1e-4, atol=1e-5)


def test_the_order_of_the_voxels_does_not_matter() -> None:
    cells = random_coordinates(300, 5)
    features = random_features(len(cells), 6)
    layers = small_network().double()
    order = torch.randperm(len(cells))
    straight = train_step(cells, features, layers)
    shuffled = train_step(cells[order], features.detach()[order].requires_grad_(), layers)
    assert torch.allclose(shuffled[0], straight[0][order])
    assert torch.allclose(shuffled[1], straight[1][order])


def test_batch_entries_never_mix() -> None:
    """What happens in one entry changes nothing in another, though their cells coincide or touch."""
    cells = random_coordinates(600, 4, batches=3)
    features = random_features(len(cells), 6).detach()
    layers = small_network().double()
    changed = features.clone()
    changed[cells[:, 0] == 1] += 1.0
    before, after = (train_step(cells, f.requires_grad_(), layers)[0] for f in (features, changed))
    same = (before == after).all(dim=1)
    assert torch.equal(same, cells[:, 0] != 1)


def test_no_voxels_and_one_voxel() -> None:
    layers = small_network()
    for voxels in (0, 1):
        cells = torch.full((voxels, 4), 0)
        values = train_step(cells, torch.ones(voxels, 6, requires_grad=True), layers)
        assert values[0].shape == (voxels, 8)
        assert all(bool(torch.isfinite(value).all()) for value in values)


def test_memory_stays_with_the_largest_offset() -> None:
    """A training step of one layer keeps nothing but its inputs and its result, whatever the number of pairs."""
    cells = random_coordinates(3000, 8, batches=1)
    layer = SubmanifoldConv3d(4, 4)
    kept: list[Tensor] = []
    features = torch.ones(len(cells), 4, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda saved: kept.append(saved) or saved, lambda saved: saved):
        layer(SparseTensor(features, cells))
    assert sorted(tuple(saved.shape) for saved in kept) == sorted([(len(cells), 4), (27, 4, 4)])
