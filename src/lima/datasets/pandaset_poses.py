"""Where PandaSet's sensors were: poses.json and timestamps.json beside the files of every sensor."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int64

from lima.datasets.rotations import matrices
from lima.datasets.scan_files import read_text
from lima.geometry.rigid import RigidTransform

UNIT_TOLERANCE = 1e-3
LATEST_S = 5e9
"""a time beyond it, in the year 2128, is not in seconds"""


@dataclass(frozen=True, eq=False)
class SensorPoses:
    """Times and poses of one sensor, one of each per frame. folder: where its files lie, for messages."""

    folder: Path
    times_ns: Int64[np.ndarray, "frames"]
    rotations: Float64[np.ndarray, "frames 3 3"]
    translations_m: Float64[np.ndarray, "frames 3"]

    def __len__(self) -> int:
        return len(self.times_ns)

    def world_from_sensor(self, frame: int) -> RigidTransform:
        """The pose of a frame."""
        return RigidTransform(
            torch.from_numpy(self.rotations[frame].copy()), torch.from_numpy(self.translations_m[frame].copy())
        )


def read_json(path: Path, what: str) -> Any:
    """What the file says. Raises FileNotFoundError, PermissionError, ValueError."""
    text = read_text(path, what)
    if not text.strip():
        raise ValueError(f"{path} is empty, {what} was expected: a broken download? Copy it again")
    try:
        return json.loads(text)
    except json.JSONDecodeError as problem:
        raise ValueError(f"{path} is no JSON ({problem}), {what} was expected: truncated? Copy it again") from None


def read_times(folder: Path) -> Int64[np.ndarray, "frames"]:
    """The times of a sensor's files, which are given in seconds."""
    path = folder / "timestamps.json"
    times = read_json(path, "the times of the frames")
    numbers = isinstance(times, list) and all(isinstance(time, (int, float)) for time in times)
    if not numbers or not times or not (np.abs(times) < LATEST_S).all():
        raise ValueError(f"{path} must be a list of seconds, one for every frame, got {str(times)[:60]}")
    return np.array([round(time * 1e9) for time in times], dtype=np.int64)


def read_sensor_poses(folder: Path) -> SensorPoses:
    """Times and poses of the sensor in this folder. Raises FileNotFoundError, PermissionError, ValueError."""
    times_ns = read_times(folder)
    path = folder / "poses.json"
    rows = read_json(path, "the poses of the sensor")
    if not isinstance(rows, list) or len(rows) != len(times_ns):
        found = f"{len(rows)} poses" if isinstance(rows, list) else f"a {type(rows).__name__}"
        raise ValueError(
            f"{path} has {found}, timestamps.json beside it {len(times_ns)} times: one pose for every time was expected"
        )
    poses = np.empty((len(rows), 7))
    for number, row in enumerate(rows):
        try:
            poses[number] = [row["heading"][axis] for axis in "wxyz"] + [row["position"][axis] for axis in "xyz"]
        except (KeyError, TypeError, ValueError):
            raise ValueError(
                f"{path}: pose {number} is {str(row)[:80]}, heading (w, x, y, z) and position (x, y, z) were expected"
            ) from None
    norms = np.linalg.norm(poses[:, :4], axis=1)
    wrong = np.flatnonzero(~(np.isfinite(poses).all(axis=1) & (np.abs(norms - 1) < UNIT_TOLERANCE)))
    if len(wrong):
        raise ValueError(
            f"{path}: pose {wrong[0]} has heading {poses[wrong[0], :4].tolist()} and position "
            f"{poses[wrong[0], 4:].tolist()}; a quaternion of norm 1 and finite metres were expected"
        )
    return SensorPoses(folder, times_ns, matrices(poses[:, :4] / norms[:, None]), poses[:, 4:])
