"""The convolution itself, given its kernel map: gather, multiply, add up.

Offsets are taken in groups: the rows that a group's pairs need are gathered at once, every offset multiplies its own,
and each output row sums its pairs in a fixed order, so that every run gives the same bits. Of the ways to add up,
`embedding_bag` over pairs sorted by output row shares its work best between two threads; one alone would be five
percent faster with index_add_ (figures in benchmarks/sparse.py).
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from lima.sparse.kernel_map import KernelMap, PairGroup


def convolve(
    features: Float[Tensor, "voxels dim"], weight: Float[Tensor, "offsets dim new_dim"], kernel_map: KernelMap
) -> Float[Tensor, "new_voxels new_dim"]:
    """out[o] = sum over pairs (i, o) under offset k of features[i] @ weight[k], differentiable once in both.

    Beside inputs and result it needs the rows of one group of pairs. Under autocast the products run in its type;
    sums over offsets are kept in single precision or better.
    """
    device = features.device.type
    if torch.is_autocast_enabled(device) and features.dtype != torch.float64:
        dtype = torch.get_autocast_dtype(device)
        features, weight = features.to(dtype), weight.to(dtype)
    return _Convolution.apply(features, weight, kernel_map)


class _Convolution(torch.autograd.Function):
    """The gradient at the features is the convolution with the transposed map and matrices.

    Of a symmetric map that is the map itself with the offsets in opposite order.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.kernel_map = kernel_map
        matrices = weight.unbind()
        total = _start(features, matrices, kernel_map)
        for group in kernel_map.groups:
            _add_products(total, features.index_select(0, group.inputs), matrices[group.offsets], group)
        return total.to(features.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        features, weight = ctx.saved_tensors
        kernel_map = ctx.kernel_map if ctx.kernel_map.symmetric else ctx.kernel_map.transposed
        towards = -1 if kernel_map.symmetric else 1
        for_features = for_weight = None
        matrices = weight.transpose(1, 2).unbind()[::towards]
        if ctx.needs_input_grad[0]:
            for_features = _start(gradient, matrices, kernel_map)
        if ctx.needs_input_grad[1]:
            for_weight = torch.empty_like(weight)
        for group in kernel_map.groups:
            gathered = gradient.index_select(0, group.inputs)
            if for_features is not None:
                _add_products(for_features, gathered, matrices[group.offsets], group)
            if for_weight is not None:
                seen = features.index_select(0, group.outputs).split(group.counts)
                results = for_weight.unbind()[::towards][group.offsets]
                for before, after, result in zip(seen, gathered.split(group.counts), results, strict=True):
                    torch.mm(before.T, after, out=result)
        if for_weight is not None and kernel_map.symmetric:
            torch.mm(features.T, gradient, out=for_weight[len(weight) // 2])
        return None if for_features is None else for_features.to(features.dtype), for_weight, None


def _start(features: Tensor, matrices: tuple[Tensor, ...], kernel_map: KernelMap) -> Tensor:
    """The part of the sum that needs no gathering: every voxel's own product where it meets itself, else zero."""
    dtype = torch.promote_types(features.dtype, torch.float32)
    if kernel_map.symmetric:
        return (features @ matrices[len(matrices) // 2]).to(dtype)
    return features.new_zeros(kernel_map.voxels_out, matrices[0].shape[1], dtype=dtype)


def _add_products(total: Tensor, gathered: Tensor, matrices: tuple[Tensor, ...], group: PairGroup) -> None:
    """Multiplies the gathered rows with the matrices of their offsets and adds them to their output rows."""
    if len(gathered) == 0:
        return
    products = gathered.new_empty(len(gathered), total.shape[1])
    for rows, matrix, result in zip(gathered.split(group.counts), matrices, products.split(group.counts), strict=True):
        torch.mm(rows, matrix, out=result)
    total += torch.nn.functional.embedding_bag(
        group.order, products.to(total.dtype), group.starts, mode="sum", include_last_offset=True
    )
