"""The native engine for CPUs."""

from lima.sparse.engines.native.engine import NativeEngine

__all__ = ["NativeEngine"]
