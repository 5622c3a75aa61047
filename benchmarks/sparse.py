"""How fast sparse convolution is, ours and others': `python -m benchmarks.sparse --threads 2`.

One table, all in one run, on the same sweeps and the same networks: finding the kernel maps, inference, and a training
step (forward and backward) of MinkUNets, by every engine of `lima.sparse` that works here and by every library of
`benchmarks.kits` that is installed. They take turns, so that a busy spell of the machine meets all of them; before,
every peer must give our outputs with our weights. Inference and training find their maps anew every time.

`of mm` is the share of the floating-point rate that `torch.mm` reaches on large matrices in the same turns, operations
per processor second on a CPU and per second elsewhere. `others` is the share of the processors that other programs took
meanwhile: where it is not near zero, `seconds` means little, and `cpu` (processor seconds of all threads of this
program) more. Figures, and what led to them: benchmarks/RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from benchmarks.contenders import ADAPTER, name_of, ours, theirs, training_step
from benchmarks.flops import Layer, layers_of, print_roofline
from benchmarks.kits import KITS
from benchmarks.measuring import copies, in_turns, matrix_products
from benchmarks.parts import seconds_by_part
from benchmarks.peers import Kit
from benchmarks.task import DTYPES, INPUTS, MODELS, Task, sweep_voxels

from lima.sparse import KernelMaps
from lima.sparse.engines import ENGINES, Engine
from lima.students.minkunet import MinkUNet


def main() -> None:
    options = read_options()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    records: list[dict[str, Any]] = []
    for dtype in options.dtype:
        torch.set_float32_matmul_precision("high" if dtype == "tf32" else "highest")
        engines, kits = usable(options, device, dtype)
        for input_name in options.inputs:
            features, coordinates = sweep_voxels(input_name, device)
            for model_name in options.models:
                task = Task(input_name, model_name, dtype, features, coordinates)
                records += compare(task, engines, kits, options)
    if options.json:
        options.json.write_text(json.dumps(records, indent=1) + "\n")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", nargs="+", choices=list(DTYPES), default=["float32"])
    parser.add_argument("--inputs", nargs="+", choices=list(INPUTS), default=["32 beams, 0.1 m"])
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    names = [engine.name for engine in ENGINES]
    parser.add_argument("--engines", nargs="*", choices=names, default=[name for name in names if name != ADAPTER])
    parser.add_argument("--peers", nargs="*", choices=list(KITS), default=list(KITS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--roofline", action="store_true", help="print what arithmetic and memory allow at best, too")
    parser.add_argument("--json", type=Path, help="write the table as a list of records, too")
    options = parser.parse_args()
    if "tf32" in options.dtype and not options.device.startswith("cuda"):
        parser.error("tf32 is a precision of GPUs")
    return options


def usable(options: argparse.Namespace, device: torch.device, dtype: str) -> tuple[list[Engine], list[Kit]]:
    """Who can do it, and a line for everyone else that says why not."""
    engines, kits = [], []
    for engine in (engine for engine in ENGINES if engine.name in options.engines):
        refusal = engine.refusal(device, DTYPES[dtype])
        if refusal is None:
            engines.append(engine)
        else:
            print(f"without {engine.name} for {dtype}: {refusal}")
    for name in options.peers:
        try:
            kit = KITS[name]()
            refusal = kit.refusal(device, dtype)
        except (ImportError, RuntimeError) as error:
            refusal = f"cannot be imported ({error})"
        if refusal is None:
            kits.append(kit)
        else:
            print(f"without {name} for {dtype}: {refusal}")
    return engines, kits


def compare(task: Task, engines: list[Engine], kits: list[Kit], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measures all of them on one task; prints and returns it."""
    network = task.network()
    contenders = [theirs(kit, network, task) for kit in kits]  # first: a training step changes the running statistics
    contenders = [*(ours(engine, network, task) for engine in engines), *contenders]
    layers = layers_of(network, task.voxels(KernelMaps()))
    forward = sum(layer.flop for layer in layers)
    flops = {"map": 0.0, "infer": forward, "train": 3 * forward - layers[0].flop}
    product_flop, products = matrix_products(task.device, DTYPES[task.dtype])
    records: list[dict[str, Any]] = []
    print(f"\n{task.model}, {task.input} ({len(task.coordinates)} voxels), {task.dtype}, {task.device.type}")
    print(f"  {'phase':6} {'engine':14} {'seconds':>8} {'cpu':>8} {'others':>7} {'of mm':>6} {'peak MB':>8}")
    for phase, flop in flops.items():
        steps = {contender.name: contender.phases[phase] for contender in contenders}
        measured = in_turns({"torch.mm": products, **steps}, options.repeats, task.device)
        rate = product_flop / measured["torch.mm"].cost(task.device)
        for contender in contenders:
            result = measured[contender.name]
            share = flop / result.cost(task.device) / rate if flop else None
            print(f"  {phase:6} {contender.name:14} {result.seconds:8.3f} {result.cpu_seconds:8.3f} "
                  f"{result.others:7.0%} {'' if share is None else f'{share:.0%}':>6} {result.peak_mb:8.0f}",
                  flush=True)  # fmt: skip
            records.append(
                {"engine": contender.name, "device": task.device.type, "input": task.input, "model": task.model,
                 "phase": phase, "dtype": task.dtype, "threads": contender.threads, "gemm_share": share,
                 **asdict(result), "flop": flop, "mm_flop_per_s": rate}
            )  # fmt: skip
    for engine in engines:
        shares = share_of_parts(engine, network, task)
        print(f"  train by {engine.name}: " + ", ".join(f"{part} {share:.0%}" for part, share in shares.items()))
        next(r for r in records if (r["engine"], r["phase"]) == (name_of(engine), "train"))["parts"] = shares
    if options.roofline:
        print_rooflines(layers, records, task, options.repeats)
    return records


def share_of_parts(engine: Engine, network: MinkUNet, task: Task) -> dict[str, float]:
    """What the parts of a training step take of it, the second of two."""
    train = training_step(engine, network, task)
    for _ in range(2):
        seconds = seconds_by_part(train, engine, task.device)
    total = sum(seconds.values())
    return {part: value / total for part, value in seconds.items()}


def print_rooflines(layers: list[Layer], records: list[dict[str, Any]], task: Task, repeats: int) -> None:
    """The bound of inference and training, and how far everyone is from it."""
    moved, copy = copies(task.device)
    bytes_per_s = moved / in_turns({"copy": copy}, repeats, task.device)["copy"].cost(task.device)
    cost = "cpu_seconds" if task.device.type == "cpu" else "seconds"
    for phase in ("infer", "train"):
        mine = [record for record in records if record["phase"] == phase]
        bound = print_roofline(layers, phase, mine[0]["mm_flop_per_s"], bytes_per_s, DTYPES[task.dtype].itemsize)
        ratios = ", ".join(f"{one['engine']} {one[cost] / bound:.2f}" for one in mine)
        print(f"    all of {phase}, in units of this bound: {ratios}")


if __name__ == "__main__":
    main()
