"""What an engine is: one way to compute what tests/oracles/dense_conv.py defines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from lima.sparse.kernel_map import KernelMap, Pairs


@runtime_checkable
class Engine(Protocol):
    """Functions without state. What one prepares for a kernel map it keeps in the map (`KernelMap.layout`)."""

    @property
    def name(self) -> str:
        """As in LIMA_SPARSE_ENGINE."""

    def refusal(self, device: torch.device, dtype: torch.dtype) -> str | None:
        """Why it cannot work with such tensors here; None where it can."""

    def details(self) -> str:
        """What it runs on here, for `lima engines`; called where there is no refusal."""

    def find_pairs(self, keys: Int64[Tensor, "cells"], wanted: Int64[Tensor, "rows"], steps: Sequence[int]) -> Pairs:
        """For step after step the pairs (input, output) with keys[input] == wanted[output] + step.

        keys, wanted: without repetition, ascending.
        """

    def forward(
        self, features: Float[Tensor, "voxels dim"], weight: Float[Tensor, "offsets dim new_dim"], kernel_map: KernelMap
    ) -> Float[Tensor, "new_voxels new_dim"]:
        """out[o] = sum over pairs (i, o) under offset k of features[i] @ weight[k].

        features, weight: of one type, which the result has too. Sums over offsets are kept in single precision or
        better. Every run gives the same bits.
        """

    def backward(
        self,
        features: Float[Tensor, "voxels dim"],
        weight: Float[Tensor, "offsets dim new_dim"],
        gradient: Float[Tensor, "new_voxels new_dim"],
        kernel_map: KernelMap,
        for_features: bool,
        for_weight: bool,
    ) -> tuple[Float[Tensor, "voxels dim"] | None, Float[Tensor, "offsets dim new_dim"] | None]:
        """The gradients at features and weight, those asked for, given the one at `forward`'s result."""

    def norm_relu(
        self,
        features: Float[Tensor, "voxels dim"],
        norm: nn.BatchNorm1d,
        residual: Float[Tensor, "voxels dim"] | None,
    ) -> Float[Tensor, "voxels dim"]:
        """max(0, norm(features) + residual), differentiable. In training `norm` keeps its statistics as torch does."""

    def forward_fused(
        self,
        features: Float[Tensor, "voxels dim"],
        weight: Float[Tensor, "offsets dim new_dim"],
        kernel_map: KernelMap,
        scale: Float[Tensor, "new_dim"],
        shift: Float[Tensor, "new_dim"],
        relu: bool,
        residual: Float[Tensor, "new_voxels new_dim"] | None = None,
    ) -> Float[Tensor, "new_voxels new_dim"]:
        """forward(…) * scale + shift, plus residual, then ReLU: a block in evaluation. Called without gradients."""
