# ruff: noqa: N803  (capitals: known when the kernel is compiled)
"""The convolution, and with it the gradient at the features, as one product of gathered rows: an implicit GEMM.

A program computes one tile of output rows and a block of their channels: for every offset of the tile it gathers the
neighbours' rows, multiplies them with the offset's matrix and keeps the sum in registers. Nothing is written but the
result, and no row of it twice.
"""

from __future__ import annotations

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from lima.sparse.engines.triton.row_tiles import tiles_for
from lima.sparse.engines.triton.tuning import INTERPRETED, bucket, tuned
from lima.sparse.kernel_map import KernelMap


def convolve_map(
    features: Float[Tensor, "voxels dim"],
    weight: Float[Tensor, "offsets dim new_dim"],
    kernel_map: KernelMap,
    precision: str,
    backwards: bool = False,
    scale: Float[Tensor, "new_dim"] | None = None,
    shift: Float[Tensor, "new_dim"] | None = None,
    residual: Float[Tensor, "new_voxels new_dim"] | None = None,
    relu: bool = False,
) -> Float[Tensor, "new_voxels new_dim"]:
    """out[o] = sum over offsets k of features[neighbour of o under k] @ weight[k], in the features' type.

    precision: of products in float32, "tf32" or "ieee". backwards: take the matrices in opposite order. What is given
    of scale, shift and residual is applied to the sum in this order, then ReLU, all before it is rounded.
    """
    offsets, in_dim, out_dim = weight.shape
    rows = kernel_map.voxels_out
    out = features.new_empty(rows, out_dim)
    if out.numel() == 0:
        return out
    tiles = tiles_for(kernel_map, out_dim)
    first, step = (weight[-1], -weight.stride(0)) if backwards else (weight[0], weight.stride(0))
    convolve_kernel[lambda meta: (len(tiles.rows) * triton.cdiv(out_dim, meta["BLOCK_OUT"]),)](
        features.contiguous(),
        first,
        out,
        None if scale is None else scale.float().contiguous(),
        None if shift is None else shift.float().contiguous(),
        None if residual is None else residual.contiguous(),
        tiles.rows,
        tiles.counts,
        tiles.offsets,
        tiles.neighbours,
        rows,
        offsets,
        in_dim,
        out_dim,
        step,
        weight.stride(1),
        weight.stride(2),
        bucket(rows),
        RELU=relu,
        PRECISION=precision,
        BLOCK_ROWS=tiles.height,
        BLOCK_IN=block_in(in_dim, features.dtype),
    )
    return out


def block_in(in_dim: int, dtype: torch.dtype) -> int:
    """Channels taken at a time: 128 bytes, the widest row of a tensor core's operand, where they come out even."""
    most = 128 // dtype.itemsize
    return 16 if in_dim <= 16 else most if in_dim % most == 0 else 32


@tuned
@triton.jit(do_not_specialize=["rows", "bucket"])
@no_type_check
def convolve_kernel(
    features,
    weight,
    out,
    scale,
    shift,
    residual,
    tile_rows,
    tile_counts,
    tile_offsets,
    tile_neighbours,
    rows,
    offsets,
    in_dim,
    out_dim,
    weight_step,
    weight_in_step,
    weight_out_step,
    bucket,
    RELU: tl.constexpr,
    PRECISION: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_IN: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
):
    blocks = (out_dim + BLOCK_OUT - 1) // BLOCK_OUT
    tile = (tl.program_id(0) // blocks).to(tl.int64)
    column = tl.program_id(0) % blocks * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    place, channel = tl.arange(0, BLOCK_ROWS), tl.arange(0, BLOCK_IN)
    tile_offsets += tile * offsets
    tile_neighbours += tile * offsets * BLOCK_ROWS
    matrices = weight + channel[:, None] * weight_in_step + column[None, :] * weight_out_step
    chunks = (in_dim + BLOCK_IN - 1) // BLOCK_IN
    total = tl.full((BLOCK_ROWS, BLOCK_OUT), 0.0, tl.float32)
    # One loop over offsets and channels together: the compiler pipelines the innermost loop, and channels are few.
    for step in range(tl.load(tile_counts + tile) * chunks):
        entry, first = step // chunks, step % chunks * BLOCK_IN
        neighbour = tl.load(tile_neighbours + entry * BLOCK_ROWS + place)
        gathered = tl.load(
            features + (neighbour.to(tl.int64) * in_dim + first)[:, None] + channel[None, :],
            mask=(neighbour >= 0)[:, None] & (channel < in_dim - first)[None, :],
            other=0.0,
        )
        matrix = tl.load(
            matrices + (tl.load(tile_offsets + entry).to(tl.int64) * weight_step + first * weight_in_step),
            mask=(channel < in_dim - first)[:, None] & (column < out_dim)[None, :],
            other=0.0,
        )
        if INTERPRETED:
            gathered, matrix = gathered.to(tl.float32), matrix.to(tl.float32)
        total = tl.dot(gathered, matrix, total, input_precision=PRECISION)
    row = tl.load(tile_rows + tile * BLOCK_ROWS + place)
    where = row.to(tl.int64)[:, None] * out_dim + column[None, :]
    written = (row < rows)[:, None] & (column < out_dim)[None, :]
    if scale is not None:
        total *= tl.load(scale + column, mask=column < out_dim, other=0.0)[None, :]
    if shift is not None:
        total += tl.load(shift + column, mask=column < out_dim, other=0.0)[None, :]
    if residual is not None:
        total += tl.load(residual + where, mask=written, other=0.0).to(tl.float32)
    if RELU:
        total = tl.where(total < 0.0, 0.0, total)  # NaN stays
    tl.store(out + where, total.to(out.dtype.element_ty), mask=written)
