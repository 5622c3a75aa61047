"""Recordings into plain folders: message by message, in little memory, safe to interrupt."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence as Series
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from lima.config import ImportConfig
from lima.datasets.bags.bag import Bag
from lima.datasets.bags.frame_tree import frame_name, trajectory_of
from lima.datasets.bags.opening import open_bag
from lima.datasets.bags.plan import Plan, calibration_of, ego_frame, looking_up, make_plan
from lima.datasets.bags.receiving import Receiver
from lima.datasets.bags.topics import choose, listing
from lima.datasets.file_times import seconds_text
from lima.datasets.plain_calibration import CALIBRATION_FILE, Calibration, PointLayout, calibration_text
from lima.datasets.plain_drive import IMAGES_FOLDER, POINTS_FOLDER, POSES_FILE
from lima.datasets.plain_writer import write_whole
from lima.datasets.progress import CountProgress
from lima.datasets.trajectory import Trajectory, poses_text

NOTE_FILE = ".import.json"
LISTED = 20


def import_bags(bags: Series[Path], out: Path, config: ImportConfig) -> None:
    """Import every recording into a drive of its own, `out`/<name of the recording>.

    A second call goes on where an earlier one stopped. Raises FileNotFoundError, PermissionError, ModuleNotFoundError,
    and ValueError for recordings that are damaged, ambiguous, or lack what is needed.
    """
    names = [drive_name(path) for path in bags]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two of the recordings are called {name}: import them into different folders")
    for path, name in zip(bags, names, strict=True):
        with open_bag(path) as bag:
            try:
                import_bag(bag, Path(out) / name, config)
            except ValueError as problem:
                if str(path) in str(problem):
                    raise
                raise ValueError(f"{path}: {problem}") from None


def list_bags(bags: Series[Path]) -> list[str]:
    """The topics of every recording, a line each."""
    lines = []
    for path in bags:
        with open_bag(path) as bag:
            lines += [str(path), listing(bag)]
    return lines


def drive_name(path: Path) -> str:
    """What the drive of a recording is called: the name of its file without the ending, or of its folder."""
    path = Path(path).resolve()
    return path.name if path.is_dir() else path.stem


def import_bag(bag: Bag, folder: Path, config: ImportConfig) -> None:
    """Import one recording into a folder: claim it, stream the messages, then write what only all of them tell."""
    plan = make_plan(bag, choose(bag, config), config)
    announcement = _announcement(bag, folder, plan)
    claim(folder, bag, plan, config)
    receiver = Receiver(bag, folder, plan)
    left_out = receiver.tally.left_out
    topics = plan.chosen.all
    total = sum(bag.topics[topic].messages for topic in topics)
    with CountProgress(folder.name, total, "messages") as progress:
        progress.say(announcement)
        for stored in bag.messages(topics):
            try:
                receiver.take(stored)
            except ValueError as problem:
                told = f"{bag.path}: {stored.topic}, recorded at {seconds_text(stored.received_ns)} s: {problem}"
                if not config.skip_bad:
                    raise ValueError(f"{told}. Leave such messages out with --skip-bad") from None
                left_out.append(told)
            progress.advance()
        if receiver.tally.sweeps == 0:
            raise ValueError(f"{bag.path}: not one sweep of {plan.chosen.points} could be imported")
        ego = ego_frame(plan, receiver.frames, config, receiver.odometry.frames[1])
        calibration = _calibration(plan, receiver, ego, config)
        write_whole(folder / CALIBRATION_FILE, calibration_text(calibration))
        poses, pose_line = _poses(bag, folder, plan, receiver, ego, config)
        if poses is not None:
            write_whole(folder / POSES_FILE, poses_text(poses))
        write_whole(folder / NOTE_FILE, _note(bag, config, complete=True, left_out=left_out))
        for line in (*_summary(folder, plan, receiver, calibration, config), pose_line, *_left_out(folder, left_out)):
            progress.say(line)


def claim(folder: Path, bag: Bag, plan: Plan, config: ImportConfig) -> None:
    """Make the folders, or find those of an earlier call. Raises ValueError where they are somebody else's."""
    path = folder / NOTE_FILE
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        for name, value in _identity(bag, config).items():
            if before.get(name) != value:
                raise ValueError(
                    f"{folder} holds an import of another recording, or with other settings ({name}: "
                    f"{before.get(name)!r}, now {value!r}): remove it, or choose another --out"
                )
    elif folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} holds something that was not imported: choose another --out")
    (folder / POINTS_FOLDER).mkdir(parents=True, exist_ok=True)
    for camera in plan.cameras:
        (folder / IMAGES_FOLDER / camera.topics.name).mkdir(parents=True, exist_ok=True)
    write_whole(path, _note(bag, config, complete=False, left_out=[]))


def _calibration(plan: Plan, receiver: Receiver, ego: str, config: ImportConfig) -> Calibration:
    found = calibration_of(plan, receiver.frames, ego)
    names = {camera.topics.name for camera in plan.cameras}
    return replace(
        found,
        cameras={name: camera for name, camera in found.cameras.items() if name in names},
        points=PointLayout(
            intensity_max=config.intensity_max or found.points.intensity_max or _intensity_max(receiver),
            compensated=not plan.has_times,
        ),
        keyframes_per_s=config.keyframes_per_s or found.keyframes_per_s,
    )


def _intensity_max(receiver: Receiver) -> float | None:
    """1 and 255 where all sweeps fit; else what 99 % of the points of every sweep keep below, or the largest."""
    tally = receiver.tally
    if not tally.has_intensity:
        return None
    fitting = [scale for scale in (1.0, 255.0) if tally.largest_intensity <= scale]
    return fitting[0] if fitting else float(f"{tally.usual_intensity or tally.largest_intensity:.2g}")


def _poses(
    bag: Bag, folder: Path, plan: Plan, receiver: Receiver, ego: str, config: ImportConfig
) -> tuple[Trajectory | None, str]:
    """The vehicle's poses and a line about them: of the topic asked for, else of tf, else of the only topic."""
    frames, odometry = receiver.frames, receiver.odometry
    if config.odometry is None:
        world = None if config.world_frame is None else frame_name(config.world_frame)
        found = frames.poses(ego, world, bag.path)
        if found is not None:
            return found, f"{len(found)} poses of {ego!r} by tf"
    if not odometry.times_ns:
        return None, (
            f"no poses: neither tf nor one topic of Odometry says how {ego!r} moves (choose with --ego-frame, "
            f"--odometry), or compute them with: lima odometry {folder}"
        )
    poses = trajectory_of(bag.path, odometry.times_ns, odometry.values)
    child = odometry.frames[1]
    if plan.given is None and child not in (ego, ""):
        poses = poses.part(frames.between(child, ego))
    return poses, f"{len(poses)} poses of {ego!r} by {plan.chosen.odometry}"


def _summary(folder: Path, plan: Plan, receiver: Receiver, calibration: Calibration, config: ImportConfig) -> list[str]:
    tally = receiver.tally
    lines = [f"{folder}: {tally.sweeps} sweeps, {tally.pictures} pictures of {len(plan.cameras)} cameras"]
    if tally.without_echo:
        lines.append(f"{tally.without_echo} points without an echo (NaN, infinite or at the origin) were left out")
    scale = calibration.points.intensity_max
    if scale not in (None, 1.0, 255.0) and config.intensity_max is None:
        lines.append(
            f"intensities reach {tally.largest_intensity:g}: {scale:g}, which 99 % of the points of every sweep keep "
            f"below, counts as 1 (--intensity-max)"
        )
    if not calibration.points.compensated:
        lines.append(
            "points have times: reading moves them to their sweep's timestamp (--compensated where the driver has done "
            "that already)"
        )
    lines += [
        f"camera {name} looks up into the sky: is its frame that of a body (x forward) and not of a camera (z forward, "
        f"x right)? Give the right one with --calibration"
        for name in looking_up(calibration)
    ]
    return lines


def _left_out(folder: Path, left_out: Series[str]) -> list[str]:
    if not left_out:
        return []
    lines = [f"{len(left_out)} messages were left out:", *left_out[:LISTED]]
    return lines if len(left_out) <= LISTED else [*lines, f"… all of them are listed in {folder / NOTE_FILE}"]


def _identity(bag: Bag, config: ImportConfig) -> dict[str, Any]:
    files = sorted(bag.path.iterdir()) if bag.path.is_dir() else [bag.path]
    settings = {name: str(value) for name, value in asdict(config).items() if name != "skip_bad"}
    return {"recording": bag.path.name, "bytes": sum(file.stat().st_size for file in files), "settings": settings}


def _note(bag: Bag, config: ImportConfig, complete: bool, left_out: Series[str]) -> str:
    return json.dumps({**_identity(bag, config), "complete": complete, "left_out": list(left_out)}, indent=1)


def _announcement(bag: Bag, folder: Path, plan: Plan) -> str:
    """What will be read, written and left free. Raises ValueError where there is no room for it."""
    topics, chosen = bag.topics, plan.chosen
    size_bytes = topics[chosen.points].messages * plan.sweep_bytes
    size_bytes += sum(topics[camera.topics.images].messages * camera.picture_bytes for camera in plan.cameras)
    room = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free_bytes = shutil.disk_usage(room).free
    there_bytes = sum(path.stat().st_size for path in folder.rglob("*")) if folder.exists() else 0
    if free_bytes < size_bytes - there_bytes:
        raise ValueError(
            f"{bag.path} needs {_gigabytes(size_bytes - there_bytes)}, {room} has {_gigabytes(free_bytes)} left: make "
            f"room, choose another --out, or import without cameras with --no-cameras"
        )
    cameras = [f"{topics[camera.images].messages} pictures of {camera.name} ({camera.images})"
               for camera in chosen.cameras]  # fmt: skip
    return (
        f"{bag.path} into {folder}: {topics[chosen.points].messages} sweeps of {chosen.points} "
        f"({', '.join(plan.fields)}), {', '.join(cameras) or 'no cameras'}; about {_gigabytes(size_bytes)}, "
        f"{_gigabytes(free_bytes)} are free; interrupted, the same command goes on"
    )


def _gigabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.2f} GB" if size_bytes >= 1e8 else f"{size_bytes / 1e6:.1f} MB"
