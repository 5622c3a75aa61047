"""Sparse tensors, kernel maps and convolutions, in plain PyTorch."""

from lima.sparse.engine import convolve
from lima.sparse.kernel_map import KernelMap, KernelMaps
from lima.sparse.modules import InverseConv3d, SparseBatchNorm, StridedConv3d, SubmanifoldConv3d, relu
from lima.sparse.tensor import SparseTensor, concatenate

__all__ = [
    "InverseConv3d",
    "KernelMap",
    "KernelMaps",
    "SparseBatchNorm",
    "SparseTensor",
    "StridedConv3d",
    "SubmanifoldConv3d",
    "concatenate",
    "convolve",
    "relu",
]
