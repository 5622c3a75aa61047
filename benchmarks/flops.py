"""Operations and bytes of every convolution of a network, and how fast they could be: the roofline.

A layer reads the features of every pair, writes every row of its result once and reads its weights once. Each of its
passes (forward, gradient at the features, gradient at the weights) takes at least as long as its arithmetic at the rate
of `torch.mm`, and as long as its bytes at the rate of copying. Rows that a cache still holds cost less than that: the
memory limit is one for a machine without caches.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from unittest import mock

from torch import Tensor

from lima.sparse import KernelMap, SparseTensor, convolve
from lima.students.minkunet import MinkUNet


@dataclass(frozen=True)
class Layer:
    """A convolution as its arithmetic sees it. finest: the larger number of voxels at its two ends."""

    products: int
    voxels_in: int
    voxels_out: int
    offsets: int
    in_dim: int
    out_dim: int
    first: bool

    @property
    def finest(self) -> int:
        return max(self.voxels_in, self.voxels_out)

    @property
    def flop(self) -> float:
        """Multiplications and additions of one pass."""
        return 2.0 * self.products * self.in_dim * self.out_dim

    def passes(self, phase: str) -> list[tuple[float, float]]:
        """(operations, numbers read or written) of every pass: one in inference, three in training.

        The first layer has two: nobody asks for the gradient at the inputs.
        """
        weights = self.offsets * self.in_dim * self.out_dim
        forward = self.products * self.in_dim + self.voxels_out * self.out_dim + weights
        at_features = self.products * self.out_dim + self.voxels_in * self.in_dim + weights
        at_weight = self.products * (self.in_dim + self.out_dim) + weights
        wanted = (
            [forward] if phase == "infer" else [forward, at_weight] if self.first else [forward, at_features, at_weight]
        )
        return [(self.flop, float(numbers)) for numbers in wanted]


@dataclass(frozen=True)
class Limits:
    """Seconds that some passes take at least: by arithmetic, by memory, and pass by pass by the larger of both."""

    flop: float
    gigabytes: float
    arithmetic: float
    memory: float
    bound: float

    @staticmethod
    def of(layers: Sequence[Layer], phase: str, flop_per_s: float, bytes_per_s: float, number_bytes: int) -> Limits:
        passes = [(flop, numbers * number_bytes) for layer in layers for flop, numbers in layer.passes(phase)]
        times = [(flop / flop_per_s, size / bytes_per_s) for flop, size in passes]
        return Limits(
            sum(flop for flop, _ in passes),
            sum(size for _, size in passes) / 1e9,
            sum(arithmetic for arithmetic, _ in times),
            sum(memory for _, memory in times),
            sum(map(max, times)),
        )


def layers_of(model: MinkUNet, voxels: SparseTensor) -> list[Layer]:
    """The convolutions in the order of a forward pass."""
    found: list[Layer] = []

    def noting(features: Tensor, weight: Tensor, kernel_map: KernelMap, engine: str | None = None) -> Tensor:
        offsets, in_dim, out_dim = weight.shape
        ends = kernel_map.products, kernel_map.voxels_in, kernel_map.voxels_out
        found.append(Layer(*ends, offsets, in_dim, out_dim, first=not found))
        return convolve(features, weight, kernel_map, engine)

    with mock.patch("lima.sparse.modules.convolve", noting):
        model.eval()(voxels)  # with gradients, for without them convolution and batch norm are one
    return found


def print_roofline(
    layers: Sequence[Layer], phase: str, flop_per_s: float, bytes_per_s: float, number_bytes: int
) -> float:
    """A line per resolution (strided layers belong to the finer one) and the sum. Returns the seconds of the bound."""
    print(f"  at least, for the convolutions of {phase}: {flop_per_s / 1e9:.0f} GFLOP/s, {bytes_per_s / 1e9:.1f} GB/s")
    print(f"    {'voxels':>8} {'layers':>6} {'GFLOP':>8} {'GB':>7} {'FLOP/byte':>9} "
          f"{'arithmetic s':>12} {'memory s':>9} {'bound s':>8}")  # fmt: skip
    by_resolution: dict[int, list[Layer]] = defaultdict(list)
    for layer in layers:
        by_resolution[layer.finest].append(layer)
    groups = [(f"{voxels}", by_resolution[voxels]) for voxels in sorted(by_resolution, reverse=True)]
    for name, members in [*groups, ("all", layers)]:
        limits = Limits.of(members, phase, flop_per_s, bytes_per_s, number_bytes)
        print(f"    {name:>8} {len(members):6} {limits.flop / 1e9:8.2f} {limits.gigabytes:7.2f} "
              f"{limits.flop / limits.gigabytes / 1e9:9.1f} {limits.arithmetic:12.4f} {limits.memory:9.4f} "
              f"{limits.bound:8.4f}")  # fmt: skip
    return limits.bound
