"""KISS-ICP (Vizzo et al., RA-L 2023, arXiv 2209.15397): every sweep matched to a map of the last ones."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64

from lima.config import OdometryConfig
from lima.datasets.compensation import compensated
from lima.datasets.rotations import matrices, quaternions, slerp
from lima.geometry.rigid import RigidTransform

INSTALL = "pip install 'lima-lidar[odometry]'"
VOXELS_PER_RANGE = 100  # KISS-ICP's own choice of the map's voxels
SURPRISE_M = 0.5  # what is expected of the first steps when the speed is known; KISS-ICP's 2 m are for when it is not

TimedPoints = tuple[Float32[np.ndarray, "_ 3"], Float32[np.ndarray, "_"] | None, int]
"""xyz, time of each from the timestamp, timestamp"""


class KissOdometry:
    """Poses of the LiDAR at the timestamps of its sweeps; the first one is the origin.

    Sweeps must come in order. Points that have times are first moved to the timestamp, as if the vehicle went on as
    between the last two sweeps: KISS-ICP does the same, but to a moment of its own choice. One thread: the same sweeps
    give the same poses. Raises ModuleNotFoundError where kiss-icp is not installed.
    """

    def __init__(self, config: OdometryConfig) -> None:
        try:
            from kiss_icp.config import KISSConfig
            from kiss_icp.kiss_icp import KissICP
        except ModuleNotFoundError as missing:
            raise ModuleNotFoundError(f"{missing.name} is not installed, it computes poses: {INSTALL}") from None
        settings = KISSConfig()
        settings.data.max_range, settings.data.min_range = config.max_range_m, config.min_range_m
        settings.data.deskew = False
        settings.mapping.voxel_size = config.voxel_size_m or config.max_range_m / VOXELS_PER_RANGE
        settings.registration.max_num_threads = 1
        self._kiss = KissICP(settings)
        self._again = partial(KissICP, settings)
        self._last_ns: int | None = None
        self._step_ns: int | None = None

    def learn_speed(self, first: Iterable[TimedPoints]) -> None:
        """Go over the first sweeps and forget everything but the speed.

        KISS-ICP takes the vehicle to stand still at first, and needs some sweeps to find out that it does not: poses
        that begin with a jerk, and points that are not compensated.
        """
        for sweep in first:
            self.add(*sweep)
        step = self._kiss.last_delta
        self._kiss.config.adaptive_threshold.initial_threshold = SURPRISE_M
        self._kiss, self._last_ns = self._again(), None
        self._kiss.last_delta, self._kiss.last_pose = step, np.linalg.inv(step)  # so that the first pose is the origin

    def add(
        self, xyz_m: Float32[np.ndarray, "points 3"], time_s: Float32[np.ndarray, "points"] | None, timestamp_ns: int
    ) -> tuple[RigidTransform, Float32[np.ndarray, "points 3"]]:
        """`first_from_lidar` of the next sweep, and its points at its timestamp."""
        if time_s is not None and self._step_ns is not None:
            xyz_m = self._compensated(xyz_m, time_s, timestamp_ns, self._step_ns)
        self._kiss.register_frame(xyz_m.astype(np.float64), np.zeros(0))
        self._step_ns = self._step_ns if self._last_ns is None else timestamp_ns - self._last_ns
        self._last_ns = timestamp_ns
        pose = np.array(self._kiss.last_pose)
        rotation = matrices(quaternions(pose[None, :3, :3]))[0]  # products of many matrices lose their right angles
        return RigidTransform(torch.from_numpy(rotation), torch.from_numpy(pose[:3, 3].copy())), xyz_m

    def _compensated(
        self,
        xyz_m: Float32[np.ndarray, "points 3"],
        time_s: Float32[np.ndarray, "points"],
        timestamp_ns: int,
        step_ns: int,
    ) -> Float32[np.ndarray, "points 3"]:
        step = np.array(self._kiss.last_delta)
        turn = quaternions(step[None, :3, :3])
        still = np.array([[1.0, 0.0, 0.0, 0.0]])

        def poses(
            times_ns: Int64[np.ndarray, "times"],
        ) -> tuple[Float64[np.ndarray, "times 3 3"], Float64[np.ndarray, "times 3"]]:
            share = (times_ns - timestamp_ns) / step_ns
            turned = slerp(np.repeat(still, len(share), axis=0), np.repeat(turn, len(share), axis=0), share)
            return matrices(turned), share[:, None] * step[None, :3, 3]

        return compensated(xyz_m, time_s, timestamp_ns, poses)
