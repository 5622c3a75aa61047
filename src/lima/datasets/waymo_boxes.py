"""The annotated boxes of a Waymo segment."""

from __future__ import annotations

import numpy as np

from lima.datasets.arrow import check_finite, read_parquet
from lima.datasets.rotations import about
from lima.datasets.timed_boxes import TimedBoxes, boxes_in_world
from lima.datasets.waymo_segment import TIME, Segment

CATEGORIES = ("unknown", "vehicle", "pedestrian", "sign", "cyclist")
_THING = "key.laser_object_id"
_TYPE = "[LiDARBoxComponent].type"
_CENTRE, _SIZE = (tuple(f"[LiDARBoxComponent].box.{what}.{axis}" for axis in "xyz") for what in ("center", "size"))
_HEADING = "[LiDARBoxComponent].box.heading"


def read_boxes(segment: Segment) -> TimedBoxes:
    """The boxes, which stand upright in the vehicle's frame. Raises FileNotFoundError, PermissionError, ValueError."""
    path = segment.path("lidar_box")
    numbers = (*_CENTRE, *_SIZE, _HEADING)
    columns = read_parquet(path, "the boxes", number=numbers, whole=(TIME, _TYPE), text=(_THING,))
    check_finite(path, columns, numbers)
    types = columns[_TYPE].astype(np.int64)
    if len(types) and not 0 <= types.min() <= types.max() < len(CATEGORIES):
        raise ValueError(f"{path} has type {types.min()} … {types.max()}, 0 … {len(CATEGORIES) - 1} was expected")
    times_us = columns[TIME].astype(np.int64)
    unknown = np.setdiff1d(times_us, segment.times_us).tolist()
    if unknown:
        raise ValueError(f"{path} has boxes of frame {unknown[0]}, which {segment.path('vehicle_pose')} has no pose of")
    centres_ego, sizes_m = (
        np.stack([columns[name].astype(np.float64) for name in names], axis=1) for names in (_CENTRE, _SIZE)
    )
    return boxes_in_world(
        path=path,
        times_ns=times_us * 1000,
        centres_ego=centres_ego,
        ego_from_box=about(columns[_HEADING].astype(np.float64), 0, 1),
        sizes_m=sizes_m,
        categories=[CATEGORIES[number] for number in types.tolist()],
        instances=columns[_THING],
        world_from_ego=lambda time_ns: segment.world_from_ego(time_ns // 1000),
    )
