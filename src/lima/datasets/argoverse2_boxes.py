"""The annotations of an Argoverse 2 log, and the classes that follow from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from lima.datasets.arrow import check_finite, read_feather
from lima.datasets.rotations import matrices
from lima.datasets.timed_boxes import TimedBoxes, boxes_in_world
from lima.geometry.rigid import RigidTransform

IGNORED = "ignored"
BACKGROUND = "background"
CATEGORIES = (
    "ANIMAL",
    "ARTICULATED_BUS",
    "BICYCLE",
    "BICYCLIST",
    "BOLLARD",
    "BOX_TRUCK",
    "BUS",
    "CONSTRUCTION_BARREL",
    "CONSTRUCTION_CONE",
    "DOG",
    "LARGE_VEHICLE",
    "MESSAGE_BOARD_TRAILER",
    "MOBILE_PEDESTRIAN_CROSSING_SIGN",
    "MOTORCYCLE",
    "MOTORCYCLIST",
    "OFFICIAL_SIGNALER",
    "PEDESTRIAN",
    "RAILED_VEHICLE",
    "REGULAR_VEHICLE",
    "SCHOOL_BUS",
    "SIGN",
    "STOP_SIGN",
    "STROLLER",
    "TRAFFIC_LIGHT_TRAILER",
    "TRUCK",
    "TRUCK_CAB",
    "VEHICULAR_TRAILER",
    "WHEELCHAIR",
    "WHEELED_DEVICE",
    "WHEELED_RIDER",
)
CLASS_NAMES = (IGNORED, *(category.lower() for category in CATEGORIES), BACKGROUND)
CLASS_OF_CATEGORY = {category: number for number, category in enumerate(CATEGORIES, start=1)}

UNIT_TOLERANCE = 1e-3
_TURN = ("qw", "qx", "qy", "qz")
_CENTRE = ("tx_m", "ty_m", "tz_m")
_SIZE = ("length_m", "width_m", "height_m")


def read_annotations(path: Path, world_from_ego: Callable[[int], RigidTransform]) -> TimedBoxes:
    """The boxes of annotations.feather, which stand in the vehicle's frame at the time of their sweep.

    world_from_ego: the vehicle's pose at a time. Raises FileNotFoundError, PermissionError, ValueError.
    """
    numbers = (*_TURN, *_CENTRE, *_SIZE)
    columns = read_feather(path, "the boxes", number=numbers, whole=("timestamp_ns",), text=("track_uuid", "category"))
    check_finite(path, columns, numbers)
    unknown = sorted(set(columns["category"]).difference(CATEGORIES))
    if unknown:
        raise ValueError(f"{path} has category {unknown[0]!r}, which is none of the 30: {', '.join(CATEGORIES)}")
    centres_ego, sizes_m, turns = (
        np.stack([columns[name].astype(np.float64) for name in names], axis=1) for names in (_CENTRE, _SIZE, _TURN)
    )
    return boxes_in_world(
        path=path,
        times_ns=columns["timestamp_ns"].astype(np.int64),
        centres_ego=centres_ego,
        ego_from_box=_rotations(turns, path),
        sizes_m=sizes_m,
        categories=columns["category"],
        instances=columns["track_uuid"],
        world_from_ego=world_from_ego,
    )


def _rotations(wxyz: Float64[np.ndarray, "boxes 4"], path: Path) -> Float64[np.ndarray, "boxes 3 3"]:
    norms = np.linalg.norm(wxyz, axis=1)
    wrong = np.flatnonzero(np.abs(norms - 1) > UNIT_TOLERANCE)
    if len(wrong):
        raise ValueError(
            f"{path}: qw qx qy qz {wxyz[wrong[0]].tolist()} has norm {norms[wrong[0]]:.4f}, a rotation of norm 1 was "
            f"expected"
        )
    return matrices(wxyz / norms[:, None])
