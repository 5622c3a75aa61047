"""`lima odometry`: poses of every drive that has none, written beside its data, and a word on how good they look."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lima.config import AtGap, OdometryConfig
from lima.datasets import open_dataset
from lima.datasets.plain_writer import write_whole
from lima.datasets.progress import CountProgress
from lima.datasets.rotations import quaternions
from lima.datasets.trajectory import Trajectory, poses_text
from lima.geometry.rigid import RigidTransform
from lima.odometry.comparison import Drift, drift
from lima.odometry.fit import Fit, Landmarks, fit
from lima.odometry.kiss import KissOdometry, TimedPoints
from lima.odometry.quality import LATER, Quality, QualityGauge
from lima.odometry.sources import SweepSource, sources_of

QUALITY_FILE = "odometry.json"
BEFORE = ".before"
START = 6  # sweeps from which the speed at the beginning is learned


@dataclass(frozen=True)
class DriveOdometry:
    """What was found of a drive. known, drift: quality of the poses that were there and the way that those found go
    apart from them, None where there were none."""

    drive: str
    poses_file: Path | None
    written: bool
    quality: Quality
    known: Quality | None
    drift: Drift | None

    def entries(self) -> dict[str, Any]:
        """Plain values, for JSON; None for numbers that are none."""
        entries = asdict(self, dict_factory=_plain)
        return entries | {"poses_file": str(self.poses_file) if self.poses_file else None, "verdict": self.verdict}

    @property
    def verdict(self) -> str:
        return self.quality.verdict


def compute_odometry(data: Path, config: OdometryConfig, at_gap: AtGap = "raise") -> list[DriveOdometry]:
    """Run KISS-ICP over the drives of `data`; write poses.txt and odometry.json where there are no poses yet.

    Drives that have poses are compared with what KISS-ICP finds, and left as they are; with `config.replace` the old
    poses go to poses.txt.before. Raises FileNotFoundError, ModuleNotFoundError without kiss-icp, ValueError for drives
    that are not there or cannot be read.
    """
    found = []
    for source in _asked(sources_of(open_dataset(data, at_gap), config.split), config, data):
        with CountProgress(source.name, len(source), "sweeps") as progress:
            result = odometry_of(source, config, progress)
            for line in lines_of(source, result):
                progress.say(line)
        found.append(result)
    if config.json is not None:
        write_whole(config.json, json.dumps([result.entries() for result in found], indent=1))
    return found


def odometry_of(source: SweepSource, config: OdometryConfig, progress: CountProgress) -> DriveOdometry:
    """One drive: its poses, their quality, the drift against poses that are there; written where they belong."""
    odometry, gauge, known = KissOdometry(config), QualityGauge(), QualityGauge()
    both: list[tuple[RigidTransform, RigidTransform]] = []
    odometry.learn_speed(_timed_points(source, index) for index in range(min(START, len(source))))
    for index in range(len(source)):
        sweep, timestamp_ns = source.read(index), int(source.times_ns[index])
        pose, xyz_m = odometry.add(sweep.xyz_m, sweep.time_s, timestamp_ns)
        landmarks = Landmarks.of(xyz_m)
        gauge.add(landmarks, pose, timestamp_ns)
        if sweep.world_from_lidar is not None:
            known.add(landmarks, sweep.world_from_lidar, timestamp_ns)
            both.append((pose, sweep.world_from_lidar))
        progress.advance()
    result = DriveOdometry(
        drive=source.name,
        poses_file=source.poses_file,
        written=source.poses_file is not None and (config.replace or not source.has_poses),
        quality=gauge.quality([_fit_again(source, gauge, *pair) for pair in gauge.revisits()]),
        known=known.quality([]) if len(both) > 1 else None,
        drift=drift(*zip(*both, strict=True)) if len(both) > 1 else None,
    )
    if result.written:
        _write(source, gauge, result)
    return result


def lines_of(source: SweepSource, result: DriveOdometry) -> list[str]:
    """What a person reads about a drive."""
    quality, found = result.quality, result.drift
    again = "no place was visited again"
    if quality.revisited is not None:
        again = f"{quality.revisits} sweeps where it had been before: {_told(quality.revisited)}"
    lines = [
        f"{source.name}: {quality.sweeps} sweeps over {quality.length_m:.1f} m; {_where(source, result)}",
        f"  points that lie on the sweep before: {_told(quality.next_to)} (had it stood still: "
        f"{_told(quality.unmoved)}); on the {LATER}th before: {_told(quality.later)}",
        f"  greatest acceleration {quality.max_acceleration_mps2:.1f} m/s², fastest turn {quality.max_turn_deg_s:.0f} "
        f"degrees/s; {again}",
    ]
    if found is not None and result.known is not None:
        share = f"{found.share:.2%} of the way, {found.turn_deg_per_100m:.2f} degrees per 100 m, "
        drifted = share if found.stretches else ""
        lines.append(
            f"  against the poses that are there: {drifted}at most {found.farthest_m:.2f} m apart; under those, points "
            f"that lie on the sweep before: {_told(result.known.next_to)}; on the {LATER}th before: "
            f"{_told(result.known.later)}"
        )
    lines.append(f"  they look {quality.verdict}{': ' if quality.worries else ''}{'; '.join(quality.worries)}")
    return lines


def _plain(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in fields}


def _asked(sources: list[SweepSource], config: OdometryConfig, data: Path) -> list[SweepSource]:
    names = [source.name for source in sources]
    unknown = [name for name in config.drives if name not in names]
    if unknown:
        raise ValueError(f"{data} has no drive {unknown[0]!r}; drives: {', '.join(names[:20])}")
    return [source for source in sources if not config.drives or source.name in config.drives]


def _timed_points(source: SweepSource, index: int) -> TimedPoints:
    sweep = source.read(index)
    return sweep.xyz_m, sweep.time_s, int(source.times_ns[index])


def _fit_again(source: SweepSource, gauge: QualityGauge, earlier: int, now: int) -> Fit:
    past, here = (Landmarks.of(source.read(index).xyz_m) for index in (earlier, now))
    return fit(here, past, gauge.poses[earlier].inverse() @ gauge.poses[now])


def _write(source: SweepSource, gauge: QualityGauge, result: DriveOdometry) -> None:
    """poses.txt of the vehicle, whose first pose is the world's origin, and odometry.json beside it."""
    assert source.poses_file is not None, "only drives that have a place for poses are written"
    lidar_from_ego = source.ego_from_lidar.inverse()
    poses = [source.ego_from_lidar @ pose @ lidar_from_ego for pose in gauge.poses]
    trajectory = Trajectory(
        source.poses_file,
        source.times_ns,
        quaternions(np.stack([pose.rotation.numpy() for pose in poses])),
        np.stack([pose.translation_m.numpy() for pose in poses]),
    )
    if source.poses_file.exists():
        write_whole(source.poses_file.with_name(source.poses_file.name + BEFORE), source.poses_file.read_bytes())
    source.poses_file.parent.mkdir(exist_ok=True)
    write_whole(source.poses_file.with_name(QUALITY_FILE), json.dumps(result.entries(), indent=1))
    write_whole(source.poses_file, poses_text(trajectory))


def _where(source: SweepSource, result: DriveOdometry) -> str:
    if result.written:
        return f"poses written to {source.poses_file}"
    if source.has_poses:
        return "it has poses, which stay as they are" + (" (--replace)" if source.poses_file else "")
    return "its format has no place for poses"


def _told(one: Fit) -> str:
    return f"{one.matched:.0%}, {one.distance_m * 100:.1f} cm" if math.isfinite(one.distance_m) else "none"
