"""Sparse tensors, kernel maps and convolutions: one meaning, several engines."""

from lima.sparse.convolution import convolve
from lima.sparse.kernel_map import KernelMap
from lima.sparse.kernel_maps import KernelMaps
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
