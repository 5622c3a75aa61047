"""What a detector learns from: the points of a keyframe and its boxes, and what chance does to both."""

from __future__ import annotations

import math
from collections.abc import Sequence as Series
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float32
from torch import Tensor

from lima.evaluate.detection.lidar_boxes import VX, YAW, LidarBoxes
from lima.evaluate.detection.sweeps import SweepHistory
from lima.scene import Batch

MAX_TURN = math.pi / 8
SCALE_RANGE = (0.95, 1.05)


@dataclass(frozen=True, eq=False)
class Example:
    """points: x, y, z, intensity, seconds before the keyframe. boxes: the annotated ones that hold a point of it."""

    token: str
    points: Float32[Tensor, "points 5"]
    boxes: LidarBoxes

    @property
    def nbytes(self) -> int:
        return self.points.nbytes + self.boxes.values.nbytes + self.boxes.classes.nbytes


def read_example(history: SweepHistory, index: int) -> Example:
    """A keyframe of a sequence. Raises ValueError where it has no boxes to learn from."""
    frame, points = history.read(index)
    if frame.read_boxes is None:
        raise ValueError(f"frame {frame.token} ({frame.sequence}) has no boxes: detection needs a dataset with boxes")
    boxes, _ = LidarBoxes.of(frame.read_boxes(), frame.sweep.world_from_lidar)
    own = points[: len(frame.sweep.points_lidar), :3]
    return Example(frame.token, points, boxes[boxes.contain(own).any(dim=1)])


def augmented(example: Example, generator: torch.Generator) -> Example:
    """The example flipped, turned and scaled at random: x and y each flipped with probability one half, turned by up to
    22.5 degrees, scaled by 0.95 … 1.05 (OpenPCDet's settings for nuScenes). Velocities go along."""
    flip_x, flip_y, turn, size = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
    angle = MAX_TURN * (2 * turn - 1)
    scale = SCALE_RANGE[0] + (SCALE_RANGE[1] - SCALE_RANGE[0]) * size
    return transformed(example, flip_x < 0.5, flip_y < 0.5, angle, scale)


def transformed(example: Example, negate_x: bool, negate_y: bool, angle: float, scale: float) -> Example:
    """The example with x and y negated, then turned by an angle in radians and scaled."""
    signs = torch.tensor([-1.0 if negate_x else 1.0, -1.0 if negate_y else 1.0])
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    in_plane = scale * turn * signs  # columns scaled by the signs: turned after negating
    points, values = example.points.clone(), example.boxes.values.clone()
    points[:, :2] = points[:, :2] @ in_plane.T
    points[:, 2] *= scale
    heading = torch.stack([values[:, YAW].cos(), values[:, YAW].sin()], dim=1) @ in_plane.T
    values[:, :2] = values[:, :2] @ in_plane.T
    values[:, 2:YAW] *= scale
    values[:, YAW] = torch.atan2(heading[:, 1], heading[:, 0])
    values[:, VX:] = values[:, VX:] @ in_plane.T
    return Example(example.token, points, replace(example.boxes, values=values))


def collate(examples: Series[Example]) -> tuple[Batch, Float32[Tensor, "points"]]:
    """The points of all examples as one batch, and their ages in seconds."""
    batch = Batch.from_points(
        [example.points[:, :3].contiguous() for example in examples], [example.points[:, 3] for example in examples]
    )
    return batch, torch.cat([example.points[:, 4] for example in examples] or [torch.zeros(0)])
