"""Sparse tensors, convolutions and pooling on them, points to voxels and back: one meaning, several engines."""

from lima.sparse.bounded import BoundedConv3d
from lima.sparse.convolution import convolve
from lima.sparse.kernel_map import KernelMap
from lima.sparse.kernel_maps import KernelMaps
from lima.sparse.modules import (
    ConvNormReLU,
    InverseConv3d,
    SparseBatchNorm,
    StridedConv3d,
    SubmanifoldConv3d,
    TransposedConv3d,
    conv_norm_relu,
    relu,
)
from lima.sparse.points import devoxelise_nearest, devoxelise_trilinear, find_voxels, scatter_mean
from lima.sparse.pooling import AveragePool3d, GlobalPool, MaxPool3d
from lima.sparse.tensor import SparseTensor, concatenate

__all__ = [
    "AveragePool3d",
    "BoundedConv3d",
    "ConvNormReLU",
    "GlobalPool",
    "InverseConv3d",
    "KernelMap",
    "KernelMaps",
    "MaxPool3d",
    "SparseBatchNorm",
    "SparseTensor",
    "StridedConv3d",
    "SubmanifoldConv3d",
    "TransposedConv3d",
    "concatenate",
    "conv_norm_relu",
    "convolve",
    "devoxelise_nearest",
    "devoxelise_trilinear",
    "find_voxels",
    "relu",
    "scatter_mean",
]
