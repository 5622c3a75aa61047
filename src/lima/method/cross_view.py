"""Cross-view aggregation (section 4.1): from the feature maps of the cameras to one feature per point, F_u."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from lima.config import Aggregation
from lima.data.pairs import PointPixelPairs
from lima.geometry.voxels import group_counts

ATTENTION_TEMPERATURE = 0.1


@dataclass(frozen=True, eq=False)
class PointFeatures:
    """One feature per point, and for which points there is one. Where `known` is false the feature has no meaning."""

    features: Float32[Tensor, "points dim"]
    known: Bool[Tensor, "points"]

    def to(self, device: torch.device | str) -> PointFeatures:
        """The same features on another device."""
        return PointFeatures(self.features.to(device), self.known.to(device))


@torch.no_grad()
def aggregate_views(
    image_features: Float[Tensor, "cams dim rows cols"], pairs: PointPixelPairs, how: Aggregation = "mean"
) -> PointFeatures:
    """The feature of every point that at least one camera sees, from all the cameras that see it.

    Every view of a point is the bilinear interpolation of the camera's feature map at the point's place, cell centres
    at (index + 1/2) / cells and the outermost cells extended to the border. The views of a point become one by

    - "mean": their mean, as in the paper;
    - "max": the largest value of every channel;
    - "attention": Σ w_v f_v with w = softmax_v(cos(f_v, q) / 0.1). The query is what the views agree on, those that
      see more around the point counting more: q = Σ b_v f_v / |f_v|, b_v the distance of the point from the nearest
      border of image v as a fraction of the image. Without parameters; where the views agree it is their mean, where
      two differ the one nearer to the middle of its image wins. The paper names attention without a formula: this
      one is ours.

    Points that no camera sees are unknown. Works where `image_features` are; only visible pairs are sampled, so that
    memory is that of the views and of the result.
    """
    cams, dim, rows, cols = image_features.shape
    points = pairs.visible.shape[1]
    if cams != len(pairs.visible):
        raise ValueError(f"features of {cams} cameras do not go with pairs of {len(pairs.visible)} cameras")
    device = image_features.device
    visible = pairs.visible.to(device)
    point_of_view, cam_of_view = visible.T.nonzero(as_tuple=True)  # all views of a point are neighbours
    uv = pairs.uv.to(device)[cam_of_view, point_of_view]
    cells, weights = _bilinear(uv, rows, cols)
    table = image_features.permute(0, 2, 3, 1).reshape(cams * rows * cols, dim).float()
    bags = _Bags(table, cells + cam_of_view[:, None] * (rows * cols), weights, point_of_view, points)
    features = bags.largest() if how == "max" else bags.weighted(_SHARES[how](bags, uv))
    return PointFeatures(features, visible.any(dim=0))


@dataclass(frozen=True, eq=False)
class _Bags:
    """Views of points, each a weighted sum of four rows of one table of image features; ordered by point."""

    table: Float32[Tensor, "rows dim"]
    cells: Int64[Tensor, "views 4"]
    weights: Float32[Tensor, "views 4"]
    point_of_view: Int64[Tensor, "views"]
    points: int

    def views(self) -> Float32[Tensor, "views dim"]:
        """The feature of every view."""
        return F.embedding_bag(self.cells, self.table, mode="sum", per_sample_weights=self.weights)

    def weighted(self, shares: Float32[Tensor, "views"]) -> Float32[Tensor, "points dim"]:
        """Of every point the sum of its views times their shares, without holding the views."""
        views_before = torch.searchsorted(self.point_of_view, torch.arange(self.points, device=self.cells.device))
        return F.embedding_bag(
            self.cells.flatten(),
            self.table,
            views_before * 4,
            mode="sum",
            per_sample_weights=(self.weights * shares[:, None]).flatten(),
        )

    def largest(self) -> Float32[Tensor, "points dim"]:
        """Of every point and channel the largest value of its views."""
        views = self.views()
        result = views.new_zeros(self.points, views.shape[1])
        index = self.point_of_view[:, None].expand_as(views)
        return result.scatter_reduce_(0, index, views, "amax", include_self=False)


def _equal_shares(bags: _Bags, uv: Float32[Tensor, "views 2"]) -> Float32[Tensor, "views"]:
    return 1 / group_counts(bags.point_of_view, bags.points)[bags.point_of_view].float()


def _attention_shares(bags: _Bags, uv: Float32[Tensor, "views 2"]) -> Float32[Tensor, "views"]:
    to_border = torch.minimum(uv, 1 - uv).amin(dim=1).clamp(min=1e-3)
    views = bags.views()
    lengths = views.norm(dim=1).clamp(min=1e-12)
    query = F.normalize(bags.weighted(to_border / lengths), dim=1)
    cosine = (views * query[bags.point_of_view]).sum(dim=1) / lengths
    # Cosines are at most 1, so shifting by 1 keeps the exponentials in range without a maximum per point.
    weight = torch.exp((cosine - 1) / ATTENTION_TEMPERATURE)
    total = weight.new_zeros(bags.points).index_add_(0, bags.point_of_view, weight)
    return weight / total[bags.point_of_view]


_SHARES: dict[Aggregation, Callable[[_Bags, Tensor], Tensor]] = {"mean": _equal_shares, "attention": _attention_shares}


def _bilinear(
    uv: Float32[Tensor, "views 2"], rows: int, cols: int
) -> tuple[Int64[Tensor, "views 4"], Float32[Tensor, "views 4"]]:
    """The four cells (row * cols + col) around every place and their weights, which add up to one."""
    col = (uv[:, 0] * cols - 0.5).clamp(0, cols - 1)
    row = (uv[:, 1] * rows - 0.5).clamp(0, rows - 1)
    left, top = col.floor().long(), row.floor().long()
    right, bottom = (left + 1).clamp(max=cols - 1), (top + 1).clamp(max=rows - 1)
    to_right, to_bottom = col - left, row - top
    cells = torch.stack([top * cols + left, top * cols + right, bottom * cols + left, bottom * cols + right], dim=1)
    weights = torch.stack(
        [
            (1 - to_right) * (1 - to_bottom),
            to_right * (1 - to_bottom),
            (1 - to_right) * to_bottom,
            to_right * to_bottom,
        ],
        dim=1,
    )
    return cells, weights
