"""The convolution itself, given its kernel map: gather, multiply, add up."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lima.sparse.kernel_map import KernelMap


def convolve(
    features: Float[Tensor, "voxels dim"], weight: Float[Tensor, "offsets dim new_dim"], kernel_map: KernelMap
) -> Float[Tensor, "new_voxels new_dim"]:
    """out[o] = sum over pairs (i, o) under offset k of features[i] @ weight[k], differentiable in both.

    Under autocast the products run in its type; sums over offsets are kept in single precision or better.
    """
    device = features.device.type
    if torch.is_autocast_enabled(device) and features.dtype != torch.float64:
        dtype = torch.get_autocast_dtype(device)
        features, weight = features.to(dtype), weight.to(dtype)
    return _Convolution.apply(features, weight, kernel_map)


class _Convolution(torch.autograd.Function):
    """Offset by offset: the memory beside inputs and outputs is that of the largest offset's pairs."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.kernel_map = kernel_map
        return _gather_multiply_add(features, weight, kernel_map)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        features, weight = ctx.saved_tensors
        for_features = for_weight = None
        if ctx.needs_input_grad[0]:
            for_features = _gather_multiply_add(gradient, weight.transpose(1, 2), ctx.kernel_map.transposed())
        if ctx.needs_input_grad[1]:
            for_weight = _weight_gradient(features, gradient, ctx.kernel_map)
        return for_features, for_weight, None


def _gather_multiply_add(features: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
    total_dtype = torch.promote_types(features.dtype, torch.float32)
    if kernel_map.identity is None:
        total = features.new_zeros(kernel_map.voxels_out, weight.shape[2], dtype=total_dtype)
    else:
        total = (features @ weight[kernel_map.identity]).to(total_dtype)
    for matrix, inputs, outputs in zip(weight, kernel_map.inputs, kernel_map.outputs, strict=True):
        if len(inputs):
            total.index_add_(0, outputs, (features.index_select(0, inputs) @ matrix).to(total_dtype))
    return total.to(features.dtype)


def _weight_gradient(features: Tensor, gradient: Tensor, kernel_map: KernelMap) -> Tensor:
    total = features.new_zeros(len(kernel_map.inputs), features.shape[1], gradient.shape[1])
    if kernel_map.identity is not None:
        torch.mm(features.T, gradient, out=total[kernel_map.identity])
    for offset, (inputs, outputs) in enumerate(zip(kernel_map.inputs, kernel_map.outputs, strict=True)):
        if len(inputs):
            torch.mm(features.index_select(0, inputs).T, gradient.index_select(0, outputs), out=total[offset])
    return total
