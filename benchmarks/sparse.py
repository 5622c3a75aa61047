"""How fast sparse convolution is: `python -m benchmarks.sparse --threads 2`.

One table, all in one run on the same sweeps: finding the kernel maps, inference, and a training step (forward and
backward) of MinkUNets. `of mm` is the share of the floating-point rate that `torch.mm` reaches on large matrices in the
same run, operations per processor second on a CPU and per second elsewhere. `others` is the share of the processors
that other programs took meanwhile: where it is not near zero, `seconds` means little, and `cpu` (processor seconds of
all threads of this program) more.

Why the engine sums with `embedding_bag` in groups of 2^16 pairs: all convolutions of one half-width MinkUNet-34 at
19 092 voxels (14.6 GFLOP forward), two cores of an AMD EPYC (Zen 4), torch 2.13, 2026-11-22, medians of five in
milliseconds, forward / both gradients:

    way to add up                                        one thread      two threads
    one index_add_ per offset                             276 / 545       224 / 426
    the same with reused buffers                          288 / 558       235 / 450
    rows gathered, addmm_ on them, index_copy_ back       298 / 569       210 / 384
    groups of 2^13 pairs, embedding_bag                   329 / 636       181 / 363
    groups of 2^14 pairs, embedding_bag                   303 / 607       176 / 383
    groups of 2^16 pairs, embedding_bag                   292 / 587       177 / 368
    everything at once, embedding_bag                     295 / 619       204 / 335
    matrix products alone                                 195 / 414       110 / 243

These are processor seconds of the main thread, the other one waiting without spinning: what a free machine would take.
This one was busy, so a difference of a tenth means little.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch
from benchmarks.sweep import sweep_32_beams, sweep_64_beams
from torch import Tensor

from lima.scene import Batch
from lima.sparse import KernelMap, KernelMaps, SparseTensor, convolve
from lima.students.minkunet import BLOCKS, MinkUNet
from lima.students.voxelise import Voxeliser

INPUTS = {"32 beams, 0.1 m": (sweep_32_beams, 0.1), "64 beams, 0.05 m": (sweep_64_beams, 0.05)}
MODELS = {
    "half-width MinkUNet-34": ("minkunet34", 0.5),
    "MinkUNet-18": ("minkunet18", 1.0),
    "MinkUNet-34": ("minkunet34", 1.0),
}
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--inputs", nargs="+", choices=list(INPUTS), default=["32 beams, 0.1 m"])
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the table as a list of records, too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)

    rate = matrix_product_rate(device)
    unit = "processor second" if device.type == "cpu" else "second"
    print(f"torch.mm reaches {rate / 1e9:.0f} GFLOP per {unit} on {device.type}, {options.threads} threads", flush=True)
    print(f"{'input':18} {'voxels':>7} {'model':24} {'phase':7} {'seconds':>8} {'cpu':>7} {'others':>7} "
          f"{'GFLOP':>7} {'of mm':>6} {'peak MB':>8}", flush=True)  # fmt: skip
    records = []
    for input_name in options.inputs:
        voxels = voxels_of(input_name).to(device)
        for model_name in options.models:
            for phase, flop, step in phases(model_name, voxels):
                measured = measure(step, options.repeats, device)
                cost = measured["cpu_seconds" if device.type == "cpu" else "seconds"]
                share = flop / cost / rate if flop else None
                print(f"{input_name:18} {len(voxels.coordinates):7} {model_name:24} {phase:7} "
                      f"{measured['seconds']:8.3f} {measured['cpu_seconds']:7.3f} {measured['others']:7.0%} "
                      f"{flop / 1e9:7.1f} {'–' if share is None else f'{share:.0%}':>6} "
                      f"{measured['peak_mb']:8.0f}", flush=True)  # fmt: skip
                records.append(
                    {"engine": "torch", "device": device.type, "input": input_name, "model": model_name, "phase": phase,
                     "dtype": "float32", "threads": options.threads, "gemm_share": share, **measured}
                )  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps(records, indent=1) + "\n")


class Voxels:
    """Features and cells of one sweep, without any kernel map."""

    def __init__(self, features: Tensor, coordinates: Tensor) -> None:
        self.features, self.coordinates = features, coordinates

    def to(self, device: torch.device) -> Voxels:
        return Voxels(self.features.to(device), self.coordinates.to(device))

    def tensor(self, maps: KernelMaps | None = None) -> SparseTensor:
        """A tensor with the given maps, or with none yet."""
        return SparseTensor(self.features, self.coordinates, maps=KernelMaps() if maps is None else maps)


def voxels_of(input_name: str) -> Voxels:
    sweep, size_m = INPUTS[input_name]
    points = sweep()
    batch = Batch.from_points([points[:, :3].contiguous()], [points[:, 3].contiguous()])
    voxels = Voxeliser("cartesian", size_m, 1.0, 100.0)(batch).voxels
    return Voxels(voxels.features, voxels.coordinates)


def phases(model_name: str, voxels: Voxels) -> list[tuple[str, float, Callable[[], object]]]:
    """(name, floating-point operations, what to run): inference and training find their maps anew every time."""
    torch.manual_seed(0)
    backbone, width = MODELS[model_name]
    model = MinkUNet(BLOCKS[backbone], width).to(voxels.features.device)
    forward_flop, backward_flop = count_flop(model, voxels)

    def find_maps() -> None:
        maps, coordinates = KernelMaps(), voxels.coordinates
        for level in range(5):
            _ = maps.submanifold(coordinates, 2**level, 3, 1).groups
            if level < 4:
                coordinates, kernel_map = maps.strided(coordinates, 2**level, 2, 2)
                _ = kernel_map.groups, kernel_map.transposed.groups

    @torch.no_grad()
    def infer() -> None:
        model.eval()(voxels.tensor())

    def train() -> None:
        model.train()(voxels.tensor()).features.square().mean().backward()
        model.zero_grad()

    return [("map", 0.0, find_maps), ("infer", forward_flop, infer), ("train", forward_flop + backward_flop, train)]


@torch.no_grad()
def count_flop(model: MinkUNet, voxels: Voxels) -> tuple[float, float]:
    """Multiplications and additions of the convolutions' pairs, forward and backward."""
    forward: list[float] = []

    def counting(features: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
        forward.append(2.0 * kernel_map.products * weight.shape[1] * weight.shape[2])
        return convolve(features, weight, kernel_map)

    with mock.patch("lima.sparse.modules.convolve", counting):
        model.eval()(voxels.tensor())
    return sum(forward), 2 * sum(forward) - forward[0]  # nobody asks for the gradient at the inputs


def matrix_product_rate(device: torch.device) -> float:
    """Operations per second of large products; of processor time on a CPU, which other programs do not lengthen."""
    a, b = torch.randn(2048, 1024, device=device), torch.randn(1024, 1024, device=device)
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    seconds = []
    for _ in range(20):
        begin = clock()
        a @ b
        synchronise(device)
        seconds.append(clock() - begin)
    return 2.0 * 2048 * 1024 * 1024 / statistics.median(seconds)


def measure(step: Callable[[], object], repeats: int, device: torch.device) -> dict[str, float]:
    """Medians after one run to warm up, and the peak of memory above what was there before."""
    before_mb = peak_mb(device, reset=True)
    step()
    synchronise(device)
    peak = peak_mb(device) - before_mb
    seconds, cpu_seconds, others = [], [], []
    for _ in range(repeats):
        busy, own, begin = busy_s(), time.process_time(), time.perf_counter()
        step()
        synchronise(device)
        seconds.append(time.perf_counter() - begin)
        cpu_seconds.append(time.process_time() - own)
        others.append(max(0.0, busy_s() - busy - cpu_seconds[-1]) / seconds[-1] / (os.cpu_count() or 1))
    return {
        "seconds": statistics.median(seconds),
        "cpu_seconds": statistics.median(cpu_seconds),
        "others": statistics.median(others),
        "peak_mb": peak,
    }


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def busy_s() -> float:
    """Seconds that all processors together have worked, for anybody; zero where the system does not tell."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0
    user, nice, system, _, _, irq, softirq, steal = map(int, stat.read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_S


def peak_mb(device: torch.device, reset: bool = False) -> float:
    """The most memory held since the last reset; NaN where the system does not tell."""
    if device.type == "cuda":
        if reset:
            torch.cuda.reset_peak_memory_stats()
        return torch.cuda.max_memory_allocated() / 1e6
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    if reset:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)  # what was freed before is not to hide what comes
        Path("/proc/self/clear_refs").write_text("5")
    return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1e3


if __name__ == "__main__":
    main()
