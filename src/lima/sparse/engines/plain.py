"""Batch norm, shortcut and ReLU by torch's own functions: what an engine does that fuses nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lima.sparse.kernel_map import KernelMap


class PlainNormalisation:
    """The two functions of `Engine` that fusing makes faster, unfused."""

    def forward(self, features: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
        """The engine's own."""
        raise NotImplementedError

    def norm_relu(self, features: Tensor, norm: nn.BatchNorm1d, residual: Tensor | None) -> Tensor:
        """One after the other."""
        normalised = nn.BatchNorm1d.forward(norm, features)
        return torch.relu(normalised if residual is None else normalised + residual)

    def forward_fused(
        self,
        features: Tensor,
        weight: Tensor,
        kernel_map: KernelMap,
        scale: Tensor,
        shift: Tensor,
        relu: bool,
        residual: Tensor | None = None,
    ) -> Tensor:
        """One after the other, in single precision or better."""
        result = self.forward(features, weight, kernel_map) * scale + shift
        result = result if residual is None else result + residual
        return (torch.relu(result) if relu else result).to(features.dtype)
