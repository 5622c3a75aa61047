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

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn


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

    def sums(self, values: list[float]) -> list[float]:
        """Every value summed over the processes."""
        if self.world_size == 1:
            return values
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor)
        return tensor.tolist()

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its sum over the processes; one that a process lacks counts as zero."""
        if self.world_size == 1:
            return
        parameters = [parameter for parameter in parameters if parameter.requires_grad]
        flat = torch.cat([_gradient(parameter).flatten() for parameter in parameters])
        dist.all_reduce(flat)
        for parameter, part in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
            parameter.grad = part.view_as(parameter)

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


def _gradient(parameter: nn.Parameter) -> Float[Tensor, "..."]:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


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
