"""Boxes as a detector reads and writes them: nine numbers each, in the LiDAR's frame, upright."""

from __future__ import annotations

from collections.abc import Sequence as Series
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from lima.evaluate.detection.classes import detection_class
from lima.geometry.boxes import Boxes
from lima.geometry.rigid import RigidTransform

X, Y, Z, LENGTH, WIDTH, HEIGHT, YAW, VX, VY = range(9)


@dataclass(frozen=True, eq=False)
class LidarBoxes:
    """values: x, y, z of the centre, length, width, height in metres, yaw in radians counter-clockwise from x, velocity
    along x and y in metres per second, NaN where unknown. classes: positions in `DETECTION_CLASSES`. scores: 0 … 1, or
    ones for boxes that somebody has annotated.
    """

    values: Float32[Tensor, "boxes 9"]
    classes: Int64[Tensor, "boxes"]
    scores: Float32[Tensor, "boxes"]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, chosen: Bool[Tensor, "boxes"] | Int64[Tensor, "some"]) -> LidarBoxes:
        return LidarBoxes(self.values[chosen], self.classes[chosen], self.scores[chosen])

    def to(self, device: torch.device | str) -> LidarBoxes:
        """The same boxes on another device."""
        return LidarBoxes(self.values.to(device), self.classes.to(device), self.scores.to(device))

    @staticmethod
    def none(device: torch.device | str = "cpu") -> LidarBoxes:
        """No boxes."""
        classes = torch.zeros(0, dtype=torch.int64, device=device)
        return LidarBoxes(torch.zeros(0, 9, device=device), classes, torch.zeros(0, device=device))

    @staticmethod
    def concatenate(parts: Series[LidarBoxes]) -> LidarBoxes:
        """All of them, one after another."""
        return LidarBoxes(
            torch.cat([part.values for part in parts]),
            torch.cat([part.classes for part in parts]),
            torch.cat([part.scores for part in parts]),
        )

    @staticmethod
    def of(boxes: Boxes, world_from_lidar: RigidTransform) -> tuple[LidarBoxes, Int64[Tensor, "kept"]]:
        """Annotated boxes in `world` as a detector is to find them, and which of the annotated ones they are.

        Those of no detection class are left out.
        """
        classes = [detection_class(category) for category in boxes.categories]
        kept = torch.tensor([row for row, cls in enumerate(classes) if cls is not None], dtype=torch.int64)
        inside = boxes.transformed(world_from_lidar.inverse())
        yaws = torch.atan2(inside.rotations[:, 1, 0], inside.rotations[:, 0, 0])
        values = torch.cat([inside.centres_m, inside.sizes_m, yaws[:, None], inside.velocities_mps[:, :2]], dim=1)
        named = torch.tensor([cls for cls in classes if cls is not None], dtype=torch.int64)
        return LidarBoxes(values[kept].float(), named, torch.ones(len(kept))), kept

    def rotations(self) -> Float32[Tensor, "boxes 3 3"]:
        """From every box's own axes to the LiDAR's."""
        cos, sin = self.values[:, YAW].cos(), self.values[:, YAW].sin()
        zero, one = torch.zeros_like(cos), torch.ones_like(cos)
        return torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], dim=1).view(-1, 3, 3)

    def contain(self, points_lidar: Float32[Tensor, "points 3"], margin_m: float = 0.0) -> Bool[Tensor, "boxes points"]:
        """Which points lie in which box, faces and a margin included."""
        inside = torch.zeros(len(self), len(points_lidar), dtype=torch.bool, device=points_lidar.device)
        x, order = points_lidar[:, 0].sort()
        reach = self.values[:, [LENGTH, WIDTH]].norm(dim=1) / 2 + 2 * margin_m
        starts = torch.searchsorted(x, self.values[:, X] - reach).tolist()
        stops = torch.searchsorted(x, self.values[:, X] + reach, right=True).tolist()
        for box, rotation in enumerate(self.rotations()):
            rows = order[starts[box] : stops[box]]  # no others are near enough
            local = (points_lidar[rows] - self.values[box, :3]) @ rotation
            inside[box, rows] = (local.abs() <= self.values[box, LENGTH:YAW] / 2 + margin_m).all(dim=1)
        return inside

    def corners_bev(self) -> Float32[Tensor, "boxes 4 2"]:
        """Corners seen from above, counter-clockwise, the front left one first."""
        return bev_corners(self.values[:, [X, Y, LENGTH, WIDTH, YAW]])


def bev_corners(rectangles: Tensor) -> Tensor:
    """(…, 4, 2) corners of (…, 5) rectangles x, y, length, width, yaw: counter-clockwise, the front left one first."""
    signs = rectangles.new_tensor([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    local = signs * rectangles[..., None, 2:4] / 2
    cos, sin = rectangles[..., 4, None].cos(), rectangles[..., 4, None].sin()
    turned = torch.stack([local[..., 0] * cos - local[..., 1] * sin, local[..., 0] * sin + local[..., 1] * cos], dim=-1)
    return turned + rectangles[..., None, :2]
