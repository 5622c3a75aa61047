"""Every engine on every device here, in every type it takes, for every kind of kernel map: one meaning.

Oracle: torch's dense convolutions in double precision (tests/oracles/dense_conv.py), values and gradients, and laws.
A new engine in `lima.sparse.engines.ENGINES` is tested without a word here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lima.sparse import (
    InverseConv3d,
    KernelMap,
    KernelMaps,
    SparseTensor,
    StridedConv3d,
    SubmanifoldConv3d,
    TransposedConv3d,
    convolve,
)
from lima.sparse.engines import ENVIRONMENT_VARIABLE, Engine, PyTorchEngine, engine_for
from tests.oracles.dense_conv import dense_inverse, dense_strided, dense_submanifold, dense_transposed
from tests.sparse.every_engine import in_every_type, on_every_device, on_every_engine, skip_if_refused
from tests.sparse.voxel_sets import coordinates, random_coordinates

OPERATORS = ["submanifold", "strided", "inverse", "transposed"]
FAR = 3 * 2**19  # more than 2^20, and divisible by the steps used here
RANDOM = random_coordinates(350, 4)
KERNEL_OF = {"submanifold": (3, 1), "strided": (3, 2), "inverse": (2, 2), "transposed": (3, 2)}

for_every_operator = pytest.mark.parametrize("operator", OPERATORS)


@dataclass(frozen=True)
class Problem:
    """A convolution: from which voxels to which, over which map, and its slow twin of features and weight."""

    cells_in: Tensor
    cells_out: Tensor
    kernel_map: KernelMap
    twin: Callable[[Tensor, Tensor], Tensor]


def problem(
    operator: str, cells: Tensor, kernel_size: int, step: int, engine: str | None, device: str = "cpu"
) -> Problem:
    """step: the dilation of a submanifold convolution. The twin works on the CPU."""
    maps, here = KernelMaps(engine), cells.to(device)
    if operator == "submanifold":
        kernel_map = maps.submanifold(here, 1, kernel_size, step)
        return Problem(cells, cells, kernel_map, lambda f, w: dense_submanifold(f, cells, w, step))
    if operator == "transposed":
        fine, kernel_map, _ = maps.generated(here, step, kernel_size, step)
        return Problem(cells, fine.cpu(), kernel_map, lambda f, w: dense_transposed(f, cells, fine.cpu(), w, step))
    coarse, kernel_map = maps.strided(here, 1, kernel_size, step)
    if operator == "strided":
        return Problem(cells, coarse.cpu(), kernel_map, lambda f, w: dense_strided(f, cells, w, step))
    _, kernel_map = maps.inverse(coarse, step, kernel_size, step)
    return Problem(coarse.cpu(), cells, kernel_map, lambda f, w: dense_inverse(f, cells, w, step))


def kernels(operator: str) -> st.SearchStrategy[tuple[int, int]]:
    """Sizes and steps."""
    if operator == "submanifold":
        return st.tuples(st.sampled_from([1, 3, 5]), st.integers(1, 3))
    return st.tuples(st.integers(1, 4), st.integers(2, 3))


def randn(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def convolution(problem: Problem, engine: str) -> Callable[[Tensor, Tensor], Tensor]:
    return partial(convolve, kernel_map=problem.kernel_map, engine=engine)


def value_and_gradients(
    function: Callable[[Tensor, Tensor], Tensor], features: Tensor, weight: Tensor, direction: Tensor
) -> list[Tensor]:
    """The result, and the gradients at features and weight of its product with the direction."""
    features, weight = features.detach().requires_grad_(), weight.detach().requires_grad_()
    value = function(features, weight)
    return [value.detach(), *torch.autograd.grad(value, (features, weight), direction)]


def random_operands(problem: Problem, in_dim: int, out_dim: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Features, weight, and the gradient at the result."""
    offsets, device = len(problem.kernel_map.counts), problem.kernel_map.inputs.device
    sizes = [(len(problem.cells_in), in_dim), (offsets, in_dim, out_dim), (len(problem.cells_out), out_dim)]
    return tuple(randn(*size, seed=seed).to(device, dtype) for seed, size in enumerate(sizes))


def assert_equals_twin(problem: Problem, operands: tuple[Tensor, ...], engine: str) -> None:
    """Rounding of a sum is measured by the sum of the sizes of its summands, which the twin gives, too."""
    dtype = operands[0].dtype
    ours = value_and_gradients(convolution(problem, engine), *operands)
    twin = value_and_gradients(problem.twin, *[x.cpu().double() for x in operands])
    sizes = value_and_gradients(problem.twin, *[x.cpu().double().abs() for x in operands])
    eps, tiny = torch.finfo(dtype).eps, torch.finfo(dtype).tiny
    units = 8 if eps < 1e-6 else 2  # half precision rounds once per product and once per sum
    for value, expected, size in zip(ours, twin, sizes, strict=True):
        assert value.dtype == dtype
        assert value.shape == expected.shape
        excess = (value.cpu().double() - expected).abs() - units * eps * (size + tiny)
        assert (excess <= 0).all(), f"off by {float(excess.max())} more than rounding"


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


class Recording(PyTorchEngine):
    """The plain engine under another name, for single precision alone, that counts what it is asked to do."""

    name = "recording"

    def __init__(self) -> None:
        self.found = self.convolved = 0

    def refusal(self, device: torch.device, dtype: torch.dtype) -> str | None:
        return None if dtype == torch.float32 else "it counts in single precision"

    def find_pairs(self, *operands: object) -> object:  # type: ignore[override]
        self.found += 1
        return super().find_pairs(*operands)  # type: ignore[arg-type]

    def forward(self, *operands: object) -> Tensor:  # type: ignore[override]
        self.convolved += 1
        return super().forward(*operands)  # type: ignore[arg-type]


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> Recording:
    """Behind the engine that takes everything, so that nobody gets it who does not ask for it."""
    engine = Recording()
    monkeypatch.setattr("lima.sparse.engines.ENGINES", (PyTorchEngine(), engine))
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    return engine


def test_nobody_gets_an_engine_that_was_not_asked_for(recording: Recording) -> None:
    SubmanifoldConv3d(1, 1)(SparseTensor(torch.ones(len(RANDOM), 1), RANDOM))
    assert (recording.found, recording.convolved) == (0, 0)


@pytest.mark.parametrize("layer", [SubmanifoldConv3d, StridedConv3d, TransposedConv3d])
def test_kernel_maps_choose_the_engine_of_the_layers(recording: Recording, layer: type[nn.Module]) -> None:
    voxels = SparseTensor(torch.ones(len(RANDOM), 1), RANDOM, 2, KernelMaps("recording"))
    after = layer(1, 1)(voxels)
    assert recording.convolved == 1
    SubmanifoldConv3d(1, 1)(after)
    assert recording.convolved == 2
    assert recording.found == (1 if layer is SubmanifoldConv3d else 2 if layer is StridedConv3d else 1)


def test_the_environment_chooses_unless_the_argument_does(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, weight = torch.ones(len(RANDOM), 1), torch.ones(27, 1, 1)
    kernel_map = KernelMaps("torch").submanifold(RANDOM, 1, 3, 1)
    assert recording.found == 0
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "recording")
    convolve(features, weight, kernel_map)
    assert recording.convolved == 1
    convolve(features, weight, kernel_map, engine="torch")
    convolve(features, weight, kernel_map, engine="auto")
    assert recording.convolved == 1
    KernelMaps().submanifold(RANDOM, 1, 3, 1)
    assert recording.found == 1


@pytest.mark.parametrize("by_environment", [True, False])
def test_unknown_names_and_refused_types_say_what_there_is(
    by_environment: bool, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked_for(name: str, dtype: torch.dtype) -> Engine:
        if by_environment:
            monkeypatch.setenv(ENVIRONMENT_VARIABLE, name)
        return engine_for(torch.device("cpu"), dtype, None if by_environment else name)

    with pytest.raises(ValueError, match=r"is called 'Torch': there are torch, recording and auto"):
        asked_for("Torch", torch.float32)
    with pytest.raises(ValueError, match=r"'recording' cannot convolve torch.float64 on cpu: it counts in single prec"):
        asked_for("recording", torch.float64)
    assert asked_for("recording", torch.float32) is recording
