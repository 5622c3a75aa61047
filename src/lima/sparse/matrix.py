"""The sparse matrix between two sets of rows: windows and their voxels, points and their voxels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable


@dataclass(frozen=True, eq=False)
class SparseMatrix:
    """Output row o is the sum of weights[e] * row inputs[e] over the entries e from starts[o] to starts[o + 1].

    weights: None where all are one; they get no gradient. A row of the inputs may occur in any number of entries.
    """

    inputs: Int64[Tensor, "entries"]
    starts: Int64[Tensor, "starts"]
    rows_in: int
    weights: Float[Tensor, "entries"] | None = None

    @staticmethod
    def of_rows(
        inputs: Int64[Tensor, "entries"],
        counts: Int64[Tensor, "rows"],
        rows_in: int,
        weights: Float[Tensor, "entries"] | None = None,
    ) -> SparseMatrix:
        """Entries output row by output row: `counts[o]` of them belong to row o."""
        return SparseMatrix(inputs, F.pad(torch.cumsum(counts, dim=0), (1, 0)), rows_in, weights)

    @staticmethod
    def of_entries(
        outputs: Int64[Tensor, "entries"],
        inputs: Int64[Tensor, "entries"],
        rows_out: int,
        rows_in: int,
        weights: Float[Tensor, "entries"] | None = None,
    ) -> SparseMatrix:
        """Entries in any order. Within an output row they stay in the order they come in."""
        counts = torch.bincount(outputs, minlength=rows_out)
        if len(counts) > rows_out:
            raise ValueError(f"a matrix of {rows_out} output rows was given an entry for row {len(counts) - 1}")
        order = torch.argsort(outputs, stable=True)
        return SparseMatrix.of_rows(inputs[order], counts, rows_in, None if weights is None else weights[order])

    @property
    def counts(self) -> Int64[Tensor, "rows"]:
        """Entries of every output row."""
        return self.starts.diff()

    @cached_property
    def transposed(self) -> SparseMatrix:
        """The matrix from outputs to inputs."""
        outputs = torch.repeat_interleave(self.counts)
        return SparseMatrix.of_entries(self.inputs, outputs, self.rows_in, len(self.starts) - 1, self.weights)

    def __matmul__(self, features: Float[Tensor, "rows dim"]) -> Float[Tensor, "new_rows dim"]:
        """The weighted sums, differentiable once in the features. No row is copied, and every run gives the same bits.

        Sums are kept in single precision or better and rounded to the type of the features.
        """
        if len(features) != self.rows_in:
            raise ValueError(f"a matrix of {self.rows_in} input rows was given features of {len(features)}")
        return _Product.apply(features, self)

    def mean(self, features: Float[Tensor, "rows dim"]) -> Float[Tensor, "new_rows dim"]:
        """The sum of every output row over the number of its entries; zeros where there are none.

        Sums are kept in single precision or better, in its range too, and rounded after the division.
        """
        wide = features.to(torch.promote_types(features.dtype, torch.float32))
        return ((self @ wide) / self.counts.clamp(min=1)[:, None]).to(features.dtype)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, matrix: SparseMatrix) -> Tensor:
        ctx.matrix = matrix
        return _product(matrix, features)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _product(ctx.matrix.transposed, gradient), None


def _product(matrix: SparseMatrix, features: Tensor) -> Tensor:
    weights = None if matrix.weights is None else matrix.weights.to(features.dtype)
    return F.embedding_bag(
        matrix.inputs, features, matrix.starts, mode="sum", per_sample_weights=weights, include_last_offset=True
    )
