"""The annotations of an Argoverse 2 log, and the classes that follow from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64, Int64

from lima.datasets.arrow import check_finite, read_feather
from lima.datasets.tracks import velocities
from lima.datasets.trajectory import matrices
from lima.geometry.boxes import Boxes
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


@dataclass(frozen=True, eq=False)
class Annotations:
    """All boxes of a log, in the world, sorted by time."""

    path: Path
    times_ns: Int64[np.ndarray, "boxes"]
    centres_m: Float64[np.ndarray, "boxes 3"]
    rotations: Float64[np.ndarray, "boxes 3 3"]
    sizes_m: Float64[np.ndarray, "boxes 3"]
    velocities_mps: Float64[np.ndarray, "boxes 3"]
    categories: tuple[str, ...]
    tracks: tuple[str, ...]

    def boxes(self, time_ns: int) -> Boxes:
        """Those of one sweep, none where it was not annotated. Raises ValueError for sizes that are none."""
        rows = slice(*np.searchsorted(self.times_ns, [time_ns, time_ns + 1]).tolist())
        try:
            return Boxes(
                centres_m=torch.from_numpy(self.centres_m[rows].copy()),
                sizes_m=torch.from_numpy(self.sizes_m[rows].copy()),
                rotations=torch.from_numpy(self.rotations[rows].copy()),
                velocities_mps=torch.from_numpy(self.velocities_mps[rows].copy()),
                categories=self.categories[rows],
                instances=self.tracks[rows],
            )
        except ValueError as problem:
            raise ValueError(f"{self.path}, boxes of {time_ns} ns: {problem}") from None


def read_annotations(path: Path, world_from_ego: Callable[[int], RigidTransform]) -> Annotations:
    """The boxes of annotations.feather, which stand in the vehicle's frame at the time of their sweep.

    world_from_ego: the vehicle's pose at a time. Raises FileNotFoundError, PermissionError, ValueError.
    """
    numbers = (*_TURN, *_CENTRE, *_SIZE)
    columns = read_feather(path, "the boxes", number=numbers, whole=("timestamp_ns",), text=("track_uuid", "category"))
    check_finite(path, columns, numbers)
    unknown = sorted(set(columns["category"]).difference(CATEGORIES))
    if unknown:
        raise ValueError(f"{path} has category {unknown[0]!r}, which is none of the 30: {', '.join(CATEGORIES)}")

    order = np.argsort(columns["timestamp_ns"], kind="stable")
    times_ns = columns["timestamp_ns"].astype(np.int64)[order]
    centres_ego, sizes_m, turns = (
        np.stack([columns[name].astype(np.float64) for name in names], axis=1)[order]
        for names in (_CENTRE, _SIZE, _TURN)
    )
    centres_m = np.empty_like(centres_ego)
    rotations = np.empty((len(order), 3, 3))
    for time_ns in np.unique(times_ns).tolist():
        rows = np.flatnonzero(times_ns == time_ns)
        pose = world_from_ego(time_ns)
        centres_m[rows] = pose.apply(torch.from_numpy(centres_ego[rows])).numpy()
        rotations[rows] = pose.rotation.numpy() @ _rotations(turns[rows], path)
    tracks = [columns["track_uuid"][row] for row in order]
    try:
        velocities_mps = velocities(np.array(tracks, dtype=object).astype(str), times_ns, centres_m)
    except ValueError as problem:
        raise ValueError(f"{path}: {problem}") from None
    return Annotations(
        path=path,
        times_ns=times_ns,
        centres_m=centres_m,
        rotations=rotations,
        sizes_m=sizes_m,
        velocities_mps=velocities_mps,
        categories=tuple(columns["category"][row] for row in order),
        tracks=tuple(tracks),
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
