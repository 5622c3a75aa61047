"""Several processes on one batch: who follows which lanes, and the sums that make them one.

Started by torchrun, which says in the environment who is who; without it, the same code runs as one process. A step of
several processes equals the step of one process with the same lanes up to rounding: losses are means over the points of
the whole batch, gradients are summed, and batch norms (see `norm.py`) take their statistics over all processes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from jaxtyping import Float, Shaped
from torch import Tensor, nn

Shared = TypeVar("Shared")


@dataclass(frozen=True)
class Processes:
    """This process among its equals, and the device it computes on."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def first(self) -> bool:
        """The one process that writes and prints."""
        return self.rank == 0

    def share(self, count: int) -> range:
        """Which of `count` things this process takes: a block; the blocks follow each other by rank and differ in
        length by one at most. Empty where there are fewer things than processes."""
        return range(self.rank * count // self.world_size, (self.rank + 1) * count // self.world_size)

    def check_batch(self, batch: int) -> None:
        """Raises ValueError where every step of so many keyframes would leave a process without one."""
        if 0 < batch < self.world_size:
            raise ValueError(
                f"a batch of {batch} leaves {self.world_size - batch} of {self.world_size} processes without a "
                f"keyframe in every step: --batch is that of all processes together, choose at least "
                f"{self.world_size}, or start fewer processes"
            )

    def sums(self, values: list[float]) -> list[float]:
        """Every value summed over the processes."""
        if self.world_size == 1:
            return values
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor)
        return tensor.tolist()

    def total(self, tensor: Tensor) -> Tensor:
        """The tensor summed over the processes, without gradients."""
        total = tensor.detach().clone()
        if self.world_size > 1:
            dist.all_reduce(total)
        return total

    def gathered_rows(self, rows: Shaped[Tensor, "rows *axes"]) -> Shaped[Tensor, "all_rows *axes"]:
        """The rows of all processes, by rank; how many each has may differ.

        For what every process then computes alike from all of them, as its share 1 / `world_size` of a loss: the shares
        add up to the loss, and so do their gradients.
        """
        return rows if self.world_size == 1 else _GatherRows.apply(rows, self)

    def gathered(self, thing: Shared) -> list[Shared]:
        """What every process has, by rank. Anything that can be pickled; it goes over the CPU."""
        if self.world_size == 1:
            return [thing]
        things: list[Any] = [None] * self.world_size
        dist.all_gather_object(things, thing)
        return things

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its sum over the processes; one that a process lacks counts as zero.

        One that all of them lack stays away, so that weight decay leaves its weights alone as it does in one process.
        """
        if self.world_size == 1:
            return
        parameters = [parameter for parameter in parameters if parameter.requires_grad]
        there = torch.tensor([float(parameter.grad is not None) for parameter in parameters], device=self.device)
        flat = torch.cat([*(_gradient(parameter).flatten() for parameter in parameters), there])
        dist.all_reduce(flat)
        *sums, there = flat.split([*(parameter.numel() for parameter in parameters), len(parameters)])
        for parameter, part, had in zip(parameters, sums, there.tolist(), strict=True):
            parameter.grad = part.view_as(parameter) if had else None

    def agree(self, number: int) -> int:
        """The first process's number, in all of them."""
        if self.world_size == 1:
            return number
        tensor = torch.tensor([number], device=self.device)
        dist.broadcast(tensor, src=0)
        return int(tensor)

    def wait_for_all(self) -> None:
        """Go on when every process has come here."""
        if self.world_size > 1:
            dist.barrier()


ALONE = Processes(0, 1, torch.device("cpu"))


class _GatherRows(torch.autograd.Function):
    """Backward, the sum of all processes' gradients of the own rows: they are equal, as `gathered_rows` asks for."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, processes: Processes) -> Tensor:
        counts = torch.zeros(processes.world_size, dtype=torch.int64, device=rows.device)
        counts[processes.rank] = len(rows)
        lengths = processes.total(counts).tolist()
        padded = rows.new_zeros(max(lengths), *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in lengths]
        dist.all_gather(parts, padded)
        ctx.first, ctx.rows, ctx.world_size = sum(lengths[: processes.rank]), len(rows), processes.world_size
        return torch.cat([part[:length] for part, length in zip(parts, lengths, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None]:
        return gradients[0][ctx.first : ctx.first + ctx.rows] * ctx.world_size, None


def _gradient(parameter: nn.Parameter) -> Float[Tensor, "..."]:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def check_alone(commands: str, instead: str) -> None:
    """Raises ValueError where torchrun started several processes for commands that run in one."""
    if (world_size := int(os.environ.get("WORLD_SIZE", "1"))) > 1:
        raise ValueError(f"{commands} run in one process, {world_size} were started: {instead}")


@contextmanager
def start_processes(device: str | None = None) -> Iterator[Processes]:
    """Join the processes that torchrun started, or be the only one; leave them at the end.

    The device is this process's GPU where there is one and `device` does not say otherwise.
    """
    world_size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    cuda = device != "cpu" and torch.cuda.is_available()
    if cuda and local_rank >= torch.cuda.device_count():
        raise ValueError(
            f"process {local_rank} of this machine has no GPU of its own, there are {torch.cuda.device_count()}: start "
            f"as many processes as GPUs, or hide the GPUs with CUDA_VISIBLE_DEVICES= to compute on the CPU"
        )
    own = torch.device("cuda", local_rank) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(own)
    if world_size == 1:
        yield Processes(0, 1, own)
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
    try:
        yield Processes(rank, world_size, own)
    finally:
        dist.destroy_process_group()
