"""From a student's features to scores of the classes."""

from __future__ import annotations

from torch import nn

from lima.config import SegmentationHead


def build_head(kind: SegmentationHead, dim: int, classes: int) -> nn.Module:
    """A fresh head from torch's random generator: `dim` features to scores of `classes` classes.

    linear: one layer (SLidR, SuperFlow). norm_linear: a batch norm before it, and the layer starts at zero (ScaLR).
    mlp: a hidden layer of the features' width, batch norm and ReLU, then the linear one. Raises ValueError for others.
    """
    linear = nn.Linear(dim, classes)
    if kind == "linear":
        return linear
    if kind == "norm_linear":
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
        return nn.Sequential(nn.BatchNorm1d(dim), linear)
    if kind == "mlp":
        return nn.Sequential(nn.Linear(dim, dim, bias=False), nn.BatchNorm1d(dim), nn.ReLU(), linear)
    raise ValueError(f"no head is called {kind!r}, there are linear, norm_linear and mlp")
