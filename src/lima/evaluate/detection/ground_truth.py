"""The boxes that detections are scored against, and which boxes are scored at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64

from lima.evaluate.detection.classes import BICYCLE_RACK, DETECTION_CLASSES, RANGE_M, attribute_of, detection_class
from lima.evaluate.detection.lidar_boxes import VX, LidarBoxes
from lima.evaluate.detection.metric import WorldBoxes
from lima.geometry.boxes import Boxes
from lima.scene import Frame, Sweep

RACKED = tuple(DETECTION_CLASSES.index(name) for name in ("bicycle", "motorcycle"))


@dataclass(frozen=True, eq=False)
class Scene:
    """What decides which boxes of a frame are scored: where the vehicle stood, and the bicycle racks around it."""

    ego_m: Float64[np.ndarray, "3"]
    racks: Boxes


def true_boxes(frame: Frame, number: int) -> tuple[WorldBoxes, Scene]:
    """The annotated boxes of a frame that count, as frame `number` of many.

    A box without a point counts nowhere: by the dataset's own numbers of points (LiDAR and radar) where it has them,
    else by counting those of the sweep. Raises ValueError for a frame without boxes.
    """
    if frame.read_boxes is None:
        raise ValueError(f"frame {frame.token} ({frame.sequence}) has no boxes: detection needs a dataset with boxes")
    boxes = frame.read_boxes()
    classes = [detection_class(category) for category in boxes.categories]
    named = np.array([row for row, cls in enumerate(classes) if cls is not None], dtype=np.int64)
    racks = [row for row, category in enumerate(boxes.categories) if category == BICYCLE_RACK]
    rotations = boxes.rotations.numpy()
    points = boxes.points
    if points is None:
        world = frame.sweep.world_from_lidar.apply(frame.sweep.points_lidar.double())
        points = boxes.contain(world).sum(dim=1)
    found = WorldBoxes(
        frames=np.full(len(named), number),
        centres_m=boxes.centres_m.numpy()[named],
        sizes_m=boxes.sizes_m.numpy()[named],
        yaws=np.arctan2(rotations[named, 1, 0], rotations[named, 0, 0]),
        velocities_mps=boxes.velocities_mps.numpy()[named, :2],
        classes=np.array([cls for cls in classes if cls is not None], dtype=np.int64),
        attributes=np.array([boxes.attributes[row] if boxes.attributes else "" for row in named], dtype=object),
        scores=np.full(len(named), -1.0),
    )
    scene = Scene(frame.sweep.world_from_ego.translation_m.numpy(), boxes.chosen(racks))
    return found[scored(found, scene) & (points.numpy()[named] > 0)], scene


def predicted_boxes(boxes: LidarBoxes, sweep: Sweep, number: int) -> WorldBoxes:
    """What a detector has found in a sweep, in `world`; attributes follow from the speed."""
    world_from_lidar = sweep.world_from_lidar
    values = boxes.values.double().cpu()
    rotations = (world_from_lidar.rotation @ boxes.to("cpu").rotations().double()).numpy()
    flat = torch.cat([values[:, VX:], torch.zeros(len(values), 1, dtype=torch.float64)], dim=1)
    velocities = world_from_lidar.rotate(flat)[:, :2].numpy()
    names = [DETECTION_CLASSES[cls] for cls in boxes.classes.tolist()]
    attributes = [attribute_of(name, (x, y)) for name, (x, y) in zip(names, velocities.tolist(), strict=True)]
    return WorldBoxes(
        frames=np.full(len(values), number),
        centres_m=world_from_lidar.apply(values[:, :3]).numpy(),
        sizes_m=values[:, 3:6].numpy(),
        yaws=np.arctan2(rotations[:, 1, 0], rotations[:, 0, 0]),
        velocities_mps=velocities,
        classes=boxes.classes.cpu().numpy(),
        attributes=np.array(attributes, dtype=object),
        scores=boxes.scores.double().cpu().numpy(),
    )


def scored(boxes: WorldBoxes, scene: Scene) -> Bool[np.ndarray, "boxes"]:
    """Which boxes lie within the range of their class and, if they are cycles, not in a rack of them."""
    away = np.sqrt(((boxes.centres_m[:, :2] - scene.ego_m[:2]) ** 2).sum(axis=1))
    near = away < np.array(RANGE_M)[boxes.classes]
    if len(scene.racks) == 0:
        return near
    racked = scene.racks.contain(torch.from_numpy(boxes.centres_m)).any(dim=0).numpy()
    return near & ~(racked & np.isin(boxes.classes, RACKED))
