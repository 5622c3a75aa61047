"""Where the vehicle was at every time that nuScenes's table of ego poses knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from lima.datasets.recordings import poses
from lima.datasets.tables import column, read_rows


@dataclass(frozen=True, eq=False)
class EgoTrack:
    """Poses by time, one per microsecond at most: quaternion (w, x, y, z), then translation in metres."""

    times_us: Int64[np.ndarray, "poses"]
    poses: Float64[np.ndarray, "poses 7"]


def build_track(folder: Path) -> EgoTrack:
    """From the table of a version folder. Raises FileNotFoundError and ValueError naming table and token."""
    path = folder / "ego_pose.json"
    parts: list[tuple[np.ndarray, np.ndarray]] = [(np.zeros(0, dtype=np.int64), np.zeros((0, 7)))]
    for rows in read_rows(path):
        columns = {name: column(path, rows, name) for name in ("token", "translation", "rotation", "timestamp")}
        parts.append((np.array(columns["timestamp"], dtype=np.int64), poses(path, columns)))
    times_us, first = np.unique(np.concatenate([times for times, _ in parts]), return_index=True)
    return EgoTrack(times_us, np.concatenate([part for _, part in parts])[first])
