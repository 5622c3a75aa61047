"""Convolutions to try engines on, with their slow twins: torch's dense convolutions (tests/oracles/dense_conv.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from lima.sparse import KernelMap, KernelMaps, convolve
from tests.oracles.dense_conv import dense_inverse, dense_strided, dense_submanifold, dense_transposed


@dataclass(frozen=True)
class Problem:
    """A convolution: from which voxels to which, over which map, and its slow twin of features and weight."""

    cells_in: Tensor
    cells_out: Tensor
    kernel_map: KernelMap
    twin: Callable[[Tensor, Tensor], Tensor]


def problem(operator: str, cells: Tensor, kernel_size: int, step: int, engine: str, device: str = "cpu") -> Problem:
    """step: the dilation of a submanifold convolution. The twin works on the CPU."""
    maps, here = KernelMaps(engine), cells.to(device)
    if operator == "submanifold":
        kernel_map = maps.submanifold(here, 1, kernel_size, step)
        return Problem(cells, cells, kernel_map, lambda f, w: dense_submanifold(f, cells, w, step))
    if operator == "transposed":
        fine, kernel_map, _ = maps.generated(here, step, kernel_size, step)
        return Problem(cells, fine.cpu(), kernel_map, lambda f, w: dense_transposed(f, cells, fine.cpu(), w, step))
    coarse, kernel_map = maps.strided(here, 1, kernel_size, step)
    if operator == "strided":
        return Problem(cells, coarse.cpu(), kernel_map, lambda f, w: dense_strided(f, cells, w, step))
    _, kernel_map = maps.inverse(coarse, step, kernel_size, step)
    return Problem(coarse.cpu(), cells, kernel_map, lambda f, w: dense_inverse(f, cells, w, step))


def randn(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def convolution(problem: Problem, engine: str) -> Callable[[Tensor, Tensor], Tensor]:
    return partial(convolve, kernel_map=problem.kernel_map, engine=engine)


def value_and_gradients(
    function: Callable[[Tensor, Tensor], Tensor], features: Tensor, weight: Tensor, direction: Tensor
) -> list[Tensor]:
    """The result, and the gradients at features and weight of its product with the direction."""
    features, weight = features.detach().requires_grad_(), weight.detach().requires_grad_()
    value = function(features, weight)
    return [value.detach(), *torch.autograd.grad(value, (features, weight), direction)]


def random_operands(problem: Problem, in_dim: int, out_dim: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Features, weight, and the gradient at the result."""
    offsets, device = len(problem.kernel_map.counts), problem.kernel_map.inputs.device
    sizes = [(len(problem.cells_in), in_dim), (offsets, in_dim, out_dim), (len(problem.cells_out), out_dim)]
    return tuple(randn(*size, seed=seed).to(device, dtype) for seed, size in enumerate(sizes))


def assert_equals_twin(problem: Problem, operands: tuple[Tensor, ...], engine: str) -> None:
    """Rounding of a sum is measured by the sum of the sizes of its summands, which the twin gives, too."""
    dtype = operands[0].dtype
    ours = value_and_gradients(convolution(problem, engine), *operands)
    twin = value_and_gradients(problem.twin, *[x.cpu().double() for x in operands])
    sizes = value_and_gradients(problem.twin, *[x.cpu().double().abs() for x in operands])
    eps, tiny = torch.finfo(dtype).eps, torch.finfo(dtype).tiny
    units = 8 if eps < 1e-6 else 2  # half precision rounds once per product and once per sum
    for value, expected, size in zip(ours, twin, sizes, strict=True):
        assert value.dtype == dtype
        assert value.shape == expected.shape
        excess = (value.cpu().double() - expected).abs() - units * eps * (size + tiny)
        assert (excess <= 0).all(), f"off by {float(excess.max())} more than rounding"
