"""What a vehicle saw, for exporters to write: a short simulated drive, and one made by hand. Knows no format."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from streetsim.rigs import CameraMount, LidarMount, Rig
from streetsim.semantics import Semantic
from tests.conftest import shared_between_workers

STEP_NS = 100_000_000
FIRST_NS = 1_560_000_000_000_000_000  # in all formats a time of 19 digits


@dataclass(frozen=True, eq=False)
class Picture:
    """What one camera saw. Cameras have x right, y down, z forward; (0, 0) is the middle of the first pixel."""

    time_ns: int
    pixels: np.ndarray
    intrinsics: np.ndarray
    ego_from_cam: np.ndarray
    world_from_ego: np.ndarray


@dataclass(frozen=True, eq=False)
class Thing:
    """An annotated box in the world. size: along its own x, y, z."""

    instance: int
    category: str
    centre_m: np.ndarray
    size_m: np.ndarray
    rotation: np.ndarray


@dataclass(frozen=True, eq=False)
class Instant:
    """One turn of the LiDAR and the pictures around it; the vehicle has x forward, y left, z up.

    points_world: with the vehicle's motion taken out. ring: from the lowest up. fired_from: roll, pitch, yaw, x, y, z
    of the vehicle in the world when every point was measured. semantic: `Semantic`. pictures: one for every camera.
    """

    time_ns: int
    world_from_ego: np.ndarray
    points_world: np.ndarray
    intensity: np.ndarray
    ring: np.ndarray
    fired_from: np.ndarray
    semantic: np.ndarray
    pictures: tuple[Picture, ...]
    things: tuple[Thing, ...]


@dataclass(frozen=True, eq=False)
class Drive:
    """Some instants, a tenth of a second apart. elevations_rad: of the beams, from the lowest up."""

    ego_from_lidar: np.ndarray
    elevations_rad: np.ndarray
    columns: int
    instants: tuple[Instant, ...]


def inside(points: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """Points after a homogeneous matrix."""
    return points @ transform[:3, :3].T + transform[:3, 3]


def simulated_drive(tmp_path_factory: pytest.TempPathFactory) -> Drive:
    """Three instants of a simulated drive, seven small cameras; made once per run of the tests."""
    folder, lock = shared_between_workers(tmp_path_factory, "simulated_drive")
    file = folder / "drive.pkl"
    with lock:
        if not file.exists():
            folder.mkdir(exist_ok=True)
            file.write_bytes(pickle.dumps(record(_rig())))
    drive: Drive = pickle.loads(file.read_bytes())
    return drive


def record(rig: Rig) -> Drive:
    """Three instants of a simulated drive, in flat light."""
    from streetsim.recording import Recording

    recording = Recording(rig, "downtown", "clear", 5, keyframes=3, sweeps=0, samples_per_pixel=0)
    lidar = rig.lidar.ego_from_lidar()
    ego = recording.scenario.ego
    instants = []
    for index in range(3):
        keyframe = recording.keyframe(index)
        scan, world_from_ego = keyframe.scan, ego.pose(keyframe.time_s)
        fired_s = keyframe.time_s + scan.time_s.astype(np.float64)
        yaw, pitch, roll = (np.interp(fired_s, ego.times_s, angle) for angle in ego.angles_rad.T)
        position = [np.interp(fired_s, ego.times_s, axis) for axis in ego.positions_m.T]
        instants.append(
            Instant(
                time_ns=FIRST_NS + index * STEP_NS,
                world_from_ego=world_from_ego,
                points_world=inside(scan.points_lidar.astype(np.float64), world_from_ego @ lidar),
                intensity=scan.intensity / 255,
                ring=scan.ring.astype(np.int64),
                fired_from=np.stack([roll, pitch, yaw, *position], axis=1),
                semantic=scan.semantic,
                pictures=tuple(
                    Picture(
                        time_ns=FIRST_NS + round(shot.time_s * 1e9),
                        pixels=shot.picture.pixels,
                        intrinsics=shot.mount.intrinsics(),
                        ego_from_cam=shot.mount.ego_from_cam(),
                        world_from_ego=ego.pose(shot.time_s),
                    )
                    for shot in keyframe.shots
                ),
                things=tuple(
                    Thing(each.box.instance, each.box.category, each.box.centre_m, each.box.size_m, each.box.rotation)
                    for each in keyframe.annotations
                ),
            )
        )
    return Drive(lidar, np.radians(rig.lidar.elevations_deg), rig.lidar.columns, tuple(instants))


def _rig() -> Rig:
    lidar = LidarMount(
        name="LIDAR",
        position_m=(1.35, 0.05, 1.9),
        yaw_deg=148.0,
        elevations_deg=(*np.linspace(-18, -3, 12).round(3).tolist(), *np.linspace(-2.5, 3, 12).round(3).tolist()),
        columns=900,
        turn_s=(-0.05, 0.05),
        first_azimuth_deg=180.0,
        max_range_m=75.0,
        range_noise_m=0.01,
    )
    cameras = tuple(
        CameraMount(f"C{number}", (1.5, 0.1, 1.6), -number * 360 / 7, 70.0, 96, 64, trigger_s=0.004 * (number - 3))
        for number in range(7)
    )
    return Rig("seven", lidar, cameras, keyframes_per_s=10.0)


def hand_made_drive(points: int = 60) -> Drive:
    """Three instants, two cameras of 32 x 24 pixels, two things; no simulator."""
    rng = np.random.default_rng(3)
    lidar = np.eye(4)
    lidar[:3, 3] = 1.0, 0.0, 1.8
    elevations_rad = np.radians([-10.0, -5.0, 0.0, 5.0])
    return Drive(lidar, elevations_rad, 90, tuple(_instant(index, points, rng) for index in range(3)))


def _instant(index: int, points: int, rng: np.random.Generator) -> Instant:
    pose = np.eye(4)
    pose[:3, 3] = 100 + 0.5 * index, 200, 1
    points_ego = rng.uniform((-20, -20, 0), (20, 20, 4), (points, 3))
    forward = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    pictures = []
    for number in range(2):
        turn = np.eye(4)
        turn[:3, :3] = np.diag([1 - 2 * number, 1 - 2 * number, 1]) @ forward
        turn[:3, 3] = 1.5 - number, 0, 1.6
        pixels = np.full((24, 32, 3), (60 * index, 100, 200 - 90 * number), np.uint8)
        intrinsics = np.array([[30.0, 0, 15.5], [0, 31.0, 11.5], [0, 0, 1]])
        pictures.append(Picture(FIRST_NS + index * STEP_NS + 5_000_000 * number, pixels, intrinsics, turn, pose))
    things = []
    for number, category in enumerate(("vehicle.car", "human.pedestrian.adult")):
        centre = pose[:3, 3] + (8.0 + index * 0.2, 3.0 * number, 1.0)
        things.append(Thing(number + 1, category, centre, np.array([4.0, 2.0, 1.5]) / (1 + 3 * number), np.eye(3)))
    return Instant(
        time_ns=FIRST_NS + index * STEP_NS,
        world_from_ego=pose,
        points_world=inside(points_ego, pose),
        intensity=rng.uniform(0, 1, points).astype(np.float32),
        ring=rng.integers(0, 4, points),
        fired_from=np.tile([0, 0, 0, *pose[:3, 3]], (points, 1)),
        semantic=rng.choice([Semantic.ROAD, Semantic.CAR, Semantic.BUILDING], points).astype(np.uint8),
        pictures=tuple(pictures),
        things=tuple(things),
    )


def velocity_by_hand(drive: Drive, index: int, instance: int) -> np.ndarray:
    """Of a thing: from where it is before to where it is after, or from and to now at the ends; NaN if seen once."""
    seen = {}
    for place, instant in enumerate(drive.instants):
        for thing in instant.things:
            if thing.instance == instance:
                seen[place] = thing.centre_m
    first = index - 1 if index - 1 in seen else index
    last = index + 1 if index + 1 in seen else index
    if first == last:
        return np.full(3, np.nan)
    return (seen[last] - seen[first]) / ((last - first) * STEP_NS * 1e-9)


def write_jpeg(pixels: np.ndarray, path: Path) -> None:
    """As near to the pixels as JPEG gets."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=98, subsampling=0)
