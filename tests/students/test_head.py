"""Oracle: layers counted by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lima.students.head import ProjectionHead


def test_one_layer_is_linear() -> None:
    head = ProjectionHead(3, 5)
    a, b = torch.randn(2, 10, 3)
    assert torch.allclose(head(a + b) + head(torch.zeros(10, 3)), head(a) + head(b), atol=1e-6)
    assert sum(parameter.numel() for parameter in head.parameters()) == 3 * 5 + 5


@pytest.mark.parametrize(("layers", "weights"), [(2, 3 * 5 + 10 + 5 * 5 + 5), (3, 3 * 5 + 10 + 5 * 5 + 10 + 5 * 5 + 5)])
def test_more_layers_have_batch_norm_and_relu_between_them(layers: int, weights: int) -> None:
    head = ProjectionHead(3, 5, layers)
    assert sum(parameter.numel() for parameter in head.parameters()) == weights
    kinds = [type(module) for module in head]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.ReLU] * (layers - 1) + [nn.Linear]
    assert head(torch.randn(7, 3)).shape == (7, 5)


def test_no_layer_is_refused() -> None:
    with pytest.raises(ValueError, match="one layer or more, got 0"):
        ProjectionHead(3, 5, 0)
