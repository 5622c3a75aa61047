"""How far the student's features are from their targets. Only points with a target count."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from lima.config import Loss

TEMPERATURE = 0.07
CONTRASTED_POINTS = 4096


def distillation_loss(
    predicted: Float[Tensor, "points dim"],
    target: Float[Tensor, "points dim"],
    kind: Loss,
    generator: torch.Generator | None = None,
) -> Float[Tensor, ""]:
    """The loss of one sweep, over points that all have a target; zero where there are none.

    - "l2": mean Euclidean distance |p - t|. The paper says L2 between the features; the distance, not its square, is
      our reading: single far-off patches, of which vision transformers have some, then weigh no more than others.
    - "normalised_l2": the same between p / |p| and t / |t|.
    - "cosine": mean of 1 - cos(p, t).
    - "contrastive": point-wise InfoNCE, the comparison in the paper's Table 8: every predicted feature is to find its
      own target among those of the other points, cosines over a temperature of 0.07, over a random choice of at most
      4096 points drawn with `generator`, which this kind alone needs.
    """
    if len(predicted) == 0:
        return predicted.sum()
    if kind == "contrastive" and generator is None:
        raise ValueError("the contrastive loss draws points at random: it needs a generator")
    wide = torch.promote_types(predicted.dtype, torch.float32)
    with torch.autocast(predicted.device.type, enabled=False):  # distances and softmax lose too much in half precision
        return _LOSSES[kind](predicted.to(wide), target.to(wide), generator)


def _l2(predicted: Tensor, target: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.linalg.vector_norm(predicted - target, dim=1).mean()


def _normalised_l2(predicted: Tensor, target: Tensor, generator: torch.Generator | None) -> Tensor:
    return _l2(F.normalize(predicted, dim=1), F.normalize(target, dim=1), generator)


def _cosine(predicted: Tensor, target: Tensor, generator: torch.Generator | None) -> Tensor:
    return (1 - F.cosine_similarity(predicted, target, dim=1)).mean()


def _contrastive(predicted: Tensor, target: Tensor, generator: torch.Generator | None) -> Tensor:
    if len(predicted) > CONTRASTED_POINTS:
        chosen = torch.randperm(len(predicted), generator=generator)[:CONTRASTED_POINTS].to(predicted.device)
        predicted, target = predicted[chosen], target[chosen]
    logits = F.normalize(predicted, dim=1) @ F.normalize(target, dim=1).T / TEMPERATURE
    return F.cross_entropy(logits, torch.arange(len(logits), device=logits.device))


_LOSSES: dict[Loss, Callable[[Tensor, Tensor, torch.Generator | None], Tensor]] = {
    "l2": _l2,
    "normalised_l2": _normalised_l2,
    "cosine": _cosine,
    "contrastive": _contrastive,
}
