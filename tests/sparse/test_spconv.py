"""What tests/sparse/test_engines.py does not know of spconv; most of it where it is installed: `pip install spconv`.

Oracles: spconv's own layers and maps (benchmarks/peers.py); arithmetic by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import torch
from benchmarks.kits import SpconvKit
from benchmarks.peers import PeerUNet, Place
from torch import Tensor

from lima.sparse import KernelMaps, SparseTensor
from lima.sparse.engines.engine import Engine
from lima.sparse.engines.spconv import SpconvEngine, indice_pairs, spconv_on
from lima.students.minkunet import MinkUNet
from tests.fresh_process import modules_after
from tests.sparse.voxel_sets import random_coordinates

ENGINE = SpconvEngine()
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def spconv() -> None:
    pytest.importorskip("spconv.pytorch", reason="spconv is not installed: pip install spconv")


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def random_weight(offsets: int, in_dim: int, out_dim: int) -> Tensor:
    return torch.randn(offsets, in_dim, out_dim, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.usefixtures("spconv")
def test_no_voxels_and_no_pairs() -> None:
    """An odd cell is no child of any coarse one where the kernel has a single offset."""
    nothing = KernelMaps("torch").submanifold(torch.zeros(0, 4, dtype=torch.int64), 1, 3, 1)
    coarse, apart = KernelMaps("torch").strided(torch.tensor([[0, 1, 1, 1]]), 1, 1, 2)
    assert (len(coarse), apart.products) == (1, 0)
    for kernel_map in (nothing, apart):
        weight = random_weight(len(kernel_map.counts), 2, 3)
        features = torch.ones(kernel_map.voxels_in, 2, dtype=torch.float64)
        out = ENGINE.forward(features, weight, kernel_map)
        gradients = ENGINE.backward(features, weight, torch.ones_like(out), kernel_map, True, True)
        assert out.shape == (kernel_map.voxels_out, 3)
        for value, shape in zip((out, *gradients), (out.shape, features.shape, weight.shape), strict=True):
            assert torch.equal(value, torch.zeros(shape, dtype=torch.float64))


@pytest.mark.usefixtures("spconv")
@pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU spconv finds a stream of its own")
def test_stream_and_threads_are_others_for_the_call_alone(threads: None) -> None:
    from spconv.pytorch import ops

    before = ops.get_current_stream
    with spconv_on(CPU):
        assert (ops.get_current_stream(), torch.get_num_threads()) == (0, 1)
    with pytest.raises(KeyError), spconv_on(CPU):
        raise KeyError
    assert ops.get_current_stream is before
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("spconv")
def test_two_threads_add_up_like_one(threads: None) -> None:
    """With both of them at work one call in five goes wrong."""
    kernel_map = KernelMaps("torch").strided(random_coordinates(10000, 12), 1, 2, 2)[1].transposed
    features, weight = torch.randn(kernel_map.voxels_in, 4), random_weight(8, 4, 4).float()
    first = ENGINE.forward(features, weight, kernel_map)
    for _ in range(50):
        assert torch.equal(ENGINE.forward(features, weight, kernel_map), first)


@pytest.mark.usefixtures("spconv")
def test_its_own_network_is_ours_with_our_weights() -> None:
    """Layers, maps and voxels all of spconv's making (benchmarks/peers.py): same sizes, outputs and gradients."""
    cells, blocks = random_coordinates(3000, 20, batches=1), (1, 1, 1, 2, 1, 1, 1, 1)
    features = torch.randn(len(cells), 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.manual_seed(0)
    ours, kit = MinkUNet(blocks, width=0.5).double(), SpconvKit()
    theirs, place = PeerUNet(kit, blocks, width=0.5).double(), Place.of(cells)
    theirs.copy_weights(ours)
    assert sum(p.numel() for p in theirs.parameters()) == sum(p.numel() for p in ours.parameters())
    maps, voxels = KernelMaps("torch"), [len(cells)]
    coarse = cells
    for level in range(4):
        coarse, _ = maps.strided(coarse, 2**level, 2, 2)
        voxels.append(len(coarse))
    assert kit.find_maps(kit.voxels(features, place)) == voxels
    inputs = [features.clone().requires_grad_() for _ in range(2)]
    with kit.at_work(CPU):
        outputs = [ours(SparseTensor(inputs[0], cells)).features, theirs(kit.voxels(inputs[1], place)).features]
        gradients = [torch.autograd.grad(o.square().mean(), i)[0] for o, i in zip(outputs, inputs, strict=True)]
    for ours_value, theirs_value in (outputs, gradients):
        assert (ours_value - theirs_value).abs().max() < 1e-10 * ours_value.abs().max()


def test_indice_pairs_by_hand() -> None:
    """Two voxels along z and one apart: 0 sees 1 ahead (offset 14), 1 sees 0 behind (offset 12)."""
    cells = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1], [0, 5, 0, 0]])
    pairs = KernelMaps("torch").submanifold(cells, 1, 3, 1).layout(indice_pairs)
    assert pairs.rows.shape == (2, 27, 1)
    assert {k: pairs.rows[:, k, 0].tolist() for k in range(27) if pairs.counts[k]} == {12: [0, 1], 14: [1, 0]}
    assert (pairs.rows == -1).sum() == 2 * 25
    children = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 2]])
    pairs = KernelMaps("torch").strided(children, 1, 2, 2)[1].layout(indice_pairs)
    assert pairs.rows[:, :2].tolist() == [[[0, 2], [1, -1]], [[0, 1], [0, -1]]]
    assert pairs.counts.tolist() == [2, 1, 0, 0, 0, 0, 0, 0]


def test_it_is_an_engine_and_says_why_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(ENGINE, Engine)
    assert ENGINE.refusal(torch.device("meta"), torch.float32) == "it works on cpu and cuda alone"
    assert ENGINE.refusal(CPU, torch.bfloat16) == "on cpu it takes torch.float32 and torch.float64"
    assert ENGINE.refusal(torch.device("cuda"), torch.float16) == "on cuda it takes torch.float32"
    monkeypatch.setitem(sys.modules, "spconv.pytorch.ops", None)
    refusal = ENGINE.refusal(CPU, torch.float32)
    assert refusal is not None
    assert "cannot be imported" in refusal
    assert "pip install spconv" in refusal


@pytest.mark.usefixtures("spconv")
def test_it_takes_what_it_can() -> None:
    assert ENGINE.refusal(CPU, torch.float32) is None
    assert ENGINE.details().startswith("spconv 2.")


def test_nobody_imports_spconv_unasked() -> None:
    modules = modules_after("import lima.sparse.engines.spconv")
    assert "lima.sparse.engines.spconv" in modules
    assert not {"spconv", "cumm"} & modules
