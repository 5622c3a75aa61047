"""Which engine is taken. Oracle: one that counts what it is asked to do."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lima.sparse import KernelMaps, SparseTensor, StridedConv3d, SubmanifoldConv3d, TransposedConv3d, convolve
from lima.sparse.engines import ENVIRONMENT_VARIABLE, Engine, PyTorchEngine, engine_for
from tests.sparse.voxel_sets import random_coordinates

RANDOM = random_coordinates(100, 4)


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
