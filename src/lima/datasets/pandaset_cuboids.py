"""The annotated cuboids of a PandaSet drive."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64

from lima.datasets.pickled_tables import read_table
from lima.datasets.rotations import about
from lima.datasets.tracks import velocities
from lima.geometry.boxes import Boxes

_CENTRE = ("position.x", "position.y", "position.z")
_SIZE = ("dimensions.y", "dimensions.x", "dimensions.z")  # length, width, height
_SENSOR = "cuboids.sensor_id"
KEPT_FRAMES = 16  # of neighbouring frames: every one is asked for three times


def read_cuboids(paths: list[Path], times_ns: Int64[np.ndarray, "files"], wanted: int, other_sensor: int) -> Boxes:
    """The boxes of one frame, in the world, with velocities from the frames before and after.

    paths, times_ns: of the frame and its neighbours. wanted: which of them is the frame. other_sensor: moving things
    that both LiDARs see have a cuboid for each; that of this sensor is left out. Raises FileNotFoundError,
    PermissionError, ValueError.
    """
    tables = [_read(path) for path in paths]
    counts = [len(table["uuid"]) for table in tables]
    centres_m = np.concatenate([np.stack([table[name] for name in _CENTRE], axis=1) for table in tables])
    things = np.concatenate([table["uuid"] for table in tables]).astype(str)
    try:
        moving_mps = velocities(things, np.repeat(times_ns, counts), centres_m)
    except ValueError as problem:
        raise ValueError(f"{paths[wanted]}: {problem}") from None
    first = sum(counts[:wanted])
    table = tables[wanted]
    kept = np.flatnonzero(table[_SENSOR] != other_sensor)
    sizes_m = np.stack([table[name] for name in _SIZE], axis=1)[kept]
    heading_rad = table["yaw"][kept] + np.pi / 2  # yaw 0 lies along the world's y
    try:
        return Boxes(
            centres_m=torch.from_numpy(centres_m[first + kept]),
            sizes_m=torch.from_numpy(sizes_m),
            rotations=torch.from_numpy(about(heading_rad, 0, 1)),
            velocities_mps=torch.from_numpy(moving_mps[first + kept]),
            categories=tuple(str(table["label"][row]) for row in kept),
            instances=tuple(str(table["uuid"][row]) for row in kept),
        )
    except ValueError as problem:
        raise ValueError(f"{paths[wanted]}: {problem}") from None


@lru_cache(maxsize=KEPT_FRAMES)
def _read(path: Path) -> dict[str, np.ndarray]:
    numbers = (*_CENTRE, *_SIZE, "yaw")
    table = read_table(path, "the cuboids", ("uuid", "label", *numbers), optional=(_SENSOR,))
    for name in numbers:
        try:
            table[name] = table[name].astype(np.float64)
        except (ValueError, TypeError):
            raise ValueError(f"{path}: column {name} holds {table[name].dtype}, numbers were expected") from None
        if not np.isfinite(table[name]).all():
            raise ValueError(f"{path}: {name} is NaN or infinite in row {int(np.argmin(np.isfinite(table[name])))}")
    table[_SENSOR] = table.get(_SENSOR, np.full(len(table["uuid"]), -1))
    return table
