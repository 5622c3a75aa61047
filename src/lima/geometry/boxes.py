"""Oriented boxes around things, and which points they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from lima.geometry.rigid import RigidTransform


@dataclass(frozen=True, eq=False)
class Boxes:
    """Annotated boxes of one frame, all in one frame of coordinates (the datasets give them in `world`).

    centres_m: middle of the box. sizes_m: length along the box's x (forward), width, height. rotations: from the
    box's own axes to the frame's. velocities_mps: in the frame's axes, NaN where unknown. categories: the
    dataset's own names. instances: the same name for the same thing in every frame. points: how many returns of its
    sensors the dataset counts in each; attributes: what else it says, such as "vehicle.parked", or ""; None where a
    dataset says nothing.
    """

    centres_m: Float64[Tensor, "boxes 3"]
    sizes_m: Float64[Tensor, "boxes 3"]
    rotations: Float64[Tensor, "boxes 3 3"]
    velocities_mps: Float64[Tensor, "boxes 3"]
    categories: tuple[str, ...]
    instances: tuple[str, ...]
    points: Int64[Tensor, "boxes"] | None = None
    attributes: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not len(self.categories) == len(self.instances) == len(self.centres_m):
            raise ValueError(
                f"{len(self.centres_m)} boxes need as many categories and instances, got "
                f"{len(self.categories)} and {len(self.instances)}"
            )
        if bool((self.sizes_m <= 0).any()):
            raise ValueError(f"box sizes must be positive, the smallest is {float(self.sizes_m.min())} m")

    def __len__(self) -> int:
        return len(self.centres_m)

    def transformed(self, target_from_frame: RigidTransform) -> Boxes:
        """The same boxes in another frame."""
        return Boxes(
            centres_m=target_from_frame.apply(self.centres_m),
            sizes_m=self.sizes_m,
            rotations=target_from_frame.rotation @ self.rotations,
            velocities_mps=target_from_frame.rotate(self.velocities_mps),
            categories=self.categories,
            instances=self.instances,
            points=self.points,
            attributes=self.attributes,
        )

    def chosen(self, rows: Sequence[int]) -> Boxes:
        """Some of the boxes, in the order asked for."""
        index = torch.tensor(list(rows), dtype=torch.int64)
        return Boxes(
            centres_m=self.centres_m[index],
            sizes_m=self.sizes_m[index],
            rotations=self.rotations[index],
            velocities_mps=self.velocities_mps[index],
            categories=tuple(self.categories[row] for row in rows),
            instances=tuple(self.instances[row] for row in rows),
            points=None if self.points is None else self.points[index],
            attributes=None if self.attributes is None else tuple(self.attributes[row] for row in rows),
        )

    def corners_m(self) -> Float64[Tensor, "boxes 8 3"]:
        """The eight corners: the four of the front (+x) first, each four counter-clockwise seen from its outside."""
        signs = torch.tensor(
            [[1, 1, 1], [1, -1, 1], [1, -1, -1], [1, 1, -1], [-1, 1, 1], [-1, -1, 1], [-1, -1, -1], [-1, 1, -1]],
            dtype=torch.float64,
        )
        local = signs * self.sizes_m[:, None] / 2
        return local @ self.rotations.transpose(1, 2) + self.centres_m[:, None]

    def contain(self, points: Float[Tensor, "points 3"]) -> Bool[Tensor, "boxes points"]:
        """Which points lie in which box, faces included. Computed box by box, so memory stays with the points."""
        inside = torch.zeros(len(self), len(points), dtype=torch.bool)
        points = points.double()
        for box, (centre, size, rotation) in enumerate(zip(self.centres_m, self.sizes_m, self.rotations, strict=True)):
            local = (points - centre) @ rotation
            inside[box] = (local.abs() <= size / 2).all(dim=1)
        return inside
