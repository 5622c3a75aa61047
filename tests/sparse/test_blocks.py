"""Oracle: torch's dense convolution, batch norm and ReLU, one after the other in double precision."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lima.sparse import ConvNormReLU, KernelMaps, SparseTensor, StridedConv3d, SubmanifoldConv3d
from lima.sparse.engines import ENGINES, engine_for
from tests.oracles.dense_conv import dense_submanifold
from tests.sparse.voxel_sets import random_coordinates

CPU = torch.device("cpu")
CELLS = random_coordinates(900, 5)
TOLERANCE = {torch.float64: 1e-9, torch.float32: 2e-4, torch.bfloat16: 5e-2, torch.float16: 2e-2}

on_every_engine = pytest.mark.parametrize("engine", [engine.name for engine in ENGINES])
in_every_type = pytest.mark.parametrize("dtype", TOLERANCE, ids=lambda dtype: str(dtype).removeprefix("torch."))


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def block(in_dim: int, dim: int) -> ConvNormReLU:
    """With a norm that has learned something."""
    torch.manual_seed(0)
    made = ConvNormReLU(SubmanifoldConv3d(in_dim, dim), dim).double()
    for values in (made.norm.weight, made.norm.bias, made.norm.running_mean):
        assert values is not None
        nn.init.normal_(values)
    return made


def twin(layer: ConvNormReLU, features: Tensor, residual: Tensor | None) -> Tensor:
    convolved = dense_submanifold(features, CELLS, layer.convolution.weight)
    norm = layer.norm
    normalised = F.batch_norm(
        convolved, norm.running_mean, norm.running_var, norm.weight, norm.bias, norm.training, 0.1, norm.eps
    )
    return torch.relu(normalised if residual is None else normalised + residual)


def rows(dim: int, seed: int) -> Tensor:
    return torch.randn(len(CELLS), dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def skip_if_refused(engine: str, dtype: torch.dtype) -> None:
    refusal = next(known.refusal(CPU, dtype) for known in ENGINES if known.name == engine)
    if refusal is not None:
        pytest.skip(refusal)


@on_every_engine
@in_every_type
@pytest.mark.parametrize("with_residual", [False, True])
@pytest.mark.parametrize("dim", [1, 17, 48])
def test_training(engine: str, dtype: torch.dtype, with_residual: bool, dim: int) -> None:
    """Values, gradients at everything, and the running statistics."""
    skip_if_refused(engine, dtype)
    reference = block(5, dim)
    ours = deepcopy(reference).to(dtype)
    given = [rows(5, 1), *([rows(dim, 2)] if with_residual else [])]
    operands = [value.to(dtype).requires_grad_() for value in given]
    exact = [value.to(dtype).double().requires_grad_() for value in given]
    maps = KernelMaps(engine)
    residual = SparseTensor(operands[1], CELLS, maps=maps) if with_residual else None
    value = ours(SparseTensor(operands[0], CELLS, maps=maps), residual).features
    expected = twin(reference, exact[0], exact[1] if with_residual else None)
    assert value.dtype == dtype
    # Where ReLU cuts is a matter of rounding: the gradient flows through values that are clearly on one side.
    direction = rows(dim, 3) * (expected.detach() > 0.1)
    results = [value, *torch.autograd.grad((value.double() * direction).sum(), [*operands, *ours.parameters()])]
    wanted = [expected, *torch.autograd.grad((expected * direction).sum(), [*exact, *reference.parameters()])]
    for result, other in zip(results, wanted, strict=True):
        assert (result.double() - other).norm() <= TOLERANCE[dtype] * other.norm()
    for name in ("running_mean", "running_var"):
        assert torch.allclose(getattr(ours.norm, name).double(), getattr(reference.norm, name), rtol=TOLERANCE[dtype])
    assert ours.norm.num_batches_tracked == 1


@on_every_engine
@in_every_type
@pytest.mark.parametrize("with_residual", [False, True])
@pytest.mark.parametrize("gradients", [False, True])
def test_evaluation(engine: str, dtype: torch.dtype, with_residual: bool, gradients: bool) -> None:
    """Fused without gradients and unfused with them: the same; and no buffer changes."""
    skip_if_refused(engine, dtype)
    reference = block(9, 21).eval()
    ours = deepcopy(reference).to(dtype)
    before = deepcopy(ours.state_dict())
    features, other = rows(9, 1).to(dtype), rows(21, 2).to(dtype)
    maps = KernelMaps(engine)
    with torch.set_grad_enabled(gradients):
        residual = SparseTensor(other, CELLS, maps=maps) if with_residual else None
        value = ours(SparseTensor(features, CELLS, maps=maps), residual).features
    expected = twin(reference, features.double(), other.double() if with_residual else None)
    assert value.dtype == dtype
    assert (value.double() - expected).norm() <= TOLERANCE[dtype] * expected.norm()
    assert all(torch.equal(kept, before[name]) for name, kept in ours.state_dict().items())


def test_a_mean_far_from_zero_costs_no_digits() -> None:
    """Columns at 10 000 with a spread of 1, where single precision knows the mean to 0.0005."""
    skip_if_refused("native", torch.float32)
    norm = nn.BatchNorm1d(8)
    features = torch.randn(5000, 8, generator=torch.Generator().manual_seed(0)) + 10_000
    value = engine_for(CPU, torch.float32, "native").norm_relu(features, norm, None)
    wide = features.double()
    expected = torch.relu((wide - wide.mean(dim=0)) / wide.std(dim=0, correction=0))
    assert (value - expected).abs().max() < 1e-3


@on_every_engine
def test_what_is_not_a_number_stays_visible(engine: str) -> None:
    skip_if_refused(engine, torch.float32)
    features = torch.ones(10, 3)
    features[4, 1] = torch.nan
    value = engine_for(CPU, torch.float32, engine).norm_relu(features, nn.BatchNorm1d(3), None)
    assert value[:, 1].isnan().all()
    assert not value[:, [0, 2]].isnan().any()


def test_any_number_of_threads_gives_the_same_bits(threads: None) -> None:
    skip_if_refused("native", torch.float32)
    results = []
    for count in (1, 2, 5):
        torch.set_num_threads(count)
        layer = block(7, 33).float()
        features = rows(7, 1).float().requires_grad_()
        out = layer(SparseTensor(features, CELLS, maps=KernelMaps("native"))).features
        results.append([out, *torch.autograd.grad(out.square().sum(), [features, *layer.parameters()])])
    for other in results[1:]:
        assert all(map(torch.equal, results[0], other))


@on_every_engine
@pytest.mark.parametrize("voxels", [0, 1])
def test_too_few_voxels_to_normalise(engine: str, voxels: int) -> None:
    skip_if_refused(engine, torch.float64)
    layer = block(4, 3)
    statistics = deepcopy(layer.norm.state_dict())
    out = layer(SparseTensor(torch.ones(voxels, 4, dtype=torch.float64), CELLS[:voxels], maps=KernelMaps(engine)))
    expected = layer.eval()(SparseTensor(torch.ones(voxels, 4, dtype=torch.float64), CELLS[:voxels]))
    assert torch.allclose(out.features, expected.features)
    assert all(torch.equal(kept, statistics[name]) for name, kept in layer.norm.state_dict().items())


def test_a_block_that_changes_the_voxels() -> None:
    layer = ConvNormReLU(StridedConv3d(3, 4), 4)
    voxels = SparseTensor(rows(3, 1).float(), CELLS)
    trained = layer(voxels)
    with torch.no_grad():
        evaluated = layer.eval()(voxels)
    assert trained.stride == evaluated.stride == 2
    assert torch.equal(trained.coordinates, evaluated.coordinates)
    assert trained.maps is evaluated.maps is voxels.maps


def test_under_autocast_products_are_in_its_type() -> None:
    layer = block(9, 21).float().eval()
    voxels = SparseTensor(rows(9, 1).float(), CELLS)
    with torch.no_grad():
        expected = layer(voxels).features
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value = layer(voxels).features
    assert value.dtype == torch.bfloat16
    assert (value.float() - expected).norm() < 2e-2 * expected.norm()
