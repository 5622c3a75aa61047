"""The kernel map: which input voxel meets which output voxel under which offset of a kernel.

Offsets are numbered with x slowest and z fastest; an odd kernel is centred, an even one reaches from 0 to size - 1.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from jaxtyping import Int64
from torch import Tensor

Layout = TypeVar("Layout")


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of rows, offset by offset: `counts[k]` of them belong to offset k. Outputs ascend within an offset."""

    inputs: Int64[Tensor, "pairs"]
    outputs: Int64[Tensor, "pairs"]
    counts: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class KernelMap:
    """Pairs of rows, offset by offset: output row `outputs[j]` sees input row `inputs[j]` through its offset's weight.

    counts: pairs of every offset. Under one offset an input row, and an output row, occurs at most once.
    symmetric: the map of a submanifold kernel. Pair (i, o) under offset k is pair (o, i) under the opposite offset
    K - 1 - k, and under the one in the middle every voxel meets itself, which the lists leave out.
    """

    inputs: Int64[Tensor, "pairs"]
    outputs: Int64[Tensor, "pairs"]
    counts: tuple[int, ...]
    voxels_in: int
    voxels_out: int
    symmetric: bool
    _layouts: dict[Callable[..., Any], Any] = field(default_factory=dict, repr=False)

    @property
    def products(self) -> int:
        """How many products of a feature vector with a weight matrix a convolution takes."""
        return len(self.inputs) + (self.voxels_in if self.symmetric else 0)

    @cached_property
    def transposed(self) -> KernelMap:
        """The same pairs under the same offsets, read from the outputs to the inputs."""
        made = KernelMap(self.outputs, self.inputs, self.counts, self.voxels_out, self.voxels_in, self.symmetric)
        made.__dict__["transposed"] = self  # and back, so that no layout is made twice
        return made

    def layout(self, arrange: Callable[[KernelMap], Layout]) -> Layout:
        """What `arrange` makes of this map: an engine's own arrangement of the pairs, made when first asked for."""
        if arrange not in self._layouts:
            self._layouts[arrange] = arrange(self)
        made: Layout = self._layouts[arrange]
        return made


def kernel_offsets(kernel_size: int) -> list[tuple[int, int, int]]:
    """The offsets of a cubic kernel, x slowest."""
    first = -(kernel_size // 2) if kernel_size % 2 else 0
    steps = range(first, first + kernel_size)
    return list(itertools.product(steps, steps, steps))
