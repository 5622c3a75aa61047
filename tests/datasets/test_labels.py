"""Oracle: the label map as published (by number), the devkit's mapping, and boxes looked at one point at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from lima.datasets.labels import (
    BOX_CLASS_NAMES,
    CLASS_NAMES,
    CLASS_OF_CATEGORY,
    NO_CLASS,
    class_of_label_id,
    labels_from_boxes,
)
from lima.geometry.boxes import Boxes

# nuScenes-lidarseg's 32 categories in the order of their numbers, and the published map 32 -> 16
CATEGORIES = tuple(CLASS_OF_CATEGORY)
PUBLISHED = {
    9: 1, 14: 2, 15: 3, 16: 3, 17: 4, 18: 5, 21: 6, 2: 7, 3: 7, 4: 7, 6: 7, 12: 8, 22: 9, 23: 10, 24: 11, 25: 12,
    26: 13, 27: 14, 28: 15, 30: 16,
}  # fmt: skip


def test_the_map_is_the_published_one() -> None:
    table = class_of_label_id(CATEGORIES, range(32))
    assert table[:32].tolist() == [PUBLISHED.get(label, 0) for label in range(32)]
    assert (table[32:] == NO_CLASS).all()


def test_the_map_goes_by_name() -> None:
    table = class_of_label_id(["vehicle.car", "flat.terrain"], [200, 3])
    assert (table[200], table[3]) == (CLASS_NAMES.index("car"), CLASS_NAMES.index("terrain"))
    assert (table >= 0).sum() == 2


def test_it_is_the_devkit_s() -> None:
    utils = pytest.importorskip("nuscenes.eval.lidarseg.utils", reason="the official nuscenes-devkit is not installed")
    mapper = utils.LidarsegClassMapper.__new__(utils.LidarsegClassMapper)
    mapper.ignore_class = mapper.get_ignore_class()
    classes, index = mapper.get_fine2coarse(), mapper.get_coarse2idx()
    assert {name: CLASS_NAMES.index(wanted) for name, wanted in CLASS_OF_CATEGORY.items()} == {
        name: index[wanted] for name, wanted in classes.items()
    }
    assert [name for name, _ in sorted(index.items(), key=lambda item: item[1])][1:] == list(CLASS_NAMES[1:])


def some_boxes(seed: int) -> Boxes:
    rng = np.random.default_rng(seed)
    yaws = rng.uniform(-math.pi, math.pi, 12)
    rotations = [[[math.cos(y), -math.sin(y), 0], [math.sin(y), math.cos(y), 0], [0, 0, 1]] for y in yaws]
    names = ["vehicle.car", "vehicle.truck", "animal", "human.pedestrian.child", "movable_object.barrier"]
    return Boxes(
        centres_m=torch.from_numpy(rng.uniform(-5, 5, (12, 3))),
        sizes_m=torch.from_numpy(rng.uniform(0.5, 8, (12, 3))),
        rotations=torch.tensor(rotations, dtype=torch.float64),
        velocities_mps=torch.zeros(12, 3, dtype=torch.float64),
        categories=tuple(names[number % len(names)] for number in range(12)),
        instances=tuple(str(number) for number in range(12)),
    )


@pytest.mark.parametrize("seed", range(3))
def test_points_take_the_class_of_the_smallest_box_they_are_in(seed: int) -> None:
    boxes = some_boxes(seed)
    points = torch.from_numpy(np.random.default_rng(seed).uniform(-8, 8, (300, 3)))
    wanted = []
    for point in points.tolist():
        found, found_volume = "background", math.inf
        for box in range(len(boxes)):
            offset = [point[axis] - float(boxes.centres_m[box, axis]) for axis in range(3)]
            turn = boxes.rotations[box].tolist()
            local = [sum(turn[row][axis] * offset[row] for row in range(3)) for axis in range(3)]
            size = boxes.sizes_m[box].tolist()
            volume = size[0] * size[1] * size[2]
            if all(abs(local[axis]) <= size[axis] / 2 for axis in range(3)) and volume < found_volume:
                found, found_volume = CLASS_OF_CATEGORY[boxes.categories[box]], volume
        wanted.append(BOX_CLASS_NAMES.index(found))
    labels = labels_from_boxes(points, boxes)
    assert labels.tolist() == wanted
    assert {0, len(BOX_CLASS_NAMES) - 1} < set(wanted)  # ignored (animals), background and classes all occur
