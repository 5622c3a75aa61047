"""Which tile a kernel runs with: timed once per kind of problem, among a few that all give the same bits."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl
import triton.testing

INTERPRETED = tl.constexpr(os.environ.get("TRITON_INTERPRET") == "1")
"""Kernels then multiply in float32: the interpreter's `tl.dot` takes the bits of bfloat16 for whole numbers."""
CONFIGS = [
    triton.Config({"BLOCK_OUT": block_out}, num_warps=warps, num_stages=stages)
    for block_out, warps in ((16, 4), (32, 4), (64, 4), (64, 8), (128, 4), (128, 8), (256, 8))
    for stages in (3, 5)
]
"""Blocks of output channels, warps, and pipeline stages: of these the loads of rows keep two and three in flight, the
rest goes to the indices they wait for. What would change the order of a sum is not among them: a program adds up its
offsets and channels one after the other whatever its width is. That the tensor cores do, too, is for a GPU to show."""


def suitable(configs: list[triton.Config], named: dict[str, Any], **more: Any) -> list[triton.Config]:
    """Those of the configurations that fit the problem, at least one.

    Blocks are as wide as the output channels or half as wide, and a thread has registers for its sums: 128 of them, 64
    where batch norm and a shortcut follow. float32 without tensor cores needs most registers for its operands.
    """
    arguments = {**named, **more}
    height = arguments.get("BLOCK_ROWS", arguments["BLOCK_IN"])
    exact = arguments["PRECISION"] == "ieee" and arguments["features"].dtype == torch.float32
    widest = min(max(16, triton.next_power_of_2(arguments["out_dim"])), 64 if exact else 256)
    most = 32 if exact else 64 if arguments.get("scale") is not None else 128
    fitting = []
    for config in configs:
        width = config.kwargs["BLOCK_OUT"]
        sums = height * width // (32 * config.num_warps)
        if width in (widest, max(16, widest // 2)) and sums <= most and (config.num_warps == 4 or sums >= 32):
            fitting.append(config)
    return fitting


def tuned(kernel: Any) -> Any:
    """The kernel with its fastest configuration. The interpreter has nothing to time."""
    return triton.autotune(
        [triton.Config({"BLOCK_OUT": 32})] if INTERPRETED.value else CONFIGS,
        key=["bucket", "out_dim", "BLOCK_ROWS", "BLOCK_IN", "PRECISION"],
        prune_configs_by={"early_config_prune": suitable},
        do_bench=_milliseconds,
    )(kernel)


def bucket(rows: int) -> int:
    """Numbers of rows that one choice serves: up to four times the smallest."""
    return rows.bit_length() // 2


def _milliseconds(call: Callable[[], None], quantiles: Any) -> Any:
    return triton.testing.do_bench(call, warmup=5, rep=20, quantiles=quantiles)
