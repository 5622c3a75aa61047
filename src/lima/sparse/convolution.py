"""The convolution as a differentiable function of features and weights, whichever engine computes it."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from lima.sparse.eager import eager
from lima.sparse.engines import Engine, engine_for
from lima.sparse.kernel_map import KernelMap


@eager
def convolve(
    features: Float[Tensor, "voxels dim"],
    weight: Float[Tensor, "offsets dim new_dim"],
    kernel_map: KernelMap,
    engine: str | None = None,
) -> Float[Tensor, "new_voxels new_dim"]:
    """out[o] = sum over pairs (i, o) under offset k of features[i] @ weight[k], differentiable once in both.

    Under autocast the products run in its type; sums over offsets are kept in single precision or better.
    engine: `engine_for` says what may stand here and what is taken otherwise.
    """
    features, weight = in_autocast_type(features, weight)
    return _Convolution.apply(features, weight, kernel_map, engine_for(features.device, features.dtype, engine))


def in_autocast_type(features: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Both in the type that products run in under autocast; as they are where it is off, or for double precision."""
    device = features.device.type
    if torch.is_autocast_enabled(device) and features.dtype != torch.float64:
        dtype = torch.get_autocast_dtype(device)
        return features.to(dtype), weight.to(dtype)
    return features, weight


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, kernel_map: KernelMap, engine: Engine) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.kernel_map, ctx.engine = kernel_map, engine
        return engine.forward(features, weight, kernel_map)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        features, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:2]
        return *ctx.engine.backward(features, weight, gradient, ctx.kernel_map, *wanted), None, None
