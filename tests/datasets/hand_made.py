"""A nuScenes dataset small enough to know by heart: two scenes of four keyframes, LiDAR, two cameras and a radar."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

VERSION = "v1.0-mini"
SCENES = ("scene-0061", "scene-0103")
KEYFRAMES = 4
FIRST_US, STEP_US = 1_532_000_000_000_000, 500_000
CHANNELS = ("CAM_BACK", "LIDAR_TOP", "RADAR_FRONT", "CAM_FRONT")  # not in the order that lima gives
WIDTH_PX, HEIGHT_PX = 64, 48
CATEGORIES = {"noise": 0, "animal": 1, "human.pedestrian.adult": 2, "vehicle.car": 17, "flat.sidewalk": 26}

Tables = dict[str, list[dict[str, Any]]]


def token(*words: object) -> str:
    """The same 32 digits for the same words."""
    return hashlib.md5(" ".join(map(str, words)).encode(), usedforsecurity=False).hexdigest()


def sample_token(scene: int, keyframe: int) -> str:
    return token("sample", scene, keyframe)


def data_token(scene: int, keyframe: int, channel: str) -> str:
    return token("data", scene, keyframe, channel)


def quaternion(yaw: float, tilt: float = 0.0) -> list[float]:
    """A turn about z after a small one about x, as (w, x, y, z)."""
    w, z, c, s = math.cos(yaw / 2), math.sin(yaw / 2), math.cos(tilt / 2), math.sin(tilt / 2)
    return [w * c, w * s, z * s, z * c]


def data_file(scene: int, keyframe: int, channel: str) -> str:
    ending = "jpg" if channel.startswith("CAM") else "pcd.bin" if channel == "LIDAR_TOP" else "pcd"
    return f"samples/{channel}/{scene}-{keyframe}.{ending}"


def label_file(scene: int, keyframe: int) -> str:
    return f"lidarseg/{VERSION}/{data_token(scene, keyframe, 'LIDAR_TOP')}_lidarseg.bin"


def tables() -> Tables:
    """Every table of v1.0, in an order of rows that is not that of time."""
    made: Tables = {
        "log": [
            {
                "token": token("log"),
                "logfile": "hand-made",
                "vehicle": "n000",
                "date_captured": "2018-07-19",
                "location": "boston-seaport",
            }
        ],
        "map": [
            {
                "token": token("map"),
                "category": "semantic_prior",
                "filename": "maps/map.png",
                "log_tokens": [token("log")],
            }
        ],
        "attribute": [{"token": token("attribute"), "name": "vehicle.moving", "description": ""}],
        "visibility": [{"token": "1", "level": "v0-40", "description": ""}],
        "category": [
            {"token": token("category", name), "name": name, "description": "", "index": index}
            for name, index in CATEGORIES.items()
        ],
        "sensor": [
            {
                "token": token("sensor", channel),
                "channel": channel,
                "modality": {"C": "camera", "L": "lidar", "R": "radar"}[channel[0]],
            }
            for channel in CHANNELS
        ],
        "scene": [],
        "sample": [],
        "sample_data": [],
        "ego_pose": [],
        "calibrated_sensor": [],
        "instance": [],
        "sample_annotation": [],
        "lidarseg": [],
    }
    for scene, name in enumerate(SCENES):
        made["scene"].append(
            {
                "token": token("scene", scene),
                "name": name,
                "description": 'with, {odd} "words"',
                "log_token": token("log"),
                "nbr_samples": KEYFRAMES,
                "first_sample_token": sample_token(scene, 0),
                "last_sample_token": sample_token(scene, KEYFRAMES - 1),
            }
        )
        _add_calibrations(made, scene)
        for keyframe in reversed(range(KEYFRAMES)):
            _add_keyframe(made, scene, keyframe)
        for number, category in enumerate(("vehicle.car", "human.pedestrian.adult")):
            _add_instance(made, scene, number, category)
    return made


def _add_calibrations(made: Tables, scene: int) -> None:
    turns = {"CAM_FRONT": [0.5, -0.5, 0.5, -0.5], "CAM_BACK": [0.5, -0.5, -0.5, 0.5]}  # z forward, x right; and back
    for number, channel in enumerate(CHANNELS):
        camera = channel in turns
        made["calibrated_sensor"].append(
            {
                "token": token("calibration", scene, channel),
                "sensor_token": token("sensor", channel),
                "translation": [0.1 * number, 0.2 * scene, 1.5 + 0.1 * number],
                "rotation": turns.get(channel, quaternion(-math.pi / 2 + 0.01, 0.02)),
                "camera_intrinsic": [[40.0, 0.0, 31.5], [0.0, 41.0, 23.5], [0.0, 0.0, 1.0]] if camera else [],
            }
        )


def _add_keyframe(made: Tables, scene: int, keyframe: int) -> None:
    time_us = FIRST_US + scene * 60_000_000 + keyframe * STEP_US
    made["sample"].append(
        {
            "token": sample_token(scene, keyframe),
            "timestamp": time_us,
            "scene_token": token("scene", scene),
            "prev": sample_token(scene, keyframe - 1) if keyframe > 0 else "",
            "next": sample_token(scene, keyframe + 1) if keyframe < KEYFRAMES - 1 else "",
        }
    )
    for delay_us, channel in enumerate(CHANNELS):
        for is_key in (True, False):
            own = data_token(scene, keyframe, channel) if is_key else token("sweep", scene, keyframe, channel)
            when_us = time_us + (0 if channel == "LIDAR_TOP" else delay_us * 10_000) + (0 if is_key else 50_000)
            camera = channel.startswith("CAM")
            made["sample_data"].append(
                {
                    "token": own,
                    "sample_token": sample_token(scene, keyframe),
                    "ego_pose_token": token("pose", own),
                    "calibrated_sensor_token": token("calibration", scene, channel),
                    "timestamp": when_us,
                    "fileformat": "jpg" if camera else "pcd",
                    "is_key_frame": is_key,
                    "height": HEIGHT_PX if camera else 0,
                    "width": WIDTH_PX if camera else 0,
                    "filename": data_file(scene, keyframe, channel).replace(
                        "samples", "samples" if is_key else "sweeps"
                    ),
                    "prev": "",
                    "next": "",
                }
            )
            seconds = (when_us - FIRST_US) * 1e-6
            made["ego_pose"].append(
                {
                    "token": token("pose", own),
                    "timestamp": when_us,
                    "rotation": quaternion(0.3 + 0.1 * seconds, 0.01),
                    "translation": [1000.0 + 5.0 * seconds, 2000.0 - 1.0 * seconds, 0.5],
                }
            )
    lidar = data_token(scene, keyframe, "LIDAR_TOP")
    made["lidarseg"].append({"token": lidar, "sample_data_token": lidar, "filename": label_file(scene, keyframe)})


def _add_instance(made: Tables, scene: int, number: int, category: str) -> None:
    """The car is seen in all keyframes, the pedestrian in the first only."""
    seen = KEYFRAMES if number == 0 else 1
    names = [token("annotation", scene, number, keyframe) for keyframe in range(seen)]
    made["instance"].append(
        {
            "token": token("instance", scene, number),
            "category_token": token("category", category),
            "nbr_annotations": seen,
            "first_annotation_token": names[0],
            "last_annotation_token": names[-1],
        }
    )
    for keyframe, name in enumerate(names):
        seconds = keyframe * 0.5 + scene * 60
        made["sample_annotation"].append(
            {
                "token": name,
                "sample_token": sample_token(scene, keyframe),
                "instance_token": token("instance", scene, number),
                "visibility_token": "1",
                "attribute_tokens": [],
                "translation": [1008.0 + 5.0 * seconds + keyframe**2, 2002.0 - seconds, 1.0 + number],
                "size": [1.8, 4.5, 1.6],  # width, length, height
                "rotation": quaternion(0.4 + 0.2 * keyframe),
                "prev": names[keyframe - 1] if keyframe > 0 else "",
                "next": names[keyframe + 1] if keyframe < seen - 1 else "",
                "num_lidar_pts": 1,
                "num_radar_pts": 0,
            }
        )


def points(scene: int, keyframe: int) -> np.ndarray:
    """x, y, z, intensity 0 … 255, ring."""
    rng = np.random.default_rng(100 * scene + keyframe)
    made = rng.uniform((-20, -20, -2, 0, 0), (20, 20, 3, 255, 32), (400, 5)).astype(np.float32)
    made[:, 4] = np.floor(made[:, 4])
    return made


def label_ids(scene: int, keyframe: int) -> np.ndarray:
    rng = np.random.default_rng(7 + 100 * scene + keyframe)
    return rng.choice(np.array(list(CATEGORIES.values()), dtype=np.uint8), 400)


def pixels(scene: int, keyframe: int) -> np.ndarray:
    """A picture of one colour, so that JPEG keeps it."""
    return np.full((HEIGHT_PX, WIDTH_PX, 3), (40 + 100 * scene, 20 * keyframe, 200), dtype=np.uint8)


def write_tables(folder: Path, made: Tables) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in made.items():
        (folder / f"{name}.json").write_text(json.dumps(rows, indent=0))


def write_dataset(root: Path, change: Callable[[Tables], None] | None = None, without: tuple[str, ...] = ()) -> Path:
    """Write the dataset. change: edits the tables first; without: tables that are not written."""
    made = tables()
    if change is not None:
        change(made)
    write_tables(root / VERSION, {name: rows for name, rows in made.items() if name not in without})
    (root / "maps").mkdir()
    Image.fromarray(np.zeros((4, 4), dtype=np.uint8)).save(root / "maps" / "map.png")
    (root / "lidarseg" / VERSION).mkdir(parents=True)
    for channel in CHANNELS:
        (root / "samples" / channel).mkdir(parents=True)
    for scene in range(len(SCENES)):
        for keyframe in range(KEYFRAMES):
            points(scene, keyframe).tofile(root / data_file(scene, keyframe, "LIDAR_TOP"))
            label_ids(scene, keyframe).tofile(root / label_file(scene, keyframe))
            for channel in ("CAM_FRONT", "CAM_BACK"):
                Image.fromarray(pixels(scene, keyframe)).save(root / data_file(scene, keyframe, channel), quality=95)
    return root
