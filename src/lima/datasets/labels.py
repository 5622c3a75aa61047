"""The 16 classes of nuScenes, which of its 32 categories belong to which, and classes from boxes."""

from __future__ import annotations

from collections.abc import Sequence as Series

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor

from lima.datasets import box_labels
from lima.geometry.boxes import Boxes

IGNORED = "ignored"
THINGS = (
    "barrier",
    "bicycle",
    "bus",
    "car",
    "construction_vehicle",
    "motorcycle",
    "pedestrian",
    "traffic_cone",
    "trailer",
    "truck",
)
STUFF = ("driveable_surface", "other_flat", "sidewalk", "terrain", "manmade", "vegetation")
CLASS_NAMES = (IGNORED, *THINGS, *STUFF)
BACKGROUND = "background"
BOX_CLASS_NAMES = (IGNORED, *THINGS, BACKGROUND)
"""the classes where there are boxes only: a point in no box is background"""

CLASS_OF_CATEGORY = {
    "noise": IGNORED,
    "animal": IGNORED,
    "human.pedestrian.adult": "pedestrian",
    "human.pedestrian.child": "pedestrian",
    "human.pedestrian.construction_worker": "pedestrian",
    "human.pedestrian.personal_mobility": IGNORED,
    "human.pedestrian.police_officer": "pedestrian",
    "human.pedestrian.stroller": IGNORED,
    "human.pedestrian.wheelchair": IGNORED,
    "movable_object.barrier": "barrier",
    "movable_object.debris": IGNORED,
    "movable_object.pushable_pullable": IGNORED,
    "movable_object.trafficcone": "traffic_cone",
    "static_object.bicycle_rack": IGNORED,
    "vehicle.bicycle": "bicycle",
    "vehicle.bus.bendy": "bus",
    "vehicle.bus.rigid": "bus",
    "vehicle.car": "car",
    "vehicle.construction": "construction_vehicle",
    "vehicle.emergency.ambulance": IGNORED,
    "vehicle.emergency.police": IGNORED,
    "vehicle.motorcycle": "motorcycle",
    "vehicle.trailer": "trailer",
    "vehicle.truck": "truck",
    "flat.driveable_surface": "driveable_surface",
    "flat.other": "other_flat",
    "flat.sidewalk": "sidewalk",
    "flat.terrain": "terrain",
    "static.manmade": "manmade",
    "static.other": IGNORED,
    "static.vegetation": "vegetation",
    "vehicle.ego": IGNORED,
}
TRUCKSCENES_CATEGORIES = {
    "static_object.traffic_sign": IGNORED,
    "vehicle.ego_trailer": "trailer",
    "vehicle.other": IGNORED,
    "vehicle.train": IGNORED,
}
"""those that TruckScenes has and nuScenes has not; the vehicle's own trailer is one for its development kit, too"""
NO_CLASS = -1


def class_of_category(category: str) -> str:
    """The class a category belongs to. Raises ValueError for a name that neither nuScenes nor TruckScenes has."""
    if category in TRUCKSCENES_CATEGORIES:
        return TRUCKSCENES_CATEGORIES[category]
    if category not in CLASS_OF_CATEGORY:
        raise ValueError(f"category {category!r} is none of nuScenes's 32: {', '.join(CLASS_OF_CATEGORY)}")
    return CLASS_OF_CATEGORY[category]


def class_of_label_id(categories: Series[str], label_ids: Series[int]) -> Int64[np.ndarray, "256"]:
    """For every byte a label file may hold the position in `CLASS_NAMES`, -1 where no category has that number."""
    table = np.full(256, NO_CLASS, dtype=np.int64)
    for category, label_id in zip(categories, label_ids, strict=True):
        table[label_id] = CLASS_NAMES.index(class_of_category(category))
    return table


def labels_from_boxes(points_world: Float[Tensor, "points 3"], boxes: Boxes) -> Int64[Tensor, "points"]:
    """Classes of points from the boxes they lie in, as positions in `BOX_CLASS_NAMES`, where nothing better is known.

    A point in several boxes belongs to the smallest. A point in a box of none of the ten classes of things is
    ignored, a point in no box background: the road under a car's box is the car's.
    """
    classes = {category: BOX_CLASS_NAMES.index(class_of_category(category)) for category in set(boxes.categories)}
    return box_labels.labels_from_boxes(points_world, boxes, classes, BOX_CLASS_NAMES.index(BACKGROUND))
