"""Runs the Triton engine on a stand-in for a GPU, which compiles every kernel: `python -m tests.sparse.compile_triton`.

What the engine does before a launch happens as on a GPU: arguments, choice of configurations, compiling. Nothing is
launched, so results are garbage. One line per kernel and configuration: registers, bytes of stack (spills), of shared
memory, and how many instructions of which kind the machine code has. HGMMA: tensor cores as of Hopper, HMMA: as of
Ampere; FFMA: none; LDGSTS: asynchronous copies, of which `wide` move 16 bytes; LDL, STL: spills.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia import compiler as nvidia
from triton.runtime.driver import driver

from lima.sparse import KernelMaps
from lima.sparse.engines.triton import TritonEngine, row_tiles
from lima.sparse.engines.triton.convolution import convolve_kernel
from lima.sparse.engines.triton.weight_gradient import sum_parts_kernel
from tests.sparse.voxel_sets import random_coordinates

TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "tf32": torch.float32, "fp32": torch.float32}
INSTRUCTIONS = ("HGMMA", "HMMA", "FFMA", "LDGSTS", "LDL", "STL")
DIMS = [(4, 32), (32, 32), (64, 64), (96, 96), (128, 128), (256, 256), (384, 256)]
SHARED = 227 * 1024


class StandIn:
    """A GPU in all but the launches. It is its own `utils`."""

    def __init__(self, capability: int, report: Callable[[str, dict[str, Any]], None]) -> None:
        self.capability, self.report, self.utils = capability, report, self
        self.described: dict[str, Any] = {}

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", self.capability, 32)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0

    def get_device_properties(self, device: int) -> dict[str, int]:
        return {"max_shared_mem": SHARED}

    def get_benchmarker(self) -> Callable[..., list[float]]:
        return run_once

    def launcher_cls(self, source: Any, metadata: Any) -> Callable[..., None]:
        names = source.fn.arg_names
        constants = {names[path[0]]: value for path, value in source.constants.items()}
        self.described = {name: value for name, value in constants.items() if name.startswith("BLOCK")}
        if "scale" in names:
            self.described["fused"] = "scale" not in constants
        self.described |= {"warps": metadata.num_warps, "stages": metadata.num_stages}
        return lambda *arguments: None

    def load_binary(self, name: str, cubin: bytes, shared: int, device: int) -> tuple[Any, ...]:
        usage, code = disassembled(cubin)
        found = re.search(r"REG:(\d+) STACK:(\d+)", usage)
        assert found is not None, usage
        needs = {"registers": int(found[1]), "stack": int(found[2]), "shared": shared}
        counts = {kind: len(re.findall(rf"\b{kind}\b", code)) for kind in INSTRUCTIONS}
        counts["wide"] = len(re.findall(r"\bLDGSTS[.\w]*\.128\b", code))
        self.report(name, {**self.described, **needs, **counts})
        return "module", "function", int(found[1]), 0, 1024


def run_once(call: Callable[[], None], quantiles: Any = None) -> list[float]:
    """In place of timing a configuration."""
    call()
    return [0.0, 0.0, 0.0]


def disassembled(cubin: bytes) -> tuple[str, str]:
    """What `cuobjdump`, which comes with triton, says of the kernel's needs, and its code."""
    program = Path(nvidia.__file__).parent / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        outputs = [
            subprocess.run([program, flag, file.name], capture_output=True, text=True, check=True).stdout
            for flag in ("-res-usage", "-sass")
        ]
    return outputs[0], outputs[1]


def run_engine(dtype: torch.dtype, in_dim: int, out_dim: int) -> None:
    """All that a training step and an evaluation ask for."""
    engine, cells = TritonEngine(), random_coordinates(200, 4)
    kernel_map = KernelMaps("torch").submanifold(cells, 1, 3, 1)
    features, gradient = torch.ones(len(cells), in_dim, dtype=dtype), torch.ones(len(cells), out_dim, dtype=dtype)
    weight, one = torch.ones(27, in_dim, out_dim, dtype=dtype), torch.ones(out_dim)
    engine.forward(features, weight, kernel_map)
    engine.forward_fused(features, weight, kernel_map, one, one, True, gradient)
    engine.backward(features, weight, gradient, kernel_map, True, True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--capability", type=int, default=90)
    parser.add_argument("--dtypes", nargs="+", default=["bf16", "tf32", "fp32"], choices=list(TYPES))
    parser.add_argument("--dims", type=int, nargs=2, action="append", metavar=("IN", "OUT"))
    parser.add_argument("--quick", action="store_true", help="four warps, the shallower pipeline, tiles of 64 rows")
    parser.add_argument("--json", action="store_true", help="print records instead of a table")
    options = parser.parse_args()
    where: dict[str, Any] = {}

    def report(name: str, record: dict[str, Any]) -> None:
        if options.json:
            print(json.dumps({"kernel": name, **where, **record}), flush=True)
        else:
            print(f"{name:20} {' '.join(f'{key} {value}' for key, value in {**where, **record}.items())}", flush=True)

    driver.set_active(StandIn(options.capability, report))
    for kernel in (convolve_kernel, sum_parts_kernel):
        kernel.do_bench = run_once
        if options.quick:
            kernel.configs = [c for c in kernel.configs if (c.num_warps, c.num_stages) == (4, 3)]
    where |= {"dtype": "-", "dims": "-"}
    keys = torch.arange(300)
    TritonEngine().find_pairs(keys, keys, [1, 3])
    for dtype in options.dtypes:
        torch.set_float32_matmul_precision("high" if dtype == "tf32" else "highest")
        for in_dim, out_dim in options.dims or DIMS:
            where |= {"dtype": dtype, "dims": f"{in_dim}->{out_dim}"}
            for tall_from in (2**30,) if options.quick else (2**30, 0):
                row_tiles.TALL_FROM = tall_from
                run_engine(TYPES[dtype], in_dim, out_dim)


if __name__ == "__main__":
    main()
