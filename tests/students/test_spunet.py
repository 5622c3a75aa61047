"""Oracle: numbers of weights counted by hand from the published layout. tests/export compares it with spconv."""

from __future__ import annotations

import pytest
import torch

from lima.config import StudentConfig
from lima.sparse import SparseBatchNorm, SparseTensor
from lima.students.spunet import SPUNET_BLOCKS, SpUNet
from lima.students.student import build_student
from tests.sparse.voxel_sets import random_coordinates


def weights_by_hand(blocks: tuple[int, ...], in_dim: int = 4) -> int:
    """Stem 5³ to 32, then convolution, batch norm by batch norm at full width."""

    def unit(offsets: int, before: int, after: int) -> int:
        return offsets * before * after + 2 * after

    def stage(before: int, after: int, count: int) -> int:
        shortcut = 0 if before == after else unit(1, before, after)
        return unit(27, before, after) + unit(27, after, after) + shortcut + (count - 1) * 2 * unit(27, after, after)

    total = unit(125, in_dim, 32)
    for (before, after), count in zip([(32, 32), (32, 64), (64, 128), (128, 256)], blocks[:4], strict=True):
        total += unit(8, before, after) + stage(after, after, count)
    for (before, after, skip), count in zip(
        [(256, 256, 128), (256, 128, 64), (128, 96, 32), (96, 96, 32)], blocks[4:], strict=True
    ):
        total += unit(8, before, after) + stage(after + skip, after, count)
    return total


@pytest.mark.parametrize("name", list(SPUNET_BLOCKS))
def test_number_of_weights(name: str) -> None:
    network = SpUNet(SPUNET_BLOCKS[name])
    assert sum(parameter.numel() for parameter in network.parameters()) == weights_by_hand(SPUNET_BLOCKS[name])
    assert network.dim == 96


def test_a_student_by_name_whose_weights_all_learn() -> None:
    torch.manual_seed(0)
    network = build_student(StudentConfig(backbone="spunet18", width=0.25)).backbone
    cells = random_coordinates(500, 12)
    out = network(SparseTensor(torch.randn(len(cells), 4), cells))
    assert out.coordinates is cells
    out.features.square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0, name
    norms = [module for module in network.modules() if isinstance(module, SparseBatchNorm)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.01)}


def test_impossible_layouts_are_refused() -> None:
    with pytest.raises(ValueError, match="a SpUNet has 8 steps"):
        SpUNet((1,) * 7)
