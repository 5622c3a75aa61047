"""Batch norm, shortcut and ReLU as one differentiable function of the native engine."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.autograd.function import once_differentiable

from lima.sparse.engines.native.build import ROWS_AT_ONCE
from lima.sparse.engines.native.library import Library


class NormReLU(torch.autograd.Function):
    """max(0, (x - mean) / sqrt(variance + eps) * weight + bias + residual), over the rows of x.

    Also returns mean and biased variance, in double precision, without gradients.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, residual: Tensor | None, eps: float, library: Library
    ) -> tuple[Tensor, Tensor, Tensor]:
        x = x.contiguous()
        residual = None if residual is None else residual.contiguous()
        moments, scratch = torch.empty(2, x.shape[1], dtype=torch.float64), _scratch(x)
        library.moments[x.dtype](x.data_ptr(), *x.shape, *_pointers(scratch, *moments), torch.get_num_threads())
        mean, variance = moments
        inverse_deviation = torch.rsqrt(variance + eps)
        per_column = mean.to(x.dtype), (weight * inverse_deviation).to(x.dtype), bias.to(x.dtype).contiguous()
        result = torch.empty_like(x)
        library.affine_relu[x.dtype](
            *_pointers(x, *per_column, residual, result), *x.shape, True, torch.get_num_threads()
        )
        ctx.save_for_backward(x, result, weight, mean, inverse_deviation)
        ctx.has_residual, ctx.library = residual is not None, library
        ctx.mark_non_differentiable(mean, variance)
        return result, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor | None, None, None]:
        x, y, weight, mean, inverse_deviation = ctx.saved_tensors
        library: Library = ctx.library
        gradient = gradient.contiguous()
        near_mean = mean.to(x.dtype)
        sums, scratch = torch.empty(2, x.shape[1], dtype=torch.float64), _scratch(x)
        library.gradient_sums[x.dtype](
            *_pointers(x, y, gradient, near_mean), *x.shape, *_pointers(scratch, *sums),
            torch.get_num_threads(),
        )  # fmt: skip
        at_bias, products = sums
        scale = weight * inverse_deviation
        slope = -scale * inverse_deviation.square() * products / len(x)
        shift = -scale * at_bias / len(x)
        at_x = torch.empty_like(x)
        at_residual = torch.empty_like(x) if ctx.has_residual else None
        per_column = near_mean, scale.to(x.dtype), slope.to(x.dtype), shift.to(x.dtype)
        library.affine_relu_gradient[x.dtype](
            *_pointers(x, y, gradient, *per_column, at_x, at_residual), *x.shape, torch.get_num_threads()
        )
        at_weight = (products * inverse_deviation).to(weight.dtype)
        return at_x, at_weight, at_bias.to(weight.dtype), at_residual, None, None


def affine_relu(
    x: Float[Tensor, "rows columns"],
    mean: Float[Tensor, "columns"],
    scale: Float[Tensor, "columns"],
    shift: Float[Tensor, "columns"],
    residual: Float[Tensor, "rows columns"] | None,
    relu: bool,
    library: Library,
) -> Float[Tensor, "rows columns"]:
    """(x - mean) * scale + shift + residual, with `relu` at least 0; without gradients."""
    x, result = x.contiguous(), torch.empty_like(x, memory_format=torch.contiguous_format)
    given = [None if part is None else part.contiguous() for part in (x, mean, scale, shift, residual)]
    library.affine_relu[x.dtype](*_pointers(*given, result), *x.shape, relu, torch.get_num_threads())
    return result


def _scratch(x: Tensor) -> Float64[Tensor, "sums"]:
    return torch.empty(2 * -(-len(x) // ROWS_AT_ONCE) * x.shape[1], dtype=torch.float64)


def _pointers(*tensors: Tensor | None) -> list[int | None]:
    return [None if tensor is None else tensor.data_ptr() for tensor in tensors]
