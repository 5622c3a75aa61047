"""Oracle: the label tables of nuScenes-lidarseg and SemanticKITTI, copied by hand from their publications."""

from __future__ import annotations

import numpy as np
import pytest

from streetsim.materials import LIDAR_REFLECTIVITY, PARAMETERS, Common, Material, parameter_row
from streetsim.semantics import (
    KITTI_FROM_SEMANTIC,
    KITTI_MOVING_FROM_SEMANTIC,
    NUSCENES_CATEGORIES,
    NUSCENES_FROM_SEMANTIC,
    Semantic,
    kitti_labels,
)

# 32 general classes to the 16 of the challenge, 0 = ignored.
CHALLENGE = {9: 1, 14: 2, 15: 3, 16: 3, 17: 4, 18: 5, 21: 6, 2: 7, 3: 7, 4: 7, 6: 7, 12: 8, 22: 9, 23: 10}
CHALLENGE |= {24: 11, 25: 12, 26: 13, 27: 14, 28: 15, 30: 16}

# SemanticKITTI: raw label to training class, 0 = ignored.
KITTI = {0: 0, 1: 0, 52: 0, 99: 0, 10: 1, 252: 1, 11: 2, 15: 3, 18: 4, 258: 4, 13: 5, 16: 5, 20: 5, 256: 5, 257: 5}
KITTI |= {259: 5, 30: 6, 254: 6, 31: 7, 253: 7, 32: 8, 255: 8, 40: 9, 60: 9, 44: 10, 48: 11, 49: 12, 50: 13, 51: 14}
KITTI |= {70: 15, 71: 16, 72: 17, 80: 18, 81: 19}


@pytest.mark.parametrize(
    ("semantic", "category", "challenge", "kitti", "kitti_moving"),
    [
        (Semantic.ROAD, "flat.driveable_surface", 11, 40, 40),
        (Semantic.PARKING, "flat.driveable_surface", 11, 44, 44),
        (Semantic.SIDEWALK, "flat.sidewalk", 13, 48, 48),
        (Semantic.OTHER_FLAT, "flat.other", 12, 49, 49),
        (Semantic.TERRAIN, "flat.terrain", 14, 72, 72),
        (Semantic.BUILDING, "static.manmade", 15, 50, 50),
        (Semantic.FENCE, "static.manmade", 15, 51, 51),
        (Semantic.POLE, "static.manmade", 15, 80, 80),
        (Semantic.SIGN, "static.manmade", 15, 81, 81),
        (Semantic.CROWN, "static.vegetation", 16, 70, 70),
        (Semantic.TRUNK, "static.vegetation", 16, 71, 71),
        (Semantic.BARRIER, "movable_object.barrier", 1, 52, 52),
        (Semantic.CONE, "movable_object.trafficcone", 8, 99, 99),
        (Semantic.CAR, "vehicle.car", 4, 10, 252),
        (Semantic.TRUCK, "vehicle.truck", 10, 18, 258),
        (Semantic.BUS_RIGID, "vehicle.bus.rigid", 3, 13, 257),
        (Semantic.BUS_BENDY, "vehicle.bus.bendy", 3, 13, 257),
        (Semantic.TRAILER, "vehicle.trailer", 9, 20, 259),
        (Semantic.CONSTRUCTION, "vehicle.construction", 5, 20, 259),
        (Semantic.MOTORCYCLE, "vehicle.motorcycle", 6, 15, 15),
        (Semantic.BICYCLE, "vehicle.bicycle", 2, 11, 11),
        (Semantic.ADULT, "human.pedestrian.adult", 7, 30, 254),
        (Semantic.CHILD, "human.pedestrian.child", 7, 30, 254),
        (Semantic.WORKER, "human.pedestrian.construction_worker", 7, 30, 254),
        (Semantic.BICYCLIST, "vehicle.bicycle", 2, 31, 253),
        (Semantic.MOTORCYCLIST, "vehicle.motorcycle", 6, 32, 255),
        (Semantic.PUSHABLE, "movable_object.pushable_pullable", 0, 99, 99),
        (Semantic.AMBULANCE, "vehicle.emergency.ambulance", 0, 20, 259),
        (Semantic.POLICE_CAR, "vehicle.emergency.police", 0, 10, 252),
        (Semantic.DROPLETS, "noise", 0, 1, 1),
    ],
)
def test_names_in_both_public_sets(
    semantic: Semantic, category: str, challenge: int, kitti: int, kitti_moving: int
) -> None:
    general = int(NUSCENES_FROM_SEMANTIC[semantic])
    assert NUSCENES_CATEGORIES[general] == category
    assert CHALLENGE.get(general, 0) == challenge
    assert KITTI_FROM_SEMANTIC[semantic] == kitti
    assert KITTI_MOVING_FROM_SEMANTIC[semantic] == kitti_moving


def test_the_general_classes_are_the_32_of_nuscenes() -> None:
    assert len(NUSCENES_CATEGORIES) == 32
    by_hand = {
        2: "human.pedestrian.adult",
        9: "movable_object.barrier",
        17: "vehicle.car",
        24: "flat.driveable_surface",
    }
    by_hand |= {14: "vehicle.bicycle", 22: "vehicle.trailer", 30: "static.vegetation", 31: "vehicle.ego"}
    for number, name in by_hand.items():
        assert NUSCENES_CATEGORIES[number] == name


def test_motion_never_changes_the_training_class_of_kitti() -> None:
    for semantic in Semantic:
        assert KITTI[int(KITTI_FROM_SEMANTIC[semantic])] == KITTI[int(KITTI_MOVING_FROM_SEMANTIC[semantic])]


def test_all_16_and_all_19_classes_can_be_written() -> None:
    assert {CHALLENGE.get(int(general), 0) for general in NUSCENES_FROM_SEMANTIC} == set(range(17))
    assert {KITTI[int(label)] for label in KITTI_FROM_SEMANTIC} == set(range(20))


def test_kitti_labels_choose_by_motion() -> None:
    semantic = np.array([Semantic.CAR, Semantic.CAR, Semantic.ROAD], np.uint8)
    assert kitti_labels(semantic, np.array([False, True, True])).tolist() == [10, 252, 40]


def test_every_material_reflects_something() -> None:
    assert LIDAR_REFLECTIVITY.shape == (len(Material), 3)
    assert [int(material) for material in Material] == list(range(len(Material)))
    assert np.all((LIDAR_REFLECTIVITY >= 0) & (LIDAR_REFLECTIVITY <= 1))


def test_a_parameter_row_has_its_numbers_where_their_names_say() -> None:
    row = parameter_row((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 7, (0.8, 0.9, 1.0), {Common.STYLE: 2.0})
    assert row.shape == (PARAMETERS,)
    assert row[:8].tolist() == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 7.0, 2.0]
    assert row[20:23].tolist() == [0.8, 0.9, 1.0]
    assert row[8:20].tolist() == [0.0] * 12
