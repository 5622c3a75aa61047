"""The convolution itself, given its kernel map: gather, multiply, add up.

Offsets are taken in groups: the rows that a group's pairs need are gathered at once, every offset multiplies its own,
and each output row sums its pairs in a fixed order (so every run gives the same bits, on every device). Of the ways
to add up, `embedding_bag` over pairs sorted by output row is the one that shares its work among threads:
`python -m benchmarks.sparse` has the figures.
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
        total = _zeros(features, kernel_map.voxels_out, weight.shape[2])
        for group in kernel_map.groups:
            gathered = features.index_select(0, group.inputs)
            products = gathered.new_empty(len(gathered), weight.shape[2])
            for offset, begin, end in group.offsets:
                torch.mm(gathered[begin:end], weight[offset], out=products[begin:end])
            total += _sum(products, group, total.dtype)
        if kernel_map.symmetric:
            total += features @ weight[len(weight) // 2]
        return total.to(features.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        features, weight = ctx.saved_tensors
        wants_features, wants_weight, _ = ctx.needs_input_grad
        symmetric, last = ctx.kernel_map.symmetric, len(weight) - 1
        backward_map = ctx.kernel_map if symmetric else ctx.kernel_map.transposed
        for_features = _zeros(features, *features.shape) if wants_features else None
        for_weight = torch.zeros_like(weight) if wants_weight else None
        for group in backward_map.groups:
            gathered = gradient.index_select(0, group.inputs)
            if for_features is not None:
                products = gathered.new_empty(len(gathered), features.shape[1])
                for offset, begin, end in group.offsets:
                    matrix = weight[last - offset if symmetric else offset]
                    torch.mm(gathered[begin:end], matrix.T, out=products[begin:end])
                for_features += _sum(products, group, for_features.dtype)
            if for_weight is not None:
                seen = features.index_select(0, group.outputs)
                for offset, begin, end in group.offsets:
                    matrix = for_weight[last - offset if symmetric else offset]
                    torch.mm(seen[begin:end].T, gathered[begin:end], out=matrix)
        if symmetric and for_features is not None:
            for_features += gradient @ weight[last // 2].T
        if symmetric and for_weight is not None:
            torch.mm(features.T, gradient, out=for_weight[last // 2])
        return for_features if for_features is None else for_features.to(features.dtype), for_weight, None


def _zeros(like: Tensor, rows: int, dim: int) -> Tensor:
    return like.new_zeros(rows, dim, dtype=torch.promote_types(like.dtype, torch.float32))


def _sum(products: Tensor, group: PairGroup, dtype: torch.dtype) -> Tensor:
    """The sum of every output row's products."""
    return torch.nn.functional.embedding_bag(
        group.order, products.to(dtype), group.starts, mode="sum", include_last_offset=True
    )
