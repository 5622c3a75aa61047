"""The tables of nuScenes v1.0: linked records, scene by scene, and the files that they are written to."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streetsim.recording import Annotation
from streetsim.rigs import Rig
from streetsim.semantics import NUSCENES_CATEGORIES

Record = dict[str, Any]

MAP_ORIGIN_M = np.array([250.0, 250.0, 0.0])
"""Added to world coordinates: maps of nuScenes have positive coordinates only."""

ATTRIBUTES = (
    "vehicle.moving",
    "vehicle.stopped",
    "vehicle.parked",
    "cycle.with_rider",
    "cycle.without_rider",
    "pedestrian.sitting_lying_down",
    "pedestrian.standing",
    "pedestrian.moving",
)
VISIBILITIES = ("v0-40", "v40-60", "v60-80", "v80-100")
PER_SCENE = (
    "scene",
    "log",
    "map",
    "sample",
    "sample_data",
    "ego_pose",
    "calibrated_sensor",
    "sample_annotation",
    "instance",
    "lidarseg",
)


def token(*parts: object) -> str:
    """The 32 hexadecimal digits that stand for a record, the same in every run."""
    return hashlib.md5("/".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()


def quaternion(rotation: NDArray[np.float64]) -> list[float]:
    """(w, x, y, z) with w >= 0 of a rotation matrix (Shepperd's method)."""
    diagonal = np.array([np.trace(rotation), *np.diag(rotation)])
    largest = int(np.argmax(diagonal))
    if largest == 0:
        q = np.array(
            [
                1 + diagonal[0],
                rotation[2, 1] - rotation[1, 2],
                rotation[0, 2] - rotation[2, 0],
                rotation[1, 0] - rotation[0, 1],
            ]
        )
    else:
        i = largest - 1
        j, k = (i + 1) % 3, (i + 2) % 3
        q = np.empty(4)
        q[0] = rotation[k, j] - rotation[j, k]
        q[1 + i] = 1 + rotation[i, i] - rotation[j, j] - rotation[k, k]
        q[1 + j] = rotation[j, i] + rotation[i, j]
        q[1 + k] = rotation[k, i] + rotation[i, k]
    q = q / np.linalg.norm(q)
    return [float(value) for value in (q if q[0] >= 0 else -q)]


class SceneTables:
    """The records of one scene, linked as they are added in the order of time.

    Tokens come from its name and its recording's `identity`: drives of two simulations share none, the same drive
    simulated twice has the same.
    """

    def __init__(
        self, name: str, identity: str, rig: Rig, keyframes: int, description: str, location: str, logfile: str
    ) -> None:
        self._scene = token(name, identity)
        self.records: dict[str, list[Record]] = {table: [] for table in PER_SCENE}
        self._last_data: dict[str, Record] = {}
        self._last_annotation: dict[int, Record] = {}
        self._instances: dict[int, Record] = {}
        self.samples = [token(self._scene, "sample", index) for index in range(keyframes)]
        log_token, map_token = token(self._scene, "log"), token(self._scene, "map")
        self.map_file = f"maps/{map_token}.png"
        self.records["log"].append(
            {
                "token": log_token,
                "logfile": logfile,
                "vehicle": "sim",
                "date_captured": "2018-07-18",
                "location": location,
            }
        )
        self.records["map"].append(
            {"token": map_token, "category": "semantic_prior", "filename": self.map_file, "log_tokens": [log_token]}
        )
        self.records["scene"].append(
            {
                "token": token(self._scene, "scene"),
                "log_token": log_token,
                "nbr_samples": keyframes,
                "first_sample_token": self.samples[0],
                "last_sample_token": self.samples[-1],
                "name": name,
                "description": description,
            }
        )
        self._add_calibration(rig.lidar.name, rig.lidar.ego_from_lidar(), [])
        for camera in rig.cameras:
            self._add_calibration(camera.name, camera.ego_from_cam(), camera.intrinsics().tolist())

    def _add_calibration(
        self, channel: str, ego_from_sensor: NDArray[np.float64], intrinsics: list[list[float]]
    ) -> None:
        self.records["calibrated_sensor"].append(
            {
                "token": token(self._scene, "calibration", channel),
                "sensor_token": token("sensor", channel),
                "translation": ego_from_sensor[:3, 3].tolist(),
                "rotation": quaternion(ego_from_sensor[:3, :3]),
                "camera_intrinsic": intrinsics,
            }
        )

    def add_sample(self, index: int, timestamp_us: int) -> None:
        """A keyframe."""
        self.records["sample"].append(
            {
                "token": self.samples[index],
                "timestamp": timestamp_us,
                "prev": self.samples[index - 1] if index else "",
                "next": self.samples[index + 1] if index + 1 < len(self.samples) else "",
                "scene_token": token(self._scene, "scene"),
            }
        )

    def add_data(
        self,
        channel: str,
        timestamp_us: int,
        filename: str,
        world_from_ego: NDArray[np.float64],
        sample: int,
        is_key_frame: bool,
        size_px: tuple[int, int] = (0, 0),
    ) -> str:
        """A file of a sensor with the pose of the vehicle at its time; returns its token. `size_px`: width, height."""
        data_token = token(self._scene, "data", channel, timestamp_us)
        pose_token = token(self._scene, "pose", channel, timestamp_us)
        self.records["ego_pose"].append(
            {
                "token": pose_token,
                "timestamp": timestamp_us,
                "rotation": quaternion(world_from_ego[:3, :3]),
                "translation": (world_from_ego[:3, 3] + MAP_ORIGIN_M).tolist(),
            }
        )
        before = self._last_data.get(channel)
        record = {
            "token": data_token,
            "sample_token": self.samples[sample],
            "ego_pose_token": pose_token,
            "calibrated_sensor_token": token(self._scene, "calibration", channel),
            "timestamp": timestamp_us,
            "fileformat": "jpg" if filename.endswith(".jpg") else "pcd",
            "is_key_frame": is_key_frame,
            "height": size_px[1],
            "width": size_px[0],
            "filename": filename,
            "prev": before["token"] if before else "",
            "next": "",
        }
        if before:
            before["next"] = data_token
        self._last_data[channel] = record
        self.records["sample_data"].append(record)
        return data_token

    def add_labels(self, data_token: str, filename: str) -> None:
        """The classes of a keyframe's points."""
        self.records["lidarseg"].append({"token": data_token, "sample_data_token": data_token, "filename": filename})

    def add_annotation(self, annotation: Annotation, index: int) -> None:
        """A box in keyframe `index`."""
        box = annotation.box
        instance_token = token(self._scene, "instance", box.instance)
        annotation_token = token(self._scene, "annotation", box.instance, index)
        level = 1 + int(np.clip((annotation.visible_share - 0.2) / 0.2, 0, 3))
        before = self._last_annotation.get(box.instance)
        record = {
            "token": annotation_token,
            "sample_token": self.samples[index],
            "instance_token": instance_token,
            "visibility_token": str(level),
            "attribute_tokens": [token("attribute", box.attribute)] if box.attribute else [],
            "translation": (box.centre_m + MAP_ORIGIN_M).tolist(),
            "size": [float(box.size_m[1]), float(box.size_m[0]), float(box.size_m[2])],  # width, length, height
            "rotation": quaternion(box.rotation),
            "prev": before["token"] if before else "",
            "next": "",
            "num_lidar_pts": annotation.points,
            "num_radar_pts": 0,
        }
        if before:
            before["next"] = annotation_token
        self._last_annotation[box.instance] = record
        self.records["sample_annotation"].append(record)
        if box.instance not in self._instances:
            self._instances[box.instance] = {
                "token": instance_token,
                "category_token": token("category", box.category),
                "nbr_annotations": 0,
                "first_annotation_token": annotation_token,
                "last_annotation_token": "",
            }
            self.records["instance"].append(self._instances[box.instance])
        self._instances[box.instance]["nbr_annotations"] += 1
        self._instances[box.instance]["last_annotation_token"] = annotation_token


def write_tables(folder: Path, scenes: Sequence[Mapping[str, list[Record]]], rig: Rig, split: Record) -> None:
    """Write all tables and `splits.json` (scene names by split) into the version folder, each file in one go."""
    tables: dict[str, Any] = {table: [record for scene in scenes for record in scene[table]] for table in PER_SCENE}
    channels = [(rig.lidar.name, "lidar"), *((camera.name, "camera") for camera in rig.cameras)]
    tables["sensor"] = [
        {"token": token("sensor", channel), "channel": channel, "modality": modality} for channel, modality in channels
    ]
    tables["category"] = [
        {"token": token("category", name), "name": name, "description": "", "index": index}
        for index, name in enumerate(NUSCENES_CATEGORIES)
    ]
    tables["attribute"] = [{"token": token("attribute", name), "name": name, "description": ""} for name in ATTRIBUTES]
    tables["visibility"] = [
        {"token": str(number + 1), "level": level, "description": ""} for number, level in enumerate(VISIBILITIES)
    ]
    tables["splits"] = split
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in tables.items():
        write_json(folder / f"{name}.json", content)


def write_json(file: Path, content: Any) -> None:
    """Write a file beside its place and move it there, so that it is never seen half written."""
    beside = file.with_name(file.name + ".partial")
    beside.write_text(json.dumps(content, indent=0) + "\n", encoding="utf-8")
    os.replace(beside, file)
