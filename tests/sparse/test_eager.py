"""Oracle: the same network without torch.compile, bit for bit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lima.sparse import (
    AveragePool3d,
    ConvNormReLU,
    InverseConv3d,
    KernelMaps,
    SparseTensor,
    StridedConv3d,
    SubmanifoldConv3d,
    devoxelise_nearest,
)
from lima.sparse.engines import ENGINES
from tests.fresh_process import modules_after
from tests.sparse.voxel_sets import random_coordinates

ROOT = Path(__file__).parents[2]


class Network(nn.Module):
    """Dense layers around all that is sparse."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Sequential(nn.Linear(3, 8), nn.ReLU())
        self.stem = ConvNormReLU(SubmanifoldConv3d(8, 8), 8)
        self.down, self.up = StridedConv3d(8, 12), InverseConv3d(12, 8)
        self.pool = AveragePool3d()
        self.head = nn.Sequential(nn.Linear(8, 5), nn.Sigmoid())

    def forward(self, voxels: SparseTensor, voxel_of_point: Tensor) -> tuple[Tensor, Tensor]:
        stem = self.stem(voxels.with_features(self.embedding(voxels.features)))
        points = devoxelise_nearest(self.up(self.down(stem)).features, voxel_of_point)
        return self.head(points), self.pool(stem).features


def assert_compiling_changes_nothing(engine: str) -> None:
    """Values and gradients for three sets of voxels, none of which is to make it compile again."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    torch.manual_seed(0)
    network = Network()
    compiled = torch.compile(network, backend="aot_eager", dynamic=True)
    graphs = []
    for voxels in (200, 300, 400):
        cells = random_coordinates(voxels, 4)
        features = torch.randn(len(cells), 3)
        results = []
        for forward in (network, compiled):
            tensor = SparseTensor(features, cells, maps=KernelMaps(engine))
            values = forward(tensor, torch.arange(-1, len(cells)))
            loss = values[0].square().sum() + values[1].square().sum()
            results.append([*values, *torch.autograd.grad(loss, list(network.parameters()))])
        for value, expected in zip(*results, strict=True):
            assert torch.equal(value, expected)
        graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert graphs[0] > 0, "nothing was compiled"
    assert graphs[0] == graphs[-1], f"compiled anew for other voxels: {graphs} graphs"


@pytest.mark.slow
def test_a_compiled_network_is_the_same_and_is_compiled_once() -> None:
    """In a process of its own, without the checks of types that tests run with: the compiler trips over them."""
    names = [engine.name for engine in ENGINES if engine.refusal(torch.device("cpu"), torch.float32) is None]
    check = assert_compiling_changes_nothing.__name__
    program = f"from {__name__} import {check}\nfor engine in {names}: {check}(engine)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_who_does_not_compile_does_not_wait_for_the_compiler() -> None:
    modules = modules_after(
        "import torch; from lima.sparse import *; cells = torch.zeros(1, 4, dtype=torch.int64); "
        "SubmanifoldConv3d(1, 1)(SparseTensor(torch.ones(1, 1), cells))"
    )
    assert "torch._dynamo" not in modules
