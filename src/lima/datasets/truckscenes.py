"""MAN TruckScenes: nuScenes's tables, four cameras, and six LiDARs whose points have a time each, in .pcd files.

nuScenes's points are compensated for the vehicle's motion before they are published, TruckScenes's are not (no word of
it in its documentation, and those who convert it treat them as raw): here every point is put where it was measured from
and then seen from one place at one time.
"""

from __future__ import annotations

from collections.abc import Sequence as Series
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from lima.datasets import pcd
from lima.datasets.compensation import compensated
from lima.datasets.scan_files import reading
from lima.datasets.trajectory import Trajectory
from lima.geometry.rigid import RigidTransform
from lima.scene import Sweep

LARGEST_INTENSITY = 255.0
LONGEST_S = 1.0
"""A point measured longer before or after its sweep's time is of another clock."""
TABLE = "ego_motion_chassis.json"
"""nuScenes has no such table."""


@dataclass(frozen=True, eq=False)
class Turn:
    """The file of what one LiDAR measured, with the token of its row in sample_data."""

    path: Path
    token: str
    ego_from_lidar: RigidTransform


def recognises(root: Path) -> bool:
    """Whether it is a folder of TruckScenes's tables, or holds one."""
    return any((folder / TABLE).is_file() for folder in (root, *root.iterdir()))


def merged_sweep(turns: Series[Turn], timestamp_ns: int, track: Trajectory) -> Sweep:
    """One sweep of what several LiDARs measured around that time.

    Its frame has the vehicle's axes and the mean of the LiDARs' places as origin, so that it stands upright whichever
    way they are tilted. No rings. Raises FileNotFoundError, PermissionError and ValueError naming file and token.
    """
    origin_m = torch.stack([turn.ego_from_lidar.translation_m for turn in turns]).mean(dim=0)
    ego_from_sweep = RigidTransform(torch.eye(3, dtype=torch.float64), origin_m)
    points, intensity = [], []
    for turn in turns:
        found_m, found_intensity = _measured(turn, timestamp_ns, track)
        points.append((ego_from_sweep.inverse() @ turn.ego_from_lidar).apply(found_m))
        intensity.append(found_intensity)
    try:
        return Sweep(
            points_lidar=torch.cat(points),
            intensity=torch.cat(intensity),
            timestamp_ns=timestamp_ns,
            ego_from_lidar=ego_from_sweep,
            world_from_ego=track.at(timestamp_ns),
        )
    except ValueError as problem:
        raise ValueError(f"{turns[0].path} (sample_data {turns[0].token}): {problem}") from None


def _measured(turn: Turn, timestamp_ns: int, track: Trajectory) -> tuple[Tensor, Tensor]:
    """Points in that LiDAR's frame at `timestamp_ns`, and intensities, of the beams that came back."""
    where = f"{turn.path} (sample_data {turn.token})"
    try:
        with reading(turn.path, f"the points of sample_data {turn.token}"):
            columns = pcd.read(turn.path)
    except ValueError as problem:
        raise ValueError(f"{where}: {problem}") from None
    missing = [name for name in ("x", "y", "z", "intensity", "timestamp") if name not in columns]
    if missing:
        raise ValueError(
            f"{where} has no {', '.join(missing)}, only {', '.join(columns)}: x, y, z, intensity and timestamp were "
            f"expected"
        )
    xyz_m = np.stack([columns[axis] for axis in "xyz"], axis=1).astype(np.float32)
    came_back = np.isfinite(xyz_m).all(axis=1) & (xyz_m != 0).any(axis=1)
    time_s = (columns["timestamp"].astype(np.float64) - timestamp_ns * 1e-3) * 1e-6
    wrong = came_back & ~(np.abs(time_s) <= LONGEST_S)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise ValueError(
            f"{where}: point {first} was measured {time_s[first]:.3f} s from its sweep's timestamp, at most "
            f"{LONGEST_S:g} s were expected: timestamps in microseconds, of the same clock?"
        )
    intensity = np.clip(columns["intensity"].astype(np.float32) / LARGEST_INTENSITY, 0, 1)

    def world_from_lidar(
        times_ns: Int64[np.ndarray, "times"],
    ) -> tuple[Float64[np.ndarray, "times 3 3"], Float64[np.ndarray, "times 3"]]:
        rotations, translations_m = track.many(times_ns)
        place_m = turn.ego_from_lidar.translation_m.numpy()
        return rotations @ turn.ego_from_lidar.rotation.numpy(), rotations @ place_m + translations_m

    try:
        seen = compensated(xyz_m[came_back], time_s[came_back].astype(np.float32), timestamp_ns, world_from_lidar)
    except ValueError as problem:
        raise ValueError(f"{where}: {problem}") from None
    return torch.from_numpy(seen), torch.from_numpy(intensity[came_back])
