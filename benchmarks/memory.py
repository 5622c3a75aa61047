"""Time per step and size of the memory against the number of frames it holds.

    python benchmarks/memory.py [--dims 64 384] [--points 25000] [--steps 40]

A vehicle drives 5 m per keyframe (10 m/s at 2 Hz) past walls on a road; every sweep sees both anew. All memories take
the same step one after the other, so that a busy machine slows all of them alike; medians of the CPU time of the steps
after the longest one is full (with several threads, the sum of theirs).
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch import Tensor

from lima.method.cross_view import PointFeatures
from lima.method.memory import MemoryBank

FRAMES = (1, 2, 4, 6, 12, 24)


def sweep(step: int, points: int, dim: int, generator: torch.Generator) -> tuple[Tensor, PointFeatures]:
    """Ground and two walls as 32 beams meet them, in the world; 76 % of the points are seen by a camera."""
    azimuth = torch.rand(points, generator=generator, dtype=torch.float64) * 2 * torch.pi
    beam = torch.randint(32, (points,), generator=generator)
    inclination = torch.deg2rad(-30.67 + beam.double() * 1.33)
    to_ground = 1.8 / torch.tan(-inclination).clamp(min=1e-6)
    to_wall = 12 / azimuth.sin().abs().clamp(min=0.15)
    distance = torch.minimum(to_ground, to_wall)
    points_world = torch.stack(
        [distance * azimuth.cos() + 5.0 * step, distance * azimuth.sin(), distance * torch.tan(inclination)], dim=1
    )
    points_world += 0.02 * torch.randn(points, 3, generator=generator, dtype=torch.float64)
    features = torch.randn(points, dim, generator=generator)
    return points_world, PointFeatures(features, torch.rand(points, generator=generator) < 0.76)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dims", type=int, nargs="+", default=[64, 384])
    parser.add_argument("--points", type=int, default=25_000)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--association", choices=("voxel", "nearest"), default="voxel")
    arguments = parser.parse_args()
    print(f"{torch.get_num_threads()} thread(s), {arguments.points} points, association {arguments.association}")
    for dim in arguments.dims:
        banks = {frames: MemoryBank(frames, arguments.association, 0.25) for frames in FRAMES}
        seconds: dict[int, list[float]] = {frames: [] for frames in FRAMES}
        generator = torch.Generator().manual_seed(0)
        for step in range(max(FRAMES) + arguments.steps):
            points_world, current = sweep(step, arguments.points, dim, generator)
            for frames, bank in banks.items():
                started = time.process_time()
                bank.step(points_world, current)
                if step >= max(FRAMES):
                    seconds[frames].append(time.process_time() - started)
        base = statistics.median(seconds[2])
        for frames, bank in banks.items():
            median = statistics.median(seconds[frames])
            print(
                f"dim {dim:4}  k {frames:2}  {1e3 * median:7.2f} ms  x {median / base:4.2f} of k = 2  "
                f"{bank.nbytes / 2**20:7.1f} MiB"
            )


if __name__ == "__main__":
    main()
