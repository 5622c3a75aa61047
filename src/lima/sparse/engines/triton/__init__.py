"""Sparse convolution on CUDA GPUs. Its kernels are written in Triton, which is imported when one is needed."""

from lima.sparse.engines.triton.engine import TritonEngine

__all__ = ["TritonEngine"]
