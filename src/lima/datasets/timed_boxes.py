"""The annotated boxes of a whole drive, asked for by time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64, Int64

from lima.datasets.tracks import velocities
from lima.geometry.boxes import Boxes
from lima.geometry.rigid import RigidTransform


@dataclass(frozen=True, eq=False)
class TimedBoxes:
    """All boxes of a drive, in the world, sorted by time. path: the file they come from, for messages."""

    path: Path
    times_ns: Int64[np.ndarray, "boxes"]
    centres_m: Float64[np.ndarray, "boxes 3"]
    rotations: Float64[np.ndarray, "boxes 3 3"]
    sizes_m: Float64[np.ndarray, "boxes 3"]
    velocities_mps: Float64[np.ndarray, "boxes 3"]
    categories: tuple[str, ...]
    instances: tuple[str, ...]

    def at(self, time_ns: int) -> Boxes:
        """Those of one sweep, none where it was not annotated. Raises ValueError for sizes that are none."""
        rows = slice(*np.searchsorted(self.times_ns, [time_ns, time_ns + 1]).tolist())
        try:
            return Boxes(
                centres_m=torch.from_numpy(self.centres_m[rows].copy()),
                sizes_m=torch.from_numpy(self.sizes_m[rows].copy()),
                rotations=torch.from_numpy(self.rotations[rows].copy()),
                velocities_mps=torch.from_numpy(self.velocities_mps[rows].copy()),
                categories=self.categories[rows],
                instances=self.instances[rows],
            )
        except ValueError as problem:
            raise ValueError(f"{self.path}, boxes of {time_ns} ns: {problem}") from None


def boxes_in_world(
    path: Path,
    times_ns: Int64[np.ndarray, "boxes"],
    centres_ego: Float64[np.ndarray, "boxes 3"],
    ego_from_box: Float64[np.ndarray, "boxes 3 3"],
    sizes_m: Float64[np.ndarray, "boxes 3"],
    categories: Sequence[str],
    instances: Sequence[str],
    world_from_ego: Callable[[int], RigidTransform],
) -> TimedBoxes:
    """From boxes in any order, each in the vehicle's frame at its own time; velocities follow from their tracks.

    world_from_ego: the vehicle's pose at a time. Raises ValueError for a thing with two boxes at one time.
    """
    order = np.argsort(times_ns, kind="stable")
    times_ns, ego_from_box = times_ns[order], ego_from_box[order]
    centres_m, rotations = centres_ego[order], np.empty_like(ego_from_box)
    for time_ns in np.unique(times_ns).tolist():
        rows = np.flatnonzero(times_ns == time_ns)
        pose = world_from_ego(time_ns)
        centres_m[rows] = pose.apply(torch.from_numpy(centres_m[rows])).numpy()
        rotations[rows] = pose.rotation.numpy() @ ego_from_box[rows]
    things = tuple(instances[row] for row in order)
    try:
        velocities_mps = velocities(np.array(things, dtype=object).astype(str), times_ns, centres_m)
    except ValueError as problem:
        raise ValueError(f"{path}: {problem}") from None
    return TimedBoxes(
        path=path,
        times_ns=times_ns,
        centres_m=centres_m,
        rotations=rotations,
        sizes_m=sizes_m[order],
        velocities_mps=velocities_mps,
        categories=tuple(categories[row] for row in order),
        instances=things,
    )
