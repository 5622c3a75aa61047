"""The sweeps of a drive, with poses or without: what odometry reads, of any format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64

from lima.datasets.kitti_raw import KittiRaw, RawDrive
from lima.datasets.plain_drive import PlainDrive
from lima.datasets.plain_folder import PlainFolder
from lima.datasets.scan_dataset import ScanDataset
from lima.datasets.scan_drive import ScanDrive
from lima.geometry.rigid import RigidTransform
from lima.scene import Dataset, Sequence


@dataclass(frozen=True, eq=False)
class OdometrySweep:
    """xyz_m: in the LiDAR's frame. time_s: from the timestamp, None where the motion during the turn is taken out
    already. world_from_lidar: what the data say, None where they say nothing."""

    xyz_m: Float32[np.ndarray, "points 3"]
    time_s: Float32[np.ndarray, "points"] | None
    world_from_lidar: RigidTransform | None


@dataclass(frozen=True, eq=False)
class SweepSource:
    """A drive. times_ns: of all sweeps. poses_file: where poses belong, None where the format has no place for such."""

    name: str
    times_ns: Int64[np.ndarray, "sweeps"]
    ego_from_lidar: RigidTransform
    read: Callable[[int], OdometrySweep]
    poses_file: Path | None
    has_poses: bool

    def __len__(self) -> int:
        return len(self.times_ns)


def sources_of(dataset: Dataset, split: str | None) -> list[SweepSource]:
    """The drives of a split. Raises ValueError for formats whose drives have no poses and no place for them."""
    if isinstance(dataset, PlainFolder):
        return [_plain(drive) for drive in dataset.drives(split)]
    if isinstance(dataset, ScanDataset | KittiRaw):
        return [_scans(drive) for drive in dataset.drives(split)]
    return [_posed(sequence) for sequence in dataset.sequences(split)]


def _plain(drive: PlainDrive) -> SweepSource:
    """All sweeps, those that are no frames too."""
    mount, trajectory = drive.calibration.ego_from_lidar, drive.trajectory

    def read(index: int) -> OdometrySweep:
        points = drive.points(index)
        moment = drive.sweep_times_ns[index : index + 1]
        pose = None
        if trajectory is not None and bool(trajectory.knows(moment)[0]):
            pose = trajectory.at(int(moment[0])) @ mount
        return OdometrySweep(points.xyz_m, points.time_s, pose)

    return SweepSource(drive.name, drive.sweep_times_ns, mount, read, drive.poses_file, trajectory is not None)


def _scans(drive: ScanDrive | RawDrive) -> SweepSource:
    def read(index: int) -> OdometrySweep:
        xyz_m = drive.scan(index).points_lidar.numpy()
        return OdometrySweep(xyz_m, None, drive.frame(index).sweep.world_from_lidar if drive.has_poses else None)

    times_ns = np.array(drive.timestamps_ns, dtype=np.int64)
    return SweepSource(drive.name, times_ns, drive.ego_from_lidar, read, drive.poses_file, drive.has_poses)


def _posed(sequence: Sequence) -> SweepSource:
    def read(index: int) -> OdometrySweep:
        sweep = sequence.frame(index).sweep
        return OdometrySweep(sweep.points_lidar.numpy(), None, sweep.world_from_lidar)

    times_ns = np.array(sequence.timestamps_ns, dtype=np.int64)
    return SweepSource(sequence.name, times_ns, sequence.frame(0).sweep.ego_from_lidar, read, None, True)
