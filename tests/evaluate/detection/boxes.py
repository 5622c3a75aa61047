"""Random boxes of several frames, as our metric and as nuscenes-devkit's take them."""

from __future__ import annotations

import numpy as np
from nuscenes.eval.common.data_classes import EvalBoxes
from nuscenes.eval.detection.data_classes import DetectionBox
from pyquaternion import Quaternion

from lima.evaluate.detection.classes import DETECTION_CLASSES
from lima.evaluate.detection.metric import WorldBoxes

ATTRIBUTES = {
    "car": "vehicle.moving vehicle.parked vehicle.stopped",
    "pedestrian": "pedestrian.moving pedestrian.standing",
    "bicycle": "cycle.with_rider cycle.without_rider",
}


def random_truth(generator: np.random.Generator, frames: int, each: int, classes: int = 10) -> WorldBoxes:
    """Boxes of random classes, some without velocity, some without attribute."""
    count = frames * each
    labels = generator.integers(0, classes, count)
    choices = [ATTRIBUTES.get(DETECTION_CLASSES[cls], "vehicle.moving vehicle.parked").split() for cls in labels]
    attributes = [str(generator.choice([*of, ""])) for of in choices]
    velocities = generator.normal(0, 3, (count, 2))
    velocities[generator.random(count) < 0.1] = np.nan
    return WorldBoxes(
        frames=np.repeat(np.arange(frames), each),
        centres_m=generator.uniform(-40, 40, (count, 3)) * [1, 1, 0.05],
        sizes_m=generator.uniform(0.5, 5, (count, 3)),
        yaws=generator.uniform(-np.pi, np.pi, count),
        velocities_mps=velocities,
        classes=labels,
        attributes=np.array(attributes, dtype=object),
        scores=np.full(count, -1.0),
    )


def guesses(generator: np.random.Generator, truth: WorldBoxes, copies: int, noise_m: float) -> WorldBoxes:
    """Around every true box `copies` predictions at random distances, some of another class; scores often equal."""
    rows = np.sort(np.repeat(np.flatnonzero(generator.random(len(truth)) < 0.8), copies))
    found = truth[rows]
    count = len(rows)
    classes = np.where(generator.random(count) < 0.9, found.classes, generator.integers(0, 10, count))
    attributes = np.where(generator.random(count) < 0.7, found.attributes, "vehicle.parked")
    return WorldBoxes(
        frames=found.frames,
        centres_m=found.centres_m + generator.normal(0, noise_m, (count, 3)),
        sizes_m=found.sizes_m * generator.uniform(0.6, 1.5, (count, 3)),
        yaws=found.yaws + generator.normal(0, 1, count),
        velocities_mps=np.nan_to_num(found.velocities_mps) + generator.normal(0, 1, (count, 2)),
        classes=classes,
        attributes=attributes,
        scores=np.round(generator.random(count), 2),
    )


def for_devkit(boxes: WorldBoxes, frames: int, predicted: bool) -> EvalBoxes:
    """The same boxes in the devkit's own classes."""
    found = EvalBoxes()
    for frame in range(frames):
        listed = []
        for row in np.flatnonzero(boxes.frames == frame):
            length, width, height = boxes.sizes_m[row]
            listed.append(
                DetectionBox(
                    sample_token=str(frame),
                    translation=tuple(boxes.centres_m[row]),
                    size=(width, length, height),
                    rotation=tuple(Quaternion(axis=[0, 0, 1], angle=float(boxes.yaws[row])).elements),
                    velocity=tuple(boxes.velocities_mps[row]),
                    ego_translation=(0.0, 0.0, 0.0),
                    num_pts=-1 if predicted else 1,
                    detection_name=DETECTION_CLASSES[int(boxes.classes[row])],
                    detection_score=float(boxes.scores[row]) if predicted else -1.0,
                    attribute_name=str(boxes.attributes[row]),
                )
            )
        found.add_boxes(str(frame), listed)
    return found
