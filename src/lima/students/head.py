"""The projection from the student's features to the teacher's; dropped after pretraining."""

from __future__ import annotations

from itertools import pairwise

from torch import nn


class ProjectionHead(nn.Sequential):
    """One linear layer, or several with batch norm and ReLU between them, as wide as the output.

    The paper does not say what it uses; the linear one is the default of `MethodConfig`.
    """

    def __init__(self, in_dim: int, out_dim: int, layers: int = 1) -> None:
        if layers < 1:
            raise ValueError(f"a projection head has one layer or more, got {layers}")
        widths = [in_dim, *[out_dim] * layers]
        modules: list[nn.Module] = []
        for before, after in pairwise(widths[:-1]):
            modules += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU()]
        super().__init__(*modules, nn.Linear(widths[-2], out_dim))
