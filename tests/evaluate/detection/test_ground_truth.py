"""Oracles: the rules of the benchmark by hand; a box in the world made of one in the LiDAR's frame, and back."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from lima.evaluate.detection.classes import DETECTION_CLASSES, RANGE_M, attribute_of, detection_class
from lima.evaluate.detection.ground_truth import Scene, predicted_boxes, scored, true_boxes
from lima.evaluate.detection.lidar_boxes import LidarBoxes
from lima.evaluate.detection.metric import WorldBoxes
from lima.geometry.boxes import Boxes
from lima.scene import Frame
from tests.evaluate.detection.boxes import random_truth
from tests.evaluate.detection.drives import HandMadeDrive, sweep_at
from tests.evaluate.detection.lidar_boxes import same_boxes, spread_boxes


def boxes_at(places: list[list[float]], categories: list[str], points: list[int] | None = None) -> Boxes:
    count = len(places)
    return Boxes(
        centres_m=torch.tensor(places, dtype=torch.float64).reshape(-1, 3),
        sizes_m=torch.tensor([[2.0, 1.0, 1.0]], dtype=torch.float64).expand(count, 3).clone(),
        rotations=torch.eye(3, dtype=torch.float64).expand(count, 3, 3).clone(),
        velocities_mps=torch.zeros(count, 3, dtype=torch.float64),
        categories=tuple(categories),
        instances=tuple(str(row) for row in range(count)),
        points=None if points is None else torch.tensor(points),
        attributes=None if points is None else ("vehicle.parked",) * count,
    )


def frame_with(boxes: Boxes) -> Frame:
    return replace(HandMadeDrive(1).frame(0), read_boxes=lambda: boxes)


def test_who_counts() -> None:
    """By class and range, with a point, and no cycle in a rack of them. The vehicle stands at the origin."""
    categories = [
        "vehicle.car", "vehicle.car", "vehicle.car", "human.pedestrian.adult", "human.pedestrian.adult", "animal",
        "static_object.bicycle_rack", "vehicle.bicycle", "vehicle.bicycle", "vehicle.car",
    ]  # fmt: skip
    places = [
        [49.9, 0, 0], [0, 50.1, 0], [10, 0, 0], [0, 39.9, 5], [24.1, 32.1, 0], [3, 0, 0],
        [20, 20, 0], [20.5, 20.2, 0], [21.5, 20, 0], [20.5, 20.2, 0],
    ]  # fmt: skip
    points = [1, 1, 0, 2, 2, 9, 5, 5, 5, 5]
    found, scene = true_boxes(frame_with(boxes_at(places, categories, points)), 7)
    assert found.centres_m.tolist() == [places[row] for row in (0, 3, 8, 9)]
    assert found.frames.tolist() == [7] * 4
    assert [DETECTION_CLASSES[cls] for cls in found.classes] == ["car", "pedestrian", "bicycle", "car"]
    assert list(found.attributes) == ["vehicle.parked"] * 4
    assert scene.ego_m.tolist() == [0, 0, 0]
    assert len(scene.racks) == 1


def test_points_are_counted_where_the_dataset_does_not() -> None:
    post = sweep_at(0.0).world_from_lidar.apply(sweep_at(0.0).points_lidar.double())[0].tolist()
    found, _ = true_boxes(frame_with(boxes_at([post, [5.0, 0.0, 0.0]], ["vehicle.car", "vehicle.car"])), 0)
    assert found.centres_m.tolist() == [post]
    assert list(found.attributes) == [""]


def test_ranges_of_random_boxes() -> None:
    boxes = random_truth(np.random.default_rng(0), 1, 400)
    ego = np.array([5.0, -3.0, 100.0])
    kept = scored(boxes, Scene(ego, boxes_at([], [])))
    for row in range(400):
        away = math.dist(boxes.centres_m[row, :2], ego[:2])
        assert bool(kept[row]) == (away < RANGE_M[boxes.classes[row]])


def test_into_the_world_and_back() -> None:
    frame = HandMadeDrive(2, every_s=2.0, first_s=1.0).frame(1)
    boxes = spread_boxes()
    world: WorldBoxes = predicted_boxes(boxes, frame.sweep, 0)
    cos, sin = np.cos(world.yaws), np.sin(world.yaws)
    zero, one = np.zeros(12), np.ones(12)
    rotations = np.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], axis=1).reshape(-1, 3, 3)
    categories = {
        "pedestrian": "human.pedestrian.adult",
        "bus": "vehicle.bus.rigid",
        "barrier": "movable_object.barrier",
    }
    categories |= {"traffic_cone": "movable_object.trafficcone", "construction_vehicle": "vehicle.construction"}
    names = [DETECTION_CLASSES[cls] for cls in world.classes]
    again, kept = LidarBoxes.of(
        Boxes(
            torch.from_numpy(world.centres_m),
            torch.from_numpy(world.sizes_m),
            torch.from_numpy(rotations),
            torch.from_numpy(np.concatenate([world.velocities_mps, np.zeros((12, 1))], axis=1)),
            tuple(categories.get(name, f"vehicle.{name}") for name in names),
            ("",) * 12,
        ),
        frame.sweep.world_from_lidar,
    )
    assert kept.tolist() == list(range(12))
    assert same_boxes(again, boxes, atol=1e-3)
    assert float((world.centres_m[:, :2] - boxes.values[:, :2].numpy()).max()) > 10  # the vehicle is elsewhere


def test_attributes_follow_from_the_speed() -> None:
    assert attribute_of("car", (3.0, 0.0)) == "vehicle.moving"
    assert attribute_of("car", (0.1, 0.1)) == "vehicle.parked"
    assert attribute_of("bus", (0.0, 0.0)) == "vehicle.stopped"
    assert attribute_of("bicycle", (0.0, -2.0)) == "cycle.with_rider"
    assert attribute_of("pedestrian", (0.0, 0.0)) == "pedestrian.standing"
    assert attribute_of("barrier", (9.0, 0.0)) == ""


def test_categories() -> None:
    assert detection_class("vehicle.bus.bendy") == DETECTION_CLASSES.index("bus")
    assert detection_class("vehicle.emergency.police") is None
    with pytest.raises(ValueError, match="none of nuScenes's 32"):
        detection_class("Car")
    with pytest.raises(ValueError, match="detection needs a dataset with boxes"):
        true_boxes(replace(HandMadeDrive(1).frame(0), read_boxes=None), 0)
