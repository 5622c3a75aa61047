"""What surfaces mean: the simulator's own classes and their names in nuScenes and SemanticKITTI."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Semantic(IntEnum):
    """The simulator's classes; finer than either of the public sets, so that both can be written from one mesh."""

    NONE = 0
    ROAD = 1
    PARKING = 2
    SIDEWALK = 3
    OTHER_FLAT = 4
    TERRAIN = 5
    BUILDING = 6
    FENCE = 7
    POLE = 8
    SIGN = 9
    TRAFFIC_LIGHT = 10
    FURNITURE = 11
    CROWN = 12
    TRUNK = 13
    BARRIER = 14
    CONE = 15
    CAR = 16
    TRUCK = 17
    BUS_RIGID = 18
    BUS_BENDY = 19
    TRAILER = 20
    CONSTRUCTION = 21
    MOTORCYCLE = 22
    BICYCLE = 23
    ADULT = 24
    CHILD = 25
    WORKER = 26
    BICYCLIST = 27
    MOTORCYCLIST = 28
    PUSHABLE = 29
    AMBULANCE = 30
    POLICE_CAR = 31
    DROPLETS = 32  # fog or rain that sent an echo back; no surface means this


NUSCENES_CATEGORIES: tuple[str, ...] = (
    "noise",
    "animal",
    "human.pedestrian.adult",
    "human.pedestrian.child",
    "human.pedestrian.construction_worker",
    "human.pedestrian.personal_mobility",
    "human.pedestrian.police_officer",
    "human.pedestrian.stroller",
    "human.pedestrian.wheelchair",
    "movable_object.barrier",
    "movable_object.debris",
    "movable_object.pushable_pullable",
    "movable_object.trafficcone",
    "static_object.bicycle_rack",
    "vehicle.bicycle",
    "vehicle.bus.bendy",
    "vehicle.bus.rigid",
    "vehicle.car",
    "vehicle.construction",
    "vehicle.emergency.ambulance",
    "vehicle.emergency.police",
    "vehicle.motorcycle",
    "vehicle.trailer",
    "vehicle.truck",
    "flat.driveable_surface",
    "flat.other",
    "flat.sidewalk",
    "flat.terrain",
    "static.manmade",
    "static.other",
    "static.vegetation",
    "vehicle.ego",
)
"""The 32 general classes of nuScenes-lidarseg; the position is the class id."""

# Semantic: (nuScenes general class, SemanticKITTI id at rest, SemanticKITTI id in motion)
_NAMES: dict[Semantic, tuple[str, int, int]] = {
    Semantic.NONE: ("noise", 0, 0),
    Semantic.ROAD: ("flat.driveable_surface", 40, 40),
    Semantic.PARKING: ("flat.driveable_surface", 44, 44),
    Semantic.SIDEWALK: ("flat.sidewalk", 48, 48),
    Semantic.OTHER_FLAT: ("flat.other", 49, 49),
    Semantic.TERRAIN: ("flat.terrain", 72, 72),
    Semantic.BUILDING: ("static.manmade", 50, 50),
    Semantic.FENCE: ("static.manmade", 51, 51),
    Semantic.POLE: ("static.manmade", 80, 80),
    Semantic.SIGN: ("static.manmade", 81, 81),
    Semantic.TRAFFIC_LIGHT: ("static.manmade", 99, 99),
    Semantic.FURNITURE: ("static.manmade", 99, 99),
    Semantic.CROWN: ("static.vegetation", 70, 70),
    Semantic.TRUNK: ("static.vegetation", 71, 71),
    Semantic.BARRIER: ("movable_object.barrier", 52, 52),
    Semantic.CONE: ("movable_object.trafficcone", 99, 99),
    Semantic.CAR: ("vehicle.car", 10, 252),
    Semantic.TRUCK: ("vehicle.truck", 18, 258),
    Semantic.BUS_RIGID: ("vehicle.bus.rigid", 13, 257),
    Semantic.BUS_BENDY: ("vehicle.bus.bendy", 13, 257),
    Semantic.TRAILER: ("vehicle.trailer", 20, 259),
    Semantic.CONSTRUCTION: ("vehicle.construction", 20, 259),
    Semantic.MOTORCYCLE: ("vehicle.motorcycle", 15, 15),
    Semantic.BICYCLE: ("vehicle.bicycle", 11, 11),
    Semantic.ADULT: ("human.pedestrian.adult", 30, 254),
    Semantic.CHILD: ("human.pedestrian.child", 30, 254),
    Semantic.WORKER: ("human.pedestrian.construction_worker", 30, 254),
    Semantic.BICYCLIST: ("vehicle.bicycle", 31, 253),
    Semantic.MOTORCYCLIST: ("vehicle.motorcycle", 32, 255),
    Semantic.PUSHABLE: ("movable_object.pushable_pullable", 99, 99),
    Semantic.AMBULANCE: ("vehicle.emergency.ambulance", 20, 259),
    Semantic.POLICE_CAR: ("vehicle.emergency.police", 10, 252),
    Semantic.DROPLETS: ("noise", 1, 1),
}

NUSCENES_FROM_SEMANTIC: NDArray[np.uint8] = np.array(
    [NUSCENES_CATEGORIES.index(_NAMES[semantic][0]) for semantic in Semantic], np.uint8
)
"""uint8 (classes,): general nuScenes-lidarseg class (0 to 31) of every `Semantic`; a rider belongs to the cycle."""

KITTI_FROM_SEMANTIC: NDArray[np.uint16] = np.array([_NAMES[semantic][1] for semantic in Semantic], np.uint16)
"""uint16 (classes,): SemanticKITTI label of every `Semantic` at rest."""

KITTI_MOVING_FROM_SEMANTIC: NDArray[np.uint16] = np.array([_NAMES[semantic][2] for semantic in Semantic], np.uint16)
"""uint16 (classes,): SemanticKITTI label of every `Semantic` in motion; the label at rest where none exists."""


def kitti_labels(semantic: NDArray[np.uint8], moving: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """SemanticKITTI labels of points of known class and motion.

    Args:
        semantic: uint8 (points,), values of `Semantic`.
        moving: bool (points,), whether the point's object moves over the ground.
    """
    return np.where(moving, KITTI_MOVING_FROM_SEMANTIC[semantic], KITTI_FROM_SEMANTIC[semantic])
