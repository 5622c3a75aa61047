"""nuScenes's detection task: ten classes, how far each is scored, and the attributes that a box may have."""

from __future__ import annotations

import math

from lima.datasets.labels import class_of_category

DETECTION_CLASSES = (
    "car",
    "truck",
    "bus",
    "trailer",
    "construction_vehicle",
    "pedestrian",
    "motorcycle",
    "bicycle",
    "traffic_cone",
    "barrier",
)
RANGE_M = (50.0, 50.0, 50.0, 50.0, 50.0, 40.0, 40.0, 40.0, 30.0, 30.0)
"""how far from the vehicle a box of each class is scored: `detection_cvpr_2019`"""
GROUPS = (
    ("car",),
    ("truck", "construction_vehicle"),
    ("bus", "trailer"),
    ("barrier",),
    ("motorcycle", "bicycle"),
    ("pedestrian", "traffic_cone"),
)
"""classes of like size share a head (Zhu et al., arXiv 1908.09492)"""
BICYCLE_RACK = "static_object.bicycle_rack"
MOVING_MPS = 0.2


def detection_class(category: str) -> int | None:
    """The position in `DETECTION_CLASSES` of a nuScenes category; None for one that is not detected.

    Raises ValueError for a name that nuScenes does not have.
    """
    name = class_of_category(category)
    return DETECTION_CLASSES.index(name) if name in DETECTION_CLASSES else None


def attribute_of(class_name: str, velocity_mps: tuple[float, float]) -> str:
    """The attribute that a box is given by its speed alone, as OpenPCDet does: nothing else is learned for it."""
    moving = math.hypot(*velocity_mps) > MOVING_MPS
    if class_name in ("car", "truck", "trailer", "construction_vehicle"):
        return "vehicle.moving" if moving else "vehicle.parked"
    if class_name == "bus":
        return "vehicle.moving" if moving else "vehicle.stopped"
    if class_name in ("motorcycle", "bicycle"):
        return "cycle.with_rider" if moving else "cycle.without_rider"
    if class_name == "pedestrian":
        return "pedestrian.moving" if moving else "pedestrian.standing"
    return ""
