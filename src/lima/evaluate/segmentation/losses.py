"""What fine-tuning lowers: cross-entropy, and the Lovász extension of the Jaccard loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from lima.train.processes import ALONE, Processes


def lovasz_softmax(probabilities: Float[Tensor, "points classes"], truth: Int64[Tensor, "points"]) -> Float[Tensor, ""]:
    """The Lovász-softmax loss (Berman et al., arXiv 1705.08790), the mean over the classes that occur in `truth`.

    truth: classes counted from 0. Of every class, the errors |truth - probability| in descending order, each weighted
    by how much the Jaccard loss grows when its point joins the mistaken ones. All points count as one set, whatever
    sweep they are from. Zero without points.
    """
    if len(truth) == 0:
        return probabilities.sum()
    present = torch.unique(truth)
    of_class = truth[:, None] == present
    errors = (of_class.float() - probabilities[:, present]).abs()
    errors, order = errors.sort(dim=0, descending=True)
    sorted_members = of_class.gather(0, order).float()
    members = sorted_members.sum(dim=0)
    intersection = members - sorted_members.cumsum(dim=0)
    union = members + (1 - sorted_members).cumsum(dim=0)
    jaccard = 1 - intersection / union
    growth = torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])
    return (errors * growth).sum(dim=0).mean()


def segmentation_loss(
    scores: Float[Tensor, "points classes"],
    truth: Int64[Tensor, "points"],
    lovasz_weight: float,
    processes: Processes = ALONE,
) -> dict[str, Float[Tensor, ""]]:
    """The parts of the loss, to be added up. truth: classes counted from 0, without ignored points.

    Of several processes' points, each process gets its share, and the shares add up to the loss of all points as one
    set. The Lovász loss sorts them all, so every process sorts the probabilities of all processes.
    """
    points = processes.total(torch.tensor(len(truth), device=truth.device))
    parts = {"cross_entropy": F.cross_entropy(scores, truth, reduction="sum") / points.clamp(min=1)}
    if lovasz_weight:
        probabilities, every_truth = processes.gathered_rows(scores.softmax(dim=1)), processes.gathered_rows(truth)
        parts["lovasz"] = lovasz_weight / processes.world_size * lovasz_softmax(probabilities, every_truth)
    return parts
