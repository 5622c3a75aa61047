"""Ground-truth sampling (SECOND, Yan et al. 2018): things of other keyframes, set down where they were seen."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float32
from torch import Tensor

from lima.evaluate.detection.classes import DETECTION_CLASSES
from lima.evaluate.detection.examples import Example
from lima.evaluate.detection.lidar_boxes import LENGTH, WIDTH, YAW, LidarBoxes, X, Y
from lima.evaluate.detection.nms import rotated_iou

MIN_POINTS = 5
WANTED = {
    "car": 2,
    "truck": 3,
    "construction_vehicle": 7,
    "bus": 4,
    "trailer": 6,
    "barrier": 2,
    "motorcycle": 6,
    "bicycle": 6,
    "pedestrian": 2,
    "traffic_cone": 2,
}
"""things of a class that a keyframe is filled up to: OpenPCDet's numbers for nuScenes"""
MAX_THINGS = 2000  # of a class, in memory


@dataclass(frozen=True, eq=False)
class Thing:
    """One box with its points, in the LiDAR's frame of its own keyframe."""

    box: LidarBoxes
    points: Float32[Tensor, "points 5"]


class ObjectBank:
    """Things by class, gathered from the keyframes that are learned from and from no others.

    Of a class that has more than `limit`, so many: every thing is as likely as another, whenever it came. generator:
    chance, which is asked only then.
    """

    def __init__(self, generator: torch.Generator, limit: int = MAX_THINGS) -> None:
        self._generator, self._limit = generator, limit
        self._things: list[list[Thing]] = [[] for _ in DETECTION_CLASSES]
        self._seen = [0 for _ in DETECTION_CLASSES]

    def __len__(self) -> int:
        return sum(len(things) for things in self._things)

    def add(self, example: Example) -> None:
        """Take the things of an example that have at least five points, as far as chance has room for them."""
        inside = example.boxes.contain(example.points[:, :3])
        for row in range(len(example.boxes)):
            points = example.points[inside[row]]
            if len(points) >= MIN_POINTS:
                self._take(int(example.boxes.classes[row]), Thing(example.boxes[torch.tensor([row])], points))

    def _take(self, cls: int, thing: Thing) -> None:
        """Reservoir sampling (Waterman's algorithm R): the n-th thing of a class comes in with chance limit / n."""
        things = self._things[cls]
        self._seen[cls] += 1
        if len(things) < self._limit:
            things.append(thing)
            return
        place = int(torch.randint(self._seen[cls], (), generator=self._generator))
        if place < self._limit:
            things[place] = thing

    def fill_up(self, example: Example, generator: torch.Generator) -> Example:
        """The example with things added until every class has `WANTED`, where they overlap nothing seen from above.

        Points of the example inside an added box give way to the thing's own.
        """
        chosen: list[Thing] = []
        for cls, name in enumerate(DETECTION_CLASSES):
            missing = WANTED[name] - int((example.boxes.classes == cls).sum())
            things = self._things[cls]
            order = torch.randperm(len(things), generator=generator).tolist()
            chosen += [things[place] for place in order[: max(missing, 0)]]
        if not chosen:
            return example
        rectangles = _rectangles(LidarBoxes.concatenate([thing.box for thing in chosen]))
        blocked = (rotated_iou(rectangles, _rectangles(example.boxes)) > 0).any(dim=1)
        meets = rotated_iou(rectangles, rectangles) > 0
        added: list[Thing] = []
        for place, thing in enumerate(chosen):
            if not bool(blocked[place]):
                added.append(thing)
                blocked |= meets[place]
        if not added:
            return example
        new = LidarBoxes.concatenate([thing.box for thing in added])
        kept = ~new.contain(example.points[:, :3]).any(dim=0)
        points = torch.cat([example.points[kept], *(thing.points for thing in added)])
        return Example(example.token, points, LidarBoxes.concatenate([example.boxes, new]))


def _rectangles(boxes: LidarBoxes) -> Tensor:
    return boxes.values[:, [X, Y, LENGTH, WIDTH, YAW]]
