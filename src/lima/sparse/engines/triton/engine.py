"""Sparse convolution on CUDA GPUs: maps found by hashing, implicit matrix products on the tensor cores.

What was checked: values, gradients and pairs in Triton's interpreter on a CPU, and the machine code that Triton makes
for sm_90 (registers, spills, shared memory, wgmma). None of it has run on a GPU yet.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from importlib.metadata import version

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lima.sparse.engines.plain import PlainNormalisation
from lima.sparse.kernel_map import KernelMap, Pairs

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


class TritonEngine(PlainNormalisation):
    """Beside inputs and result it needs the kernel map as a table and, for the weights' gradient, parts of the sum.

    Products of float32 run in TF32 where `torch.backends.cuda.matmul` allows it for matrix products, else exactly and
    far slower. With TRITON_INTERPRET=1 in the environment from the start, tensors may be anywhere: Triton's
    interpreter then runs the kernels, very slowly.
    """

    name = "triton"

    def refusal(self, device: torch.device, dtype: torch.dtype) -> str | None:
        """It takes float32, bfloat16 and float16 on NVIDIA GPUs of compute capability 8.0 or newer."""
        if dtype not in DTYPES:
            return f"it takes {', '.join(str(known).removeprefix('torch.') for known in DTYPES)}"
        if not _triton_is_installed():
            return "the package triton is not installed"
        if _is_interpreted():
            return None
        if device.type != "cuda":
            return "it takes tensors on CUDA devices, others only with TRITON_INTERPRET=1"
        return _refusal_of_gpu(device)

    def details(self) -> str:
        """The version of Triton, and whether it compiles or interprets."""
        how = "interpreted" if _is_interpreted() else "compiled"
        return f"triton {version('triton')}, {how}"

    def find_pairs(self, keys: Int64[Tensor, "cells"], wanted: Int64[Tensor, "rows"], steps: Sequence[int]) -> Pairs:
        """All steps of all rows at once, in a hash table."""
        from lima.sparse.engines.triton.hash_table import find_pairs_by_hashing

        with _on(keys.device):
            return find_pairs_by_hashing(keys, wanted, steps)

    def forward(
        self, features: Float[Tensor, "voxels dim"], weight: Float[Tensor, "offsets dim new_dim"], kernel_map: KernelMap
    ) -> Float[Tensor, "new_voxels new_dim"]:
        """One kernel over tiles of output rows."""
        from lima.sparse.engines.triton.convolution import convolve_map

        with _on(features.device):
            return convolve_map(features, weight, kernel_map, _precision(features.dtype))

    def forward_fused(
        self,
        features: Float[Tensor, "voxels dim"],
        weight: Float[Tensor, "offsets dim new_dim"],
        kernel_map: KernelMap,
        scale: Float[Tensor, "new_dim"],
        shift: Float[Tensor, "new_dim"],
        relu: bool,
        residual: Float[Tensor, "new_voxels new_dim"] | None = None,
    ) -> Float[Tensor, "new_voxels new_dim"]:
        """forward(…) * scale + shift, plus residual, then ReLU: a block in evaluation, in one kernel, rounded once.

        scale, shift: what batch norm does with frozen statistics.
        """
        from lima.sparse.engines.triton.convolution import convolve_map

        with _on(features.device):
            precision = _precision(features.dtype)
            return convolve_map(
                features, weight, kernel_map, precision, scale=scale, shift=shift, residual=residual, relu=relu
            )

    def backward(
        self,
        features: Float[Tensor, "voxels dim"],
        weight: Float[Tensor, "offsets dim new_dim"],
        gradient: Float[Tensor, "new_voxels new_dim"],
        kernel_map: KernelMap,
        for_features: bool,
        for_weight: bool,
    ) -> tuple[Float[Tensor, "voxels dim"] | None, Float[Tensor, "offsets dim new_dim"] | None]:
        """The gradient at the features is the convolution with the transposed map and matrices.

        Of a symmetric map that is the map itself with the offsets in opposite order.
        """
        from lima.sparse.engines.triton.convolution import convolve_map
        from lima.sparse.engines.triton.weight_gradient import pair_lists, weight_gradient

        precision = _precision(features.dtype)
        at_features = at_weight = None
        with _on(features.device):
            if for_features:
                back = kernel_map if kernel_map.symmetric else kernel_map.transposed
                transposed = weight.transpose(1, 2)
                at_features = convolve_map(gradient, transposed, back, precision, backwards=kernel_map.symmetric)
            if for_weight:
                at_weight = weight_gradient(features, gradient, kernel_map.layout(pair_lists), precision)
        return at_features, at_weight


def _is_interpreted() -> bool:
    return os.environ.get("TRITON_INTERPRET") == "1"


@cache
def _triton_is_installed() -> bool:
    return importlib.util.find_spec("triton") is not None


@cache
def _refusal_of_gpu(device: torch.device) -> str | None:
    if torch.version.hip is not None:
        return "its kernels are written for NVIDIA GPUs"
    if not torch.cuda.is_available():
        return "torch sees no CUDA device"
    major, minor = torch.cuda.get_device_capability(device)
    return None if major >= 8 else f"it needs compute capability 8.0 or newer, this GPU has {major}.{minor}"


def _on(device: torch.device) -> AbstractContextManager[object]:
    """Triton launches on the current device."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def _precision(dtype: torch.dtype) -> str:
    """How the tensor cores take operands of this type, as torch's own matrix products do."""
    matmul = torch.backends.cuda.matmul
    if dtype != torch.float32:
        return "ieee"
    if hasattr(matmul, "fp32_precision"):
        return "tf32" if matmul.fp32_precision == "tf32" else "ieee"
    return "tf32" if matmul.allow_tf32 else "ieee"
