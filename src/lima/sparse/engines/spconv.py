"""spconv's convolution over our kernel maps: to compare with, and to fall back to. Taken only where it is asked for.

Needs spconv 2.3 (PyPI: `spconv` for the CPU, `spconv-cu126` and the like for a GPU). Of its two algorithms this is the
one called native, which gathers, multiplies and scatters offset by offset; the maps are found as by `PyTorchEngine`.
"""

from __future__ import annotations

import importlib
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int32, Int64
from torch import Tensor

from lima.sparse.engines.plain import PlainNormalisation
from lima.sparse.engines.pytorch import PyTorchEngine
from lima.sparse.kernel_map import KernelMap, Pairs

TYPES = {"cpu": (torch.float32, torch.float64), "cuda": (torch.float32,)}
"""It sums in the features' own type, and half precision is not good enough for that."""

_one_at_a_time = threading.RLock()


class SpconvEngine(PlainNormalisation):
    """float32, on the CPU float64 too, there on one thread.

    It computes both gradients, whichever is asked for. On a GPU it tries several kernels at first use and keeps the
    fastest: another process may choose others, and round otherwise.
    """

    name = "spconv"

    def refusal(self, device: torch.device, dtype: torch.dtype) -> str | None:
        """The first call imports spconv."""
        if device.type not in TYPES:
            return f"it works on {' and '.join(TYPES)} alone"
        if dtype not in TYPES[device.type]:
            return f"on {device.type} it takes {' and '.join(map(str, TYPES[device.type]))}"
        try:
            operations = _operations()
        except ImportError as error:
            return f"spconv 2.3 cannot be imported ({error}): pip install spconv, for a GPU spconv-cu126 or the like"
        if device.type == "cuda" and operations.CPU_ONLY_BUILD:
            return "this build of spconv is for the CPU: pip install spconv-cu126, or the one for your CUDA, instead"
        return None

    def details(self) -> str:
        """The version, and what it was built for."""
        build = "for the CPU" if _operations().CPU_ONLY_BUILD else "for CUDA"
        return f"spconv {importlib.import_module('spconv').__version__}, built {build}"

    def find_pairs(self, keys: Int64[Tensor, "cells"], wanted: Int64[Tensor, "rows"], steps: Sequence[int]) -> Pairs:
        """spconv finds pairs and coarse cells at once, in an order of its own: this is plain PyTorch."""
        return PyTorchEngine().find_pairs(keys, wanted, steps)

    def forward(self, features: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
        """Offset after offset."""
        if kernel_map.products == 0:
            return features.new_zeros(kernel_map.voxels_out, weight.shape[2])
        pairs = kernel_map.layout(indice_pairs)
        with spconv_on(features.device):
            result: Tensor = _operations().indice_conv(
                features,
                weight.permute(2, 0, 1).contiguous(),
                pairs.rows,
                pairs.counts,
                kernel_map.voxels_out,
                subm=kernel_map.symmetric,
            )
        return result

    def backward(
        self,
        features: Tensor,
        weight: Tensor,
        gradient: Tensor,
        kernel_map: KernelMap,
        for_features: bool,
        for_weight: bool,
    ) -> tuple[Tensor | None, Tensor | None]:
        """Offset after offset, both at once."""
        if kernel_map.products == 0:
            at_features, at_weight = torch.zeros_like(features), torch.zeros_like(weight)
        else:
            pairs = kernel_map.layout(indice_pairs)
            with spconv_on(features.device):
                at_features, at_filters = _operations().indice_conv_backward(
                    features,
                    weight.permute(2, 0, 1).contiguous(),
                    gradient,
                    pairs.rows,
                    pairs.counts,
                    subm=kernel_map.symmetric,
                )
            at_weight = at_filters.permute(1, 2, 0).contiguous()
        return at_features if for_features else None, at_weight if for_weight else None


@dataclass(frozen=True, eq=False)
class IndicePairs:
    """A map as spconv wants it: a row of pairs per offset, inputs before outputs, filled up with -1.

    Like ours, its map of a submanifold kernel leaves the offset in the middle out.
    """

    rows: Int32[Tensor, "2 offsets most_pairs"]
    counts: Int32[Tensor, "offsets"]


def indice_pairs(kernel_map: KernelMap) -> IndicePairs:
    """As wide as the offset with most pairs needs, and never without a column: spconv takes no empty tables."""
    counts = torch.tensor(kernel_map.counts, dtype=torch.int32, device=kernel_map.inputs.device)
    most_pairs = max(1, *kernel_map.counts)
    rows = counts.new_full((2, len(counts), most_pairs), -1)
    taken = torch.arange(most_pairs, device=counts.device) < counts[:, None]
    rows[:, taken] = torch.stack([kernel_map.inputs, kernel_map.outputs]).int()
    return IndicePairs(rows, counts)


@contextmanager
def spconv_on(device: torch.device) -> Iterator[None]:
    """Within it, spconv's functions can be called on tensors of this device.

    On a GPU they work on the current device, whichever the tensors' is. On a CPU 2.3.8 has two defects:

    - `ops.indice_conv_backward` asks for the current CUDA stream before it looks where the tensors are, and then has
      no use for it. Where torch finds no GPU that fails, so `ops.get_current_stream` is replaced by the null stream.
    - `GatherCPU.scatter_add` shares its pointers among the threads of OpenMP: with more than one a row is now and then
      lost or added to another. It gets one.
    """
    if device.type == "cuda":
        with torch.cuda.device(device):
            yield
        return
    operations = _operations()
    with _one_at_a_time:
        threads, stream = torch.get_num_threads(), operations.get_current_stream
        torch.set_num_threads(1)
        if not torch.cuda.is_available():
            operations.get_current_stream = lambda: 0
        try:
            yield
        finally:
            operations.get_current_stream = stream
            torch.set_num_threads(threads)


def _operations() -> Any:
    """spconv.pytorch.ops. What that imports calls functions that Python will drop: the warning is not for our users."""
    name = "spconv.pytorch.ops"
    if name not in sys.modules:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            importlib.import_module(name)
    return importlib.import_module(name)
