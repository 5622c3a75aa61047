"""The annotated boxes of a Waymo segment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64, Int64

from lima.datasets.arrow import check_finite, read_parquet
from lima.datasets.tracks import velocities
from lima.datasets.waymo_segment import TIME, Segment
from lima.geometry.boxes import Boxes

CATEGORIES = ("unknown", "vehicle", "pedestrian", "sign", "cyclist")
_THING = "key.laser_object_id"
_TYPE = "[LiDARBoxComponent].type"
_CENTRE, _SIZE = (tuple(f"[LiDARBoxComponent].box.{what}.{axis}" for axis in "xyz") for what in ("center", "size"))
_HEADING = "[LiDARBoxComponent].box.heading"


@dataclass(frozen=True, eq=False)
class SegmentBoxes:
    """All boxes of a segment, in the world, sorted by the time of their frame."""

    path: Path
    times_us: Int64[np.ndarray, "boxes"]
    centres_m: Float64[np.ndarray, "boxes 3"]
    rotations: Float64[np.ndarray, "boxes 3 3"]
    sizes_m: Float64[np.ndarray, "boxes 3"]
    velocities_mps: Float64[np.ndarray, "boxes 3"]
    types: Int64[np.ndarray, "boxes"]
    things: tuple[str, ...]

    def boxes(self, time_us: int) -> Boxes:
        """Those of one frame, none where it was not annotated. Raises ValueError for sizes that are none."""
        rows = slice(*np.searchsorted(self.times_us, [time_us, time_us + 1]).tolist())
        try:
            return Boxes(
                centres_m=torch.from_numpy(self.centres_m[rows].copy()),
                sizes_m=torch.from_numpy(self.sizes_m[rows].copy()),
                rotations=torch.from_numpy(self.rotations[rows].copy()),
                velocities_mps=torch.from_numpy(self.velocities_mps[rows].copy()),
                categories=tuple(CATEGORIES[number] for number in self.types[rows].tolist()),
                instances=self.things[rows],
            )
        except ValueError as problem:
            raise ValueError(f"{self.path}, boxes of frame {time_us}: {problem}") from None


def read_boxes(segment: Segment) -> SegmentBoxes:
    """The boxes, which stand upright in the vehicle's frame. Raises FileNotFoundError, PermissionError, ValueError."""
    path = segment.path("lidar_box")
    numbers = (*_CENTRE, *_SIZE, _HEADING)
    columns = read_parquet(path, "the boxes", number=numbers, whole=(TIME, _TYPE), text=(_THING,))
    check_finite(path, columns, numbers)
    types = columns[_TYPE].astype(np.int64)
    if len(types) and not 0 <= types.min() <= types.max() < len(CATEGORIES):
        raise ValueError(f"{path} has type {types.min()} … {types.max()}, 0 … {len(CATEGORIES) - 1} was expected")
    order = np.argsort(columns[TIME], kind="stable")
    times_us = columns[TIME].astype(np.int64)[order]
    centres_ego, sizes_m = (
        np.stack([columns[name].astype(np.float64) for name in names], axis=1)[order] for names in (_CENTRE, _SIZE)
    )
    heading_rad = columns[_HEADING].astype(np.float64)[order]
    upright = np.zeros((len(order), 3, 3))
    upright[:, 0, 0] = upright[:, 1, 1] = np.cos(heading_rad)
    upright[:, 1, 0] = np.sin(heading_rad)
    upright[:, 0, 1] = -upright[:, 1, 0]
    upright[:, 2, 2] = 1
    centres_m, rotations = np.empty_like(centres_ego), np.empty_like(upright)
    known = set(segment.times_us.tolist())
    for time_us in np.unique(times_us).tolist():
        if time_us not in known:
            raise ValueError(
                f"{path} has boxes of frame {time_us}, which {segment.path('vehicle_pose')} has no pose of"
            )
        rows = np.flatnonzero(times_us == time_us)
        pose = segment.world_from_ego(time_us)
        centres_m[rows] = pose.apply(torch.from_numpy(centres_ego[rows])).numpy()
        rotations[rows] = pose.rotation.numpy() @ upright[rows]
    things = [columns[_THING][row] for row in order]
    try:
        velocities_mps = velocities(np.array(things, dtype=object).astype(str), times_us * 1000, centres_m)
    except ValueError as problem:
        raise ValueError(f"{path}: {problem}") from None
    return SegmentBoxes(path, times_us, centres_m, rotations, sizes_m, velocities_mps, types[order], tuple(things))
