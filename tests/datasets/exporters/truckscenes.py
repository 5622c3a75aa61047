"""A drive as MAN TruckScenes's files, from its schema (nuScenes's tables, .pcd files). Knows nothing of the reader.

The drive's second instant is written as sweeps between two keyframes. Time is told by how far the vehicle has come, at
a steady 10 m/s: where it was when a point was fired is known, when that was is not.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from tests.datasets.exporters.drive import Drive, write_jpeg

VERSION = "v1.2-mini"
SCENE = "scene-b13542304b244af585a646082c57a079-1"
CAMERAS = ("CAMERA_LEFT_FRONT", "CAMERA_LEFT_BACK", "CAMERA_RIGHT_FRONT", "CAMERA_RIGHT_BACK")
MOUNTS = {  # place, and turns in degrees about z, y, x
    "LIDAR_LEFT": ((2.0, 1.3, 2.6), (90.0, 0.0, 20.0)),
    "LIDAR_RIGHT": ((2.0, -1.3, 2.6), (-90.0, 0.0, 20.0)),
    "LIDAR_TOP_FRONT": ((3.1, 0.1, 3.2), (0.0, 35.0, 0.0)),
}
UTM_M = np.array([604_000.0, 5_790_000.0, 0.0])
"""from the drive's world to TruckScenes's"""
FIRST_US = 1_695_473_372_000_000
SPEED_MPS = 10.0
LATE_US = {"LIDAR_LEFT": 0, "LIDAR_RIGHT": 3_000, "LIDAR_TOP_FRONT": -2_000}
KEYFRAMES = (0, 2)


@dataclass(frozen=True, eq=False)
class Motion:
    """Where the vehicle was at every microsecond: roll, pitch, yaw (radians), x, y, z."""

    times_us: np.ndarray
    poses: np.ndarray

    @staticmethod
    def of(drive: Drive) -> Motion:
        every = np.concatenate([instant.fired_from for instant in drive.instants])
        times_us = _times_us(drive, every[:, 3:])
        times_us, rows = np.unique(times_us, return_index=True)
        return Motion(times_us, every[rows])

    def at(self, time_us: int) -> np.ndarray:
        """world_from_ego."""
        return self.many(np.array([time_us]))[0]

    def many(self, times_us: np.ndarray) -> np.ndarray:
        """world_from_ego at many times."""
        rows = np.stack([np.interp(times_us, self.times_us, column) for column in self.poses.T], axis=1)
        poses = np.tile(np.eye(4), (len(rows), 1, 1))
        poses[:, :3, :3] = Rotation.from_euler("xyz", rows[:, :3]).as_matrix()
        poses[:, :3, 3] = rows[:, 3:] + UTM_M
        return poses


def _times_us(drive: Drive, places_m: np.ndarray) -> np.ndarray:
    first_m, last_m = (drive.instants[place].world_from_ego[:3, 3] for place in (0, -1))
    ahead = (last_m - first_m) / np.linalg.norm(last_m - first_m)
    return FIRST_US + np.round((places_m - first_m) @ ahead / SPEED_MPS * 1e6).astype(np.int64)


def ego_from_lidar(channel: str) -> np.ndarray:
    place, turns = MOUNTS[channel]
    mount = np.eye(4)
    mount[:3, :3] = Rotation.from_euler("zyx", turns, degrees=True).as_matrix()
    mount[:3, 3] = place
    return mount


def time_us(drive: Drive, index: int) -> int:
    """Of an instant."""
    return int(_times_us(drive, drive.instants[index].world_from_ego[None, :3, 3])[0])


def dealt(drive: Drive, index: int, channel: str) -> np.ndarray:
    """Which points of an instant that LiDAR has measured."""
    return np.arange(list(MOUNTS).index(channel), len(drive.instants[index].points_world), len(MOUNTS))


def export(drive: Drive, root: Path) -> Path:
    """Write the drive as a version of TruckScenes."""
    motion = Motion.of(drive)
    tables = _tables(drive)
    steady = np.arange(motion.times_us[0], motion.times_us[-1], 5_000)  # the vehicle's own poses, 200 a second
    for number in steady.tolist():
        _add_pose(tables, motion, f"track {number}", number)
    for index in range(len(drive.instants)):
        place = "samples" if index in KEYFRAMES else "sweeps"
        for channel in MOUNTS:
            when_us = time_us(drive, index) + LATE_US[channel]
            name = f"{place}/{channel}/{channel}_{when_us}.pcd"
            _write_pcd(root / name, *_raw(drive, motion, index, channel))
            _add_data(tables, motion, drive, index, channel, when_us, name)
        for channel, picture in zip(CAMERAS, drive.instants[index].pictures, strict=False):
            when_us = int(_times_us(drive, picture.world_from_ego[None, :3, 3])[0])
            name = f"{place}/{channel}/{channel}_{when_us}.jpg"
            write_jpeg(picture.pixels, root / name)
            height, width = picture.pixels.shape[:2]
            _add_data(tables, motion, drive, index, channel, when_us, name, (width, height))
    (root / VERSION).mkdir(parents=True, exist_ok=True)
    for table, rows in tables.items():
        (root / VERSION / f"{table}.json").write_text(json.dumps(rows, indent=0))
    return root


def _raw(drive: Drive, motion: Motion, index: int, channel: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points as that LiDAR measured them, each in its own frame of that moment; intensities; microseconds."""
    instant, rows = drive.instants[index], dealt(drive, index, channel)
    times_us = _times_us(drive, instant.fired_from[rows, 3:])
    lidar_from_world = np.linalg.inv(motion.many(times_us) @ ego_from_lidar(channel))
    points_world = instant.points_world[rows] + UTM_M
    raw = np.einsum("pij,pj->pi", lidar_from_world[:, :3, :3], points_world) + lidar_from_world[:, :3, 3]
    return raw, instant.intensity[rows] * 255, times_us


def _write_pcd(path: Path, xyz_m: np.ndarray, intensity: np.ndarray, times_us: np.ndarray) -> None:
    """With two beams that did not come back, at the sensor and nowhere."""
    record = np.zeros(len(xyz_m) + 2, dtype=[*((axis, "<f4") for axis in "xyz"), ("i", "<f4"), ("t", "<u8")])
    for place, axis in enumerate("xyz"):
        record[axis][1:-1] = xyz_m[:, place]
        record[axis][-1] = np.nan
    record["i"][1:-1], record["t"][1:-1], record["t"][[0, -1]] = intensity, times_us, times_us[0]
    head = (
        "# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\nFIELDS x y z intensity timestamp\n"
        f"SIZE 4 4 4 4 8\nTYPE F F F F U\nCOUNT 1 1 1 1 1\nWIDTH {len(record)}\nHEIGHT 1\n"
        f"VIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(record)}\nDATA binary\n"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head.encode() + record.tobytes())


def token(*words: object) -> str:
    return hashlib.md5(" ".join(map(str, words)).encode(), usedforsecurity=False).hexdigest()


def wxyz(rotation: np.ndarray) -> list[float]:
    x, y, z, w = Rotation.from_matrix(rotation).as_quat()
    return [w, x, y, z]


def _add_pose(tables: dict[str, list[Any]], motion: Motion, name: str, when_us: int) -> None:
    pose = motion.at(when_us)
    tables["ego_pose"].append(
        {
            "token": token("pose", name),
            "timestamp": when_us,
            "rotation": wxyz(pose[:3, :3]),
            "translation": pose[:3, 3].tolist(),
        }
    )


def _add_data(
    tables: dict[str, list[Any]],
    motion: Motion,
    drive: Drive,
    index: int,
    channel: str,
    when_us: int,
    filename: str,
    size_px: tuple[int, int] = (0, 0),
) -> None:
    _add_pose(tables, motion, filename, when_us)
    following = next(keyframe for keyframe in KEYFRAMES if keyframe >= index)
    tables["sample_data"].append(
        {
            "token": token("data", filename),
            "sample_token": token("sample", following),
            "ego_pose_token": token("pose", filename),
            "calibrated_sensor_token": token("calibration", channel),
            "timestamp": when_us,
            "fileformat": filename[-3:],
            "is_key_frame": index in KEYFRAMES,
            "height": size_px[1],
            "width": size_px[0],
            "filename": filename,
            "prev": "",
            "next": "",
        }
    )


def _tables(drive: Drive) -> dict[str, list[Any]]:
    samples = [token("sample", index) for index in KEYFRAMES]
    pictures = drive.instants[0].pictures
    categories = sorted({thing.category for instant in drive.instants for thing in instant.things})
    tables: dict[str, list[Any]] = {
        "scene": [
            {
                "token": token("scene"),
                "name": SCENE,
                "description": "weather.clear;area.city",
                "log_token": "",
                "nbr_samples": len(samples),
                "first_sample_token": samples[0],
                "last_sample_token": samples[-1],
            }
        ],
        "sample": [
            {
                "token": own,
                "timestamp": time_us(drive, index) + 1_000,
                "scene_token": token("scene"),
                "prev": samples[place - 1] if place else "",
                "next": samples[place + 1] if place + 1 < len(samples) else "",
            }
            for place, (index, own) in enumerate(zip(KEYFRAMES, samples, strict=True))
        ],
        "sensor": [
            {
                "token": token("sensor", channel),
                "channel": channel,
                "modality": "camera" if channel in CAMERAS else channel.split("_")[0].lower(),
            }
            for channel in ("RADAR_LEFT_BACK", *CAMERAS, *MOUNTS)
        ],
        "calibrated_sensor": [
            *(_calibration(channel, ego_from_lidar(channel), []) for channel in MOUNTS),
            *(
                _calibration(channel, picture.ego_from_cam, picture.intrinsics.tolist())
                for channel, picture in zip(CAMERAS, pictures, strict=False)
            ),
        ],
        "category": [
            {"token": token("category", name), "name": name, "description": "", "index": number}
            for number, name in enumerate([*categories, "vehicle.ego_trailer", "static_object.traffic_sign"])
        ],
        "visibility": [{"token": "4", "level": "v80-100", "description": ""}],
        "sample_data": [],
        "ego_pose": [],
        "instance": [],
        "sample_annotation": [],
        "attribute": [],
        "ego_motion_cabin": [],
        "ego_motion_chassis": [],
    }
    _add_boxes(tables, drive)
    return tables


def _calibration(channel: str, ego_from_sensor: np.ndarray, intrinsics: list[Any]) -> dict[str, Any]:
    return {
        "token": token("calibration", channel),
        "sensor_token": token("sensor", channel),
        "translation": ego_from_sensor[:3, 3].tolist(),
        "rotation": wxyz(ego_from_sensor[:3, :3]),
        "camera_intrinsic": intrinsics,
    }


def _add_boxes(tables: dict[str, list[Any]], drive: Drive) -> None:
    seen = {index: {thing.instance: thing for thing in drive.instants[index].things} for index in KEYFRAMES}
    for instance in sorted({number for things in seen.values() for number in things}):
        own = [index for index in KEYFRAMES if instance in seen[index]]
        names = [token("annotation", instance, index) for index in own]
        tables["instance"].append(
            {
                "token": token("instance", instance),
                "category_token": token("category", seen[own[0]][instance].category),
                "nbr_annotations": len(own),
                "first_annotation_token": names[0],
                "last_annotation_token": names[-1],
            }
        )
        for place, index in enumerate(own):
            thing = seen[index][instance]
            tables["sample_annotation"].append(
                {
                    "token": names[place],
                    "sample_token": token("sample", index),
                    "instance_token": token("instance", instance),
                    "visibility_token": "4",
                    "attribute_tokens": [],
                    "translation": (thing.centre_m + UTM_M).tolist(),
                    "size": [thing.size_m[1], thing.size_m[0], thing.size_m[2]],  # width, length, height
                    "rotation": wxyz(thing.rotation),
                    "num_lidar_pts": 1,
                    "num_radar_pts": 0,
                    "prev": names[place - 1] if place else "",
                    "next": names[place + 1] if place + 1 < len(own) else "",
                }
            )
