"""Every engine on every device here, in every type it takes, for every kind of kernel map: one meaning.

Oracle: torch's dense convolutions in double precision (tests/oracles/dense_conv.py), values and gradients, and laws.
A new engine in `lima.sparse.engines.ENGINES` is tested without a word here.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lima.sparse import (
    InverseConv3d,
    KernelMaps,
    SparseTensor,
    StridedConv3d,
    SubmanifoldConv3d,
    TransposedConv3d,
    convolve,
)
from tests.oracles.dense_conv import dense_inverse, dense_strided, dense_submanifold, dense_transposed
from tests.sparse.every_engine import in_every_type, on_every_device, on_every_engine, skip_if_refused
from tests.sparse.problems import (
    assert_equals_twin,
    convolution,
    problem,
    randn,
    random_operands,
    value_and_gradients,
)
from tests.sparse.voxel_sets import coordinates, random_coordinates

OPERATORS = ["submanifold", "strided", "inverse", "transposed"]
FAR = 3 * 2**19  # more than 2^20, and divisible by the steps used here
RANDOM = random_coordinates(350, 4)
KERNEL_OF = {"submanifold": (3, 1), "strided": (3, 2), "inverse": (2, 2), "transposed": (3, 2)}

for_every_operator = pytest.mark.parametrize("operator", OPERATORS)


def kernels(operator: str) -> st.SearchStrategy[tuple[int, int]]:
    """Sizes and steps."""
    if operator == "submanifold":
        return st.tuples(st.sampled_from([1, 3, 5]), st.integers(1, 3))
    return st.tuples(st.integers(1, 4), st.integers(2, 3))


@on_every_device
@on_every_engine
@in_every_type
@for_every_operator
@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_the_dense_twin(device: str, engine: str, dtype: torch.dtype, operator: str, data: st.DataObject) -> None:
    skip_if_refused(engine, device, dtype)
    cells = data.draw(coordinates())
    kernel_size, step = data.draw(kernels(operator))
    dims = data.draw(st.tuples(*[st.sampled_from([1, 3, 8, 17])] * 2))
    here = problem(operator, cells, kernel_size, step, engine, device)
    assert_equals_twin(here, random_operands(here, *dims, dtype), engine)


@on_every_device
@on_every_engine
@in_every_type
@for_every_operator
@pytest.mark.parametrize(("in_dim", "out_dim"), [(36, 70), (100, 7)])
def test_wide_channels(device: str, engine: str, dtype: torch.dtype, operator: str, in_dim: int, out_dim: int) -> None:
    skip_if_refused(engine, device, dtype)
    here = problem(operator, RANDOM, *KERNEL_OF[operator], engine, device)
    assert_equals_twin(here, random_operands(here, in_dim, out_dim, dtype), engine)


@on_every_device
@on_every_engine
@in_every_type
@for_every_operator
@pytest.mark.parametrize("voxels", [0, 1])
def test_no_voxels_and_one_voxel(device: str, engine: str, dtype: torch.dtype, operator: str, voxels: int) -> None:
    """Of one voxel, what its own weight makes; of none, gradients of zero and not what was in memory before."""
    skip_if_refused(engine, device, dtype)
    one = problem(operator, torch.tensor([[2, 3, 5, -1]])[:voxels], 1, 2, engine, device)
    features, weight = randn(voxels, 5, seed=0), randn(1, 5, 6, seed=1)
    direction = torch.ones(len(one.cells_out), 6, dtype=torch.float64)
    operands = [x.to(device, dtype) for x in (features, weight, direction)]
    value, at_features, at_weight = value_and_gradients(convolution(one, engine), *operands)
    assert value.shape == direction.shape
    assert at_features.shape == features.shape
    assert at_weight.shape == weight.shape
    if one.kernel_map.products == 0:
        assert not value.any()
        assert not at_features.any()
        assert not at_weight.any()
    else:
        expected = [features @ weight[0], direction @ weight[0].T, (features.T @ direction)[None]]
        for result, wanted in zip((value, at_features, at_weight), expected, strict=True):
            assert torch.allclose(result.cpu().double(), wanted, rtol=0, atol=30 * torch.finfo(dtype).eps)


@on_every_device
@on_every_engine
@in_every_type
@for_every_operator
def test_twice_the_same_is_bit_for_bit_the_same(device: str, engine: str, dtype: torch.dtype, operator: str) -> None:
    skip_if_refused(engine, device, dtype)
    runs = []
    for _ in range(2):
        same = problem(operator, RANDOM, *KERNEL_OF[operator], engine, device)
        runs.append(value_and_gradients(convolution(same, engine), *random_operands(same, 33, 24, dtype)))
    for first, second in zip(*runs, strict=True):
        assert torch.equal(first, second)


@on_every_device
@on_every_engine
@in_every_type
@for_every_operator
def test_operands_need_not_be_contiguous(device: str, engine: str, dtype: torch.dtype, operator: str) -> None:
    """Features in columns or with gaps, transposed weights, and the gradient that a sum sends back: one number."""
    skip_if_refused(engine, device, dtype)
    here = problem(operator, RANDOM, *KERNEL_OF[operator], engine, device)
    features, weight, direction = random_operands(here, 6, 9, dtype)
    in_columns = features.T.contiguous().T
    with_gaps = torch.stack([features, features], dim=2)[..., 0]
    transposed = weight.transpose(1, 2).contiguous().transpose(1, 2)
    one_number = direction[:1, :1].expand(direction.shape)
    for strange in (in_columns, with_gaps):
        operands = (strange, transposed, one_number)
        assert not any(x.is_contiguous() for x in operands)
        assert_equals_twin(here, operands, engine)


@on_every_device
@on_every_engine
@for_every_operator
def test_one_gradient_alone_is_that_of_both(device: str, engine: str, operator: str) -> None:
    skip_if_refused(engine, device)
    here = problem(operator, RANDOM, *KERNEL_OF[operator], engine, device)
    features, weight, direction = random_operands(here, 6, 9, torch.float32)
    _, *both = value_and_gradients(convolution(here, engine), features, weight, direction)
    alone = [
        torch.autograd.grad(convolution(here, engine)(features.requires_grad_(), weight), features, direction)[0],
        torch.autograd.grad(convolution(here, engine)(features.detach(), weight.requires_grad_()), weight, direction)[
            0
        ],
    ]
    for value, wanted in zip(alone, both, strict=True):
        assert torch.allclose(value, wanted, rtol=1e-5, atol=1e-5)


@on_every_device
@on_every_engine
@for_every_operator
def test_the_order_of_the_voxels_does_not_matter(device: str, engine: str, operator: str) -> None:
    """Against ascending order: the same value, and the same gradient, at the same cell."""
    skip_if_refused(engine, device)
    sorted_cells = torch.unique(RANDOM, dim=0)
    results = []
    for cells in (sorted_cells, RANDOM):
        here = problem(operator, cells, *KERNEL_OF[operator], engine, device)
        value_of = {tuple(cell): torch.tensor(cell).sin().float() for cell in here.cells_in.tolist()}
        features = torch.stack([value_of[tuple(cell)] for cell in here.cells_in.tolist()])
        weight = randn(len(here.kernel_map.counts), 4, 9, seed=1).float()
        direction = here.cells_out[:, 1:2].cos().float().expand(-1, 9)
        operands = [x.to(device) for x in (features, weight, direction)]
        value, at_features, at_weight = value_and_gradients(convolution(here, engine), *operands)
        in_order = [
            torch.unique(rows, dim=0, return_inverse=True)[1].argsort() for rows in (here.cells_out, here.cells_in)
        ]
        results.append([value.cpu()[in_order[0]], at_features.cpu()[in_order[1]], at_weight.cpu()])
    for straight, shuffled in zip(*results, strict=True):
        assert torch.allclose(straight, shuffled, rtol=1e-4, atol=1e-4)


@on_every_device
@on_every_engine
@for_every_operator
def test_strangers_a_million_cells_away_change_nothing(device: str, engine: str, operator: str) -> None:
    """Two sets of voxels in one grid give what each gives alone, and it does not matter where in space a set is."""
    skip_if_refused(engine, device)
    kernel_size, step = KERNEL_OF[operator]
    shift = torch.tensor([0, FAR, FAR, FAR]) // (step if operator == "transposed" else 1)
    union = problem(operator, torch.cat([RANDOM, RANDOM + shift]), kernel_size, step, engine, device)
    alone = problem(operator, RANDOM, kernel_size, step, engine, device)
    is_far = [(cells[:, 1:] > FAR // 8).all(dim=1) for cells in (union.cells_in, union.cells_out)]
    assert [int(far.sum()) for far in is_far] == [len(alone.cells_in), len(alone.cells_out)]
    weight = randn(len(alone.kernel_map.counts), 6, 9, seed=1).float().to(device)
    features, direction = (randn(len(far), dim, seed=dim).float() for far, dim in zip(is_far, (6, 9), strict=True))
    ours = value_and_gradients(convolution(union, engine), features.to(device), weight, direction.to(device))
    at_weights = []
    for here_in, here_out in (is_far, [~far for far in is_far]):
        operands = [features[here_in].to(device), weight, direction[here_out].to(device)]
        value, at_features, at_weight = value_and_gradients(convolution(alone, engine), *operands)
        assert torch.allclose(ours[0].cpu()[here_out], value.cpu(), rtol=1e-5, atol=1e-5)
        assert torch.allclose(ours[1].cpu()[here_in], at_features.cpu(), rtol=1e-5, atol=1e-5)
        at_weights.append(at_weight)
    assert torch.allclose(ours[2], at_weights[0] + at_weights[1], rtol=1e-4, atol=1e-3)


@on_every_device
@on_every_engine
def test_batch_entries_never_mix(device: str, engine: str) -> None:
    """What happens in one entry changes not a bit in another, though their cells coincide or touch."""
    skip_if_refused(engine, device)
    cells = random_coordinates(600, 4, batches=3)
    features = randn(len(cells), 6, seed=0).float()
    changed = features.clone()
    changed[cells[:, 0] == 1] += 1.0
    torch.manual_seed(0)
    layers = nn.Sequential(SubmanifoldConv3d(6, 16), StridedConv3d(16, 24), InverseConv3d(24, 8)).to(device)
    before, after = (
        layers(SparseTensor(f.to(device), cells.to(device), maps=KernelMaps(engine))).features
        for f in (features, changed)
    )
    assert torch.equal((before == after).all(dim=1).cpu(), cells[:, 0] != 1)


@on_every_device
@on_every_engine
@in_every_type
def test_a_chain_through_three_resolutions(device: str, engine: str, dtype: torch.dtype) -> None:
    """Down twice, a dilated convolution there, up twice and a step beyond: the layers against the twins in a chain."""
    skip_if_refused(engine, device, dtype)
    cells = random_coordinates(400, 8)
    features = randn(len(cells), 5, seed=0).to(dtype)
    torch.manual_seed(0)
    layers = nn.Sequential(
        StridedConv3d(5, 6),
        StridedConv3d(6, 7),
        SubmanifoldConv3d(7, 8, 3, 2),
        InverseConv3d(8, 6),
        InverseConv3d(6, 5),
        StridedConv3d(5, 4, 3),
        TransposedConv3d(4, 3, 3),
    ).to(device, dtype)
    leaf = features.to(device).requires_grad_()
    voxels, seen = SparseTensor(leaf, cells.to(device), maps=KernelMaps(engine)), []
    for layer in layers:
        voxels = layer(voxels)
        seen.append(voxels)
    assert [tensor.stride for tensor in seen] == [2, 4, 4, 2, 1, 2, 1]
    half, quarter, fine = (seen[layer].coordinates.cpu() for layer in (0, 1, 6))
    weights = [layer.weight.detach().cpu().double().requires_grad_() for layer in layers]
    twin_leaf = features.double().requires_grad_()
    twin = dense_strided(twin_leaf, cells, weights[0], 2)
    twin = dense_strided(twin, half, weights[1], 2)
    twin = dense_submanifold(twin, quarter, weights[2], 2)
    twin = dense_inverse(twin, half, weights[3], 2)
    twin = dense_inverse(twin, cells, weights[4], 2)
    twin = dense_strided(twin, cells, weights[5], 2)
    twin = dense_transposed(twin, half, fine, weights[6], 2)
    ours = [
        voxels.features,
        *torch.autograd.grad(voxels.features.double().square().sum(), [leaf, *layers.parameters()]),
    ]
    expected = [twin, *torch.autograd.grad(twin.square().sum(), [twin_leaf, *weights])]
    for value, wanted in zip(ours, expected, strict=True):
        assert value.dtype == dtype
        assert (value.cpu().double() - wanted).norm() <= 30 * torch.finfo(dtype).eps * wanted.norm()


@on_every_device
@on_every_engine
def test_small_summands_survive_beside_a_large_one(device: str, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """256 + 26 * 0.5 = 269: bfloat16 counts by twos there, and adding a half at a time would never leave 256."""
    skip_if_refused(engine, device, torch.bfloat16)
    monkeypatch.setattr("lima.sparse.engines.pytorch.PAIRS_AT_ONCE", 1)
    cells = torch.cartesian_prod(torch.arange(1), *[torch.arange(3)] * 3)
    weight = torch.full((27, 1, 1), 0.5, dtype=torch.bfloat16)
    weight[0] = 256
    kernel_map = KernelMaps(engine).submanifold(cells.to(device), 1, 3, 1)
    out = convolve(torch.ones(27, 1, dtype=torch.bfloat16, device=device), weight.to(device), kernel_map, engine)
    assert out[13].item() in (268, 270)
