"""Classes of points from the boxes they lie in, where nobody has labelled the points themselves."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lima.geometry.boxes import Boxes


def labels_from_boxes(
    points_world: Float[Tensor, "points 3"], boxes: Boxes, class_of_category: Mapping[str, int], background: int
) -> Int64[Tensor, "points"]:
    """A point in several boxes belongs to the smallest, a point in no box to the background.

    The road under a car's box is the car's.
    """
    labels = torch.full((len(points_world),), background)
    x, order = points_world[:, 0].double().sort()
    reach_m = boxes.sizes_m.norm(dim=1) / 2
    starts = torch.searchsorted(x, boxes.centres_m[:, 0] - reach_m)
    stops = torch.searchsorted(x, boxes.centres_m[:, 0] + reach_m, right=True)
    for box in torch.argsort(boxes.sizes_m.prod(dim=1), descending=True).tolist():
        rows = order[starts[box] : stops[box]]  # no others are near enough
        local = (points_world[rows].double() - boxes.centres_m[box]) @ boxes.rotations[box]
        inside = (local.abs() <= boxes.sizes_m[box] / 2).all(dim=1)
        labels[rows[inside]] = class_of_category[boxes.categories[box]]
    return labels
