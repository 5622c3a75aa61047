"""The classes of PandaSet's points: 17 of its 42, and its splits, as ScaLR has published both.

There are no official ones. ScaLR (Puy et al., "Three Pillars improving Vision Foundation Model Distillation for Lidar",
CVPR 2024) trains on the labelled drives in San Francisco and validates on those farther south.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Int64, Shaped

IGNORED = "ignored"
CLASSES = (
    "road",
    "traffic_sign",
    "barrier",
    "pedestrian",
    "vegetation",
    "road_marking",
    "sidewalk",
    "manmade",
    "traffic_cone",
    "car",
    "motorcycle",
    "truck",
    "bus",
    "bicycle",
    "other_vehicle",
    "ground",
    "driveway",
)
CLASS_NAMES = (IGNORED, *CLASSES)
SOUTHERNMOST_TRAIN_DEG = 37.6
"""latitude: labelled drives north of it are for training, the others for validation"""

CLASS_OF_LABEL = {
    "Smoke": IGNORED,
    "Exhaust": IGNORED,
    "Spray or rain": IGNORED,
    "Reflection": IGNORED,
    "Vegetation": "vegetation",
    "Ground": "ground",
    "Road": "road",
    "Lane Line Marking": "road_marking",
    "Stop Line Marking": "road_marking",
    "Other Road Marking": "road_marking",
    "Sidewalk": "sidewalk",
    "Driveway": "driveway",
    "Car": "car",
    "Pickup Truck": "truck",
    "Medium-sized Truck": "truck",
    "Semi-truck": "truck",
    "Towed Object": "other_vehicle",
    "Motorcycle": "motorcycle",
    "Other Vehicle - Construction Vehicle": "other_vehicle",
    "Other Vehicle - Uncommon": "other_vehicle",
    "Other Vehicle - Pedicab": "other_vehicle",
    "Emergency Vehicle": IGNORED,
    "Bus": "bus",
    "Personal Mobility Device": IGNORED,
    "Motorized Scooter": IGNORED,
    "Bicycle": "bicycle",
    "Train": "other_vehicle",
    "Trolley": "other_vehicle",
    "Tram / Subway": "other_vehicle",
    "Pedestrian": "pedestrian",
    "Pedestrian with Object": "pedestrian",
    "Animals - Bird": IGNORED,
    "Animals - Other": IGNORED,
    "Pylons": "traffic_cone",
    "Road Barriers": "barrier",
    "Signs": "traffic_sign",
    "Cones": "traffic_cone",
    "Construction Signs": "traffic_sign",
    "Temporary Construction Barriers": "barrier",
    "Rolling Containers": IGNORED,
    "Building": "manmade",
    "Other Static Object": "manmade",
}
UNLABELLED = 0


def classes_of_labels(
    labels: Shaped[np.ndarray, "points"], label_names: Mapping[str, str], names_file: Path, path: Path
) -> Int64[np.ndarray, "points"]:
    """Positions in `CLASS_NAMES` of the numbers in a semseg file.

    label_names: what classes.json says, number (as text) to name. Raises ValueError naming the file for a number that
    classes.json does not have, or a name that PandaSet does not have.
    """
    try:
        numbers = labels.astype(np.int64)
    except (ValueError, TypeError):
        raise ValueError(f"{path} has classes that are no numbers, such as {labels[0]!r}") from None
    found, place = np.unique(numbers, return_inverse=True)
    classes = np.zeros(len(found), dtype=np.int64)
    for row, number in enumerate(found.tolist()):
        if number == UNLABELLED:
            continue
        if str(number) not in label_names:
            raise ValueError(
                f"{path} has label {number}, which {names_file} does not have (it has {', '.join(label_names)})"
            )
        name = label_names[str(number)]
        if name not in CLASS_OF_LABEL:
            raise ValueError(f"{names_file} calls label {number} {name!r}, which is none of PandaSet's 42 names")
        classes[row] = CLASS_NAMES.index(CLASS_OF_LABEL[name])
    return classes[place]
