"""A sweep whose points were measured while the vehicle moved, as if all of them had been at one moment."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, Float64, Int64

STEP_S = 1e-4
"""points measured within it share a pose: at 30 m/s it is 3 mm"""

PosesAt = Callable[
    [Int64[np.ndarray, "times"]], tuple[Float64[np.ndarray, "times 3 3"], Float64[np.ndarray, "times 3"]]
]
"""rotations and translations of some fixed frame from the LiDAR's, at times in nanoseconds"""


def compensated(
    xyz_m: Float32[np.ndarray, "points 3"],
    time_s: Float32[np.ndarray, "points"],
    timestamp_ns: int,
    fixed_from_lidar: PosesAt,
) -> Float32[np.ndarray, "points 3"]:
    """The points in the LiDAR's frame at `timestamp_ns`.

    xyz_m: each in the LiDAR's frame at the moment it was measured, `time_s` after the timestamp. Points on things that
    move by themselves stay smeared. Raises what `fixed_from_lidar` raises.
    """
    steps, step_of_point = np.unique(np.round(time_s.astype(np.float64) / STEP_S).astype(np.int64), return_inverse=True)
    times_ns = timestamp_ns + steps * round(STEP_S * 1e9)
    rotations, translations_m = fixed_from_lidar(np.append(times_ns, timestamp_ns).astype(np.int64))
    now_rotation, now_m = rotations[-1].T, translations_m[-1]
    turn = now_rotation @ rotations[:-1]
    shift_m = (translations_m[:-1] - now_m) @ now_rotation.T
    moved = np.einsum("pij,pj->pi", turn[step_of_point], xyz_m.astype(np.float64)) + shift_m[step_of_point]
    return moved.astype(np.float32)
