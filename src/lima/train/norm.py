"""Batch norm whose statistics are those of the whole batch when it is spread over processes.

torch has one for GPUs only; this one also runs on gloo. In one process it is never used.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lima.sparse.modules import SparseBatchNorm
from lima.sparse.tensor import SparseTensor


class _NormaliseOverProcesses(torch.autograd.Function):
    """(x - mean) / sqrt(var + eps) * weight + bias with mean and variance over the rows of all processes.

    Also returns mean, biased variance and number of rows, without gradients. The mean is taken out before squares are
    summed: a difference of large sums would lose what the sums round away.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        sums = torch.cat([wide.sum(dim=0), wide.new_tensor([len(x)])])
        dist.all_reduce(sums)
        rows = sums[-1]
        mean = sums[:-1] / rows
        centred = wide - mean
        squares = centred.square().sum(dim=0)
        dist.all_reduce(squares)
        variance = squares / rows
        inverse_deviation = torch.rsqrt(variance + eps)
        normalised = centred * inverse_deviation
        ctx.save_for_backward(normalised, inverse_deviation, weight, rows)
        ctx.mark_non_differentiable(mean, variance, rows)
        return (normalised * weight + bias).to(x.dtype), mean, variance, rows

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, Tensor, Tensor, None]:
        normalised, inverse_deviation, weight, rows = ctx.saved_tensors
        gradient = gradients[0].to(normalised.dtype)
        grad_bias = gradient.sum(dim=0)
        grad_weight = (gradient * normalised).sum(dim=0)
        sums = torch.stack([grad_bias, grad_weight])
        dist.all_reduce(sums)
        grad_x = (gradient - (sums[0] + normalised * sums[1]) / rows) * (inverse_deviation * weight)
        return grad_x.to(gradients[0].dtype), grad_weight, grad_bias, None


class SynchronisedBatchNorm(nn.BatchNorm1d):
    """`nn.BatchNorm1d` over the rows of every process of the default group; in evaluation it is the same thing.

    One row in all has no variance: it is normalised by the running statistics and leaves them.
    """

    def forward(self, input: Float[Tensor, "voxels dim"]) -> Float[Tensor, "voxels dim"]:
        if not self.training:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        normalised, mean, variance, rows = _NormaliseOverProcesses.apply(input, self.weight, self.bias, self.eps)
        if rows < 2:
            return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * rows / (rows - 1), self.momentum)
        return normalised


class SynchronisedSparseBatchNorm(SynchronisedBatchNorm):
    """The same for the features of a sparse tensor."""

    def forward(self, voxels: SparseTensor) -> SparseTensor:  # type: ignore[override]
        return voxels.with_features(super().forward(voxels.features))


class SynchronisedMapBatchNorm(SynchronisedBatchNorm):
    """The same for maps, over their cells."""

    def forward(self, maps: Float[Tensor, "sweeps dim rows cols"]) -> Float[Tensor, "sweeps dim rows cols"]:
        by_cell = maps.movedim(1, -1)
        return super().forward(by_cell.flatten(0, 2)).view(by_cell.shape).movedim(-1, 1)


SYNCHRONISED: dict[type[nn.Module], type[SynchronisedBatchNorm]] = {
    nn.BatchNorm1d: SynchronisedBatchNorm,
    nn.BatchNorm2d: SynchronisedMapBatchNorm,
    SparseBatchNorm: SynchronisedSparseBatchNorm,
}


def synchronise_batch_norms(module: nn.Module) -> None:
    """Exchange every batch norm inside for one over all processes, with the same parameters, buffers and names."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            twin = SYNCHRONISED[type(child)](child.num_features, child.eps, child.momentum)
            twin.weight, twin.bias = child.weight, child.bias
            twin.running_mean, twin.running_var = child.running_mean, child.running_var
            twin.num_batches_tracked = child.num_batches_tracked
            setattr(module, name, twin.train(child.training))
        else:
            synchronise_batch_norms(child)
