"""Oracle: the same matrix written out densely, values and gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lima.sparse.matrix import SparseMatrix
from tests.sparse.every_engine import in_every_type, on_every_device


@st.composite
def matrices(draw: st.DrawFn) -> tuple[SparseMatrix, Tensor]:
    """One with entries in any order, several in one place, rows and columns without any; and the dense one."""
    rows_out, rows_in = draw(st.integers(0, 6)), draw(st.integers(0, 6))
    entry = st.tuples(
        st.integers(0, rows_out - 1), st.integers(0, rows_in - 1), st.sampled_from([0.25, 0.5, 1.0, -2.0])
    )
    entries = draw(st.lists(entry, max_size=15)) if rows_out and rows_in else []
    outputs, inputs = (torch.tensor([e[i] for e in entries], dtype=torch.int64) for i in (0, 1))
    weighted = draw(st.booleans())
    weights = torch.tensor([e[2] for e in entries], dtype=torch.float64) if weighted else None
    dense = torch.zeros(rows_out, rows_in, dtype=torch.float64)
    for output, row, weight in entries:
        dense[output, row] += weight if weighted else 1.0
    return SparseMatrix.of_entries(outputs, inputs, rows_out, rows_in, weights), dense


def on(device: str, matrix: SparseMatrix) -> SparseMatrix:
    weights = None if matrix.weights is None else matrix.weights.to(device)
    return SparseMatrix(matrix.inputs.to(device), matrix.starts.to(device), matrix.rows_in, weights)


@on_every_device
@in_every_type
@settings(deadline=None, max_examples=60)
@given(both=matrices(), dim=st.sampled_from([1, 3, 8, 17]))
def test_product_and_gradient(device: str, dtype: torch.dtype, both: tuple[SparseMatrix, Tensor], dim: int) -> None:
    """In small whole numbers, so that every type is exact."""
    matrix, dense = on(device, both[0]), both[1]
    generator = torch.Generator().manual_seed(0)
    features = torch.randint(-3, 4, (dense.shape[1], dim), generator=generator).to(device, dtype).requires_grad_()
    direction = torch.randint(-3, 4, (len(dense), dim), generator=generator).to(device, dtype)
    product = matrix @ features
    (gradient,) = torch.autograd.grad(product, features, direction)
    assert product.dtype == gradient.dtype == dtype
    assert torch.equal(product.cpu().double(), dense @ features.cpu().double())
    assert torch.equal(gradient.cpu().double(), dense.T @ direction.cpu().double())


@settings(deadline=None, max_examples=60)
@given(both=matrices())
def test_transposing_and_counting(both: tuple[SparseMatrix, Tensor]) -> None:
    matrix, dense = both
    identity = torch.eye(len(dense), dtype=torch.float64)
    assert torch.equal(matrix.transposed @ identity, dense.T)
    assert torch.equal(matrix.transposed.transposed @ torch.eye(dense.shape[1], dtype=torch.float64), dense)
    assert matrix.counts.sum() == matrix.transposed.counts.sum() == len(matrix.inputs)


@settings(deadline=None, max_examples=60)
@given(both=matrices(), dim=st.sampled_from([1, 3, 17]))
def test_sums_over_the_number_of_entries(both: tuple[SparseMatrix, Tensor], dim: int) -> None:
    matrix, dense = both
    features = torch.randn(matrix.rows_in, dim, dtype=torch.float64, requires_grad=True)
    entries = torch.tensor([max(1, len(rows)) for rows in matrix.inputs.split(matrix.counts.tolist())])
    twin = dense @ features / entries[:, None]
    direction = torch.randn(twin.shape, dtype=torch.float64)
    ours = [matrix.mean(features), *torch.autograd.grad(matrix.mean(features), features, direction)]
    for value, wanted in zip(ours, [twin, *torch.autograd.grad(twin, features, direction)], strict=True):
        assert torch.allclose(value, wanted, rtol=1e-12, atol=1e-12)


@on_every_device
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_long_sums_are_kept_in_single_precision(device: str, dtype: torch.dtype) -> None:
    """Ten thousand ones: either type alone stops counting at a few thousand at most."""
    matrix = on(device, SparseMatrix.of_rows(torch.arange(10_000), torch.tensor([10_000]), 10_000))
    ones = torch.ones(10_000, 3, dtype=dtype, device=device)
    assert (matrix @ ones).tolist() == [[float(torch.tensor(10_000.0).to(dtype))] * 3]
    assert matrix.mean(ones * 100).tolist() == [[100.0] * 3], "a sum beyond the type's range is none beyond its mean's"


def test_features_need_not_be_contiguous() -> None:
    matrix = SparseMatrix.of_rows(torch.tensor([2, 0, 1, 1]), torch.tensor([2, 0, 2]), 3, torch.tensor([1.0, 2, 3, 4]))
    wide = torch.arange(12.0).view(3, 4)
    for strange in (wide[:, ::2], wide.T[:3].T[:, :2], wide[:, :1].expand(3, 5)):
        assert not strange.is_contiguous()
        assert torch.equal(matrix @ strange, matrix @ strange.contiguous())


def test_features_of_other_rows_are_refused() -> None:
    matrix = SparseMatrix.of_rows(torch.tensor([0]), torch.tensor([1]), 3)
    with pytest.raises(ValueError, match="matrix of 3 input rows was given features of 2"):
        matrix @ torch.zeros(2, 1)


def test_entries_beyond_the_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="matrix of 2 output rows was given an entry for row 4"):
        SparseMatrix.of_entries(torch.tensor([0, 4]), torch.tensor([0, 1]), 2, 2)
