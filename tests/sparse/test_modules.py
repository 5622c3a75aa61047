"""Oracle: arithmetic by hand, and torch's own batch norm on the same rows."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lima.sparse import (
    SparseBatchNorm,
    SparseTensor,
    StridedConv3d,
    SubmanifoldConv3d,
    TransposedConv3d,
    concatenate,
    relu,
)

CELLS = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1], [0, -1, 0, 0], [1, 0, 0, 0]])


def test_a_convolution_by_hand() -> None:
    """Weight k of a 3³ kernel times its number: the cell at z + 1 is offset 14, at z - 1 is 12, at x - 1 is 4."""
    layer = SubmanifoldConv3d(1, 1)
    layer.weight.data = torch.arange(27.0)[:, None, None]
    out = layer(SparseTensor(torch.tensor([[1.0], [10.0], [100.0], [1000.0]]), CELLS)).features
    first = 13 * 1 + 14 * 10 + 4 * 100
    second = 13 * 10 + 12 * 1 + 3 * 100
    third = 13 * 100 + 22 * 1 + 23 * 10
    assert out.squeeze(1).tolist() == [first, second, third, 13 * 1000]


def test_a_strided_convolution_by_hand() -> None:
    """Cell -1 is the second child (offset 4 in x) of parent -1."""
    layer = StridedConv3d(1, 1)
    layer.weight.data = torch.arange(8.0)[:, None, None]
    out = layer(SparseTensor(torch.tensor([[1.0], [10.0], [100.0], [1000.0]]), CELLS))
    assert out.coordinates.tolist() == [[0, -1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
    assert out.features.squeeze(1).tolist() == [400, 0 * 1 + 1 * 10, 0]


def test_a_transposed_convolution_by_hand() -> None:
    """A kernel of 3 at step 2 overlaps in z = 1: offset +1 (14) of the cell at 0, offset -1 (12) of the cell at 2."""
    layer = TransposedConv3d(1, 1, kernel_size=3)
    layer.weight.data = torch.arange(27.0)[:, None, None]
    voxels = SparseTensor(torch.tensor([[10.0], [1.0]]), torch.tensor([[0, 0, 0, 1], [0, 0, 0, 0]]), stride=4)
    out = layer(voxels)
    assert out.stride == 2
    assert len(out) == 3 * 3 * 5
    along_z = (out.coordinates[:, 1:3] == 0).all(dim=1)
    assert out.coordinates[along_z, 3].tolist() == [-1, 0, 1, 2, 3]
    assert out.features[along_z, 0].tolist() == [12 * 1, 13 * 1, 14 * 1 + 12 * 10, 13 * 10, 14 * 10]


def test_what_two_transposed_convolutions_of_one_kernel_make_can_be_put_together() -> None:
    voxels = SparseTensor(torch.ones(4, 1), CELLS, stride=2)
    first, second = (TransposedConv3d(1, dim)(voxels) for dim in (2, 3))
    both = SubmanifoldConv3d(5, 1)(concatenate(first, second))
    assert both.maps is first.maps is second.maps is not voxels.maps
    assert both.coordinates.tolist() == sorted(both.coordinates.tolist())


def test_batch_norm_is_torchs_over_the_voxels() -> None:
    features = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) * 3 + 1
    cells = torch.cartesian_prod(torch.arange(1), torch.arange(5), torch.arange(5), torch.arange(2))
    ours, theirs = SparseBatchNorm(3), nn.BatchNorm1d(3)
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        inputs = [features.clone().requires_grad_() for _ in range(2)]
        outputs = [ours(SparseTensor(inputs[0], cells)).features, theirs(inputs[1])]
        assert torch.allclose(outputs[0], outputs[1], atol=1e-6)
        for output in outputs:
            output.pow(3).sum().backward()
        assert inputs[0].grad is not None
        assert inputs[1].grad is not None
        assert torch.allclose(inputs[0].grad, inputs[1].grad, atol=1e-4)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for name, value in theirs.state_dict().items():
        assert torch.allclose(ours.state_dict()[name], value, atol=1e-6)


@pytest.mark.parametrize("voxels", [0, 1])
def test_batch_norm_of_too_few_voxels_uses_what_it_has_learned(voxels: int) -> None:
    norm = SparseBatchNorm(2).train()
    norm.running_mean.fill_(3.0)  # type: ignore[union-attr]
    norm.running_var.fill_(4.0)  # type: ignore[union-attr]
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    out = norm(SparseTensor(torch.full((voxels, 2), 5.0), CELLS[:voxels])).features
    assert torch.allclose(out, torch.ones(voxels, 2), atol=1e-4)
    for name, value in norm.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_concatenation_and_relu() -> None:
    first = SparseTensor(torch.tensor([[-1.0], [2.0], [3.0], [4.0]]), CELLS)
    second = SparseTensor(torch.tensor([[5.0, 6.0]]).repeat(4, 1), CELLS.clone())
    both = relu(concatenate(first, second))
    assert both.features[:2].tolist() == [[0, 5, 6], [2, 5, 6]]
    assert both.maps is first.maps


def test_only_features_of_the_same_voxels_concatenate() -> None:
    first = SparseTensor(torch.zeros(4, 1), CELLS)
    for other in (SparseTensor(torch.zeros(4, 1), CELLS.flip(0)), SparseTensor(torch.zeros(4, 1), CELLS, stride=2)):
        with pytest.raises(ValueError, match="only features of the same voxels"):
            concatenate(first, other)


def test_features_and_voxels_must_be_as_many() -> None:
    with pytest.raises(Exception, match=r"features|coordinates"):
        SparseTensor(torch.zeros(3, 1), CELLS)
