"""The way up a smooth hill of few dimensions, and how sure one can be of its summit.

The height is a sum over blocks (stretches of a drive) that are independent of each other: what they disagree about is
what is uncertain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

STEPS = 8
LONGEST_STEP = 3.0
FLAT_SHARE = 0.03  # of the greatest curvature: flatter directions are climbed as if they were curved so much
STANDING = 0.05  # steps as short as this end the climb

Height = Callable[[Float64[Tensor, "dims"]], Float64[Tensor, "blocks"]]


@dataclass(frozen=True, eq=False)
class Summit:
    """Where the height is greatest.

    place: in units of the caller. gain: by how much every block is higher there than at the start of all coordinates.
    gradients, curvatures: of every block at the place.
    """

    place: Float64[Tensor, "dims"]
    gain: Float64[Tensor, "blocks"]
    gradients: Float64[Tensor, "blocks dims"]
    curvatures: Float64[Tensor, "blocks dims dims"]

    def without(self, left_out: Int64[Tensor, "some"]) -> Float64[Tensor, "dims"]:
        """Where the summit would be without some blocks, to second order."""
        kept = torch.ones(len(self.gradients), dtype=torch.bool)
        kept[left_out] = False
        return self.place + _step(self.gradients[kept].sum(dim=0), self.curvatures[kept].sum(dim=0))


def climb(height: Height, start: Float64[Tensor, "dims"]) -> Summit:
    """Newton's steps on parabolas through heights one unit around the place, so units decide what is smooth."""
    place = start
    here, gradients, curvatures = parabola(height, place)
    for _ in range(STEPS):
        step = _step(gradients.sum(dim=0), curvatures.sum(dim=0))
        there = height(place + step)
        while float(there.sum()) < float(here.sum()) and float(step.norm()) > STANDING:
            step = step / 2
            there = height(place + step)
        if float(there.sum()) <= float(here.sum()):
            break
        place = place + step
        here, gradients, curvatures = parabola(height, place)
        if float(step.norm()) < STANDING:
            break
    return Summit(place, here - height(torch.zeros_like(place)), gradients, curvatures)


def parabola(
    height: Height, place: Float64[Tensor, "dims"]
) -> tuple[Float64[Tensor, "blocks"], Float64[Tensor, "blocks dims"], Float64[Tensor, "blocks dims dims"]]:
    """Height, gradient and curvature of every block, from heights one unit around."""
    dims = len(place)
    units = torch.eye(dims, dtype=torch.float64)
    here = height(place)
    ahead = torch.stack([height(place + unit) for unit in units], dim=1)
    behind = torch.stack([height(place - unit) for unit in units], dim=1)
    curvatures = torch.diag_embed(ahead + behind - 2 * here[:, None])
    for one in range(dims):
        for other in range(one):
            both = height(place + units[one] + units[other])
            mixed = both - ahead[:, one] - ahead[:, other] + here
            curvatures[:, one, other] = curvatures[:, other, one] = mixed
    return here, (ahead - behind) / 2, curvatures


def _step(gradient: Float64[Tensor, "dims"], curvature: Float64[Tensor, "dims dims"]) -> Float64[Tensor, "dims"]:
    """Newton's, upwards in every direction and not too far."""
    values, directions = torch.linalg.eigh(curvature)
    steepness = values.abs().clamp(min=FLAT_SHARE * float(values.abs().max().clamp(min=1e-12)))
    step = directions @ ((directions.T @ gradient) / steepness)
    return step * min(1.0, LONGEST_STEP / max(float(step.norm()), 1e-12))
