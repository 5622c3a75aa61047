"""A drive as PandaSet's files, from the devkit's description of them. Knows nothing of the reader.

Points, cuboids and cameras stand in the world; the vehicle's axes are x right, y forward, z up.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial.transform import Rotation

from streetsim.semantics import Semantic
from tests.datasets.exporters.drive import Drive, Instant, inside, write_jpeg

CAMERAS = ("front_camera", "front_right_camera", "right_camera", "back_camera", "left_camera", "front_left_camera")
LABELS = [
    "Smoke", "Exhaust", "Spray or rain", "Reflection", "Vegetation", "Ground", "Road", "Lane Line Marking",
    "Stop Line Marking", "Other Road Marking", "Sidewalk", "Driveway", "Car", "Pickup Truck", "Medium-sized Truck",
    "Semi-truck", "Towed Object", "Motorcycle", "Other Vehicle - Construction Vehicle", "Other Vehicle - Uncommon",
    "Other Vehicle - Pedicab", "Emergency Vehicle", "Bus", "Personal Mobility Device", "Motorized Scooter", "Bicycle",
    "Train", "Trolley", "Tram / Subway", "Pedestrian", "Pedestrian with Object", "Animals - Bird", "Animals - Other",
    "Pylons", "Road Barriers", "Signs", "Cones", "Construction Signs", "Temporary Construction Barriers",
    "Rolling Containers", "Building", "Other Static Object",
]  # fmt: skip
_LABEL_OF_SEMANTIC = {
    Semantic.ROAD: "Road",
    Semantic.PARKING: "Ground",
    Semantic.SIDEWALK: "Sidewalk",
    Semantic.OTHER_FLAT: "Driveway",
    Semantic.TERRAIN: "Ground",
    Semantic.SIGN: "Signs",
    Semantic.CROWN: "Vegetation",
    Semantic.TRUNK: "Vegetation",
    Semantic.BARRIER: "Temporary Construction Barriers",
    Semantic.CONE: "Cones",
    Semantic.CAR: "Car",
    Semantic.TRUCK: "Semi-truck",
    Semantic.BUS_RIGID: "Bus",
    Semantic.BUS_BENDY: "Bus",
    Semantic.TRAILER: "Towed Object",
    Semantic.CONSTRUCTION: "Other Vehicle - Construction Vehicle",
    Semantic.MOTORCYCLE: "Motorcycle",
    Semantic.BICYCLE: "Bicycle",
    Semantic.ADULT: "Pedestrian",
    Semantic.CHILD: "Pedestrian",
    Semantic.WORKER: "Pedestrian with Object",
    Semantic.BICYCLIST: "Bicycle",
    Semantic.MOTORCYCLIST: "Motorcycle",
    Semantic.PUSHABLE: "Rolling Containers",
    Semantic.AMBULANCE: "Emergency Vehicle",
    Semantic.POLICE_CAR: "Emergency Vehicle",
}
LABEL_OF_SEMANTIC = {semantic: _LABEL_OF_SEMANTIC.get(semantic, "Other Static Object") for semantic in Semantic}
RIGHT_FORWARD_UP = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""columns: PandaSet's axes in ours; right is minus left"""


def forward_lidar(drive: Drive, index: int) -> np.ndarray:
    """Which points the forward LiDAR is said to have measured: those of every second ring within 30 degrees ahead."""
    instant = drive.instants[index]
    points = inside(instant.points_world, np.linalg.inv(instant.world_from_ego))
    ahead = np.abs(np.arctan2(points[:, 1], points[:, 0])) < np.radians(30)
    return ahead & (instant.ring % 2 == 1)


def write_drive(
    root: Path, drive: Drive, name: str = "002", latitude_deg: float = 37.77, labelled: bool = True, boxed: bool = True
) -> Path:
    """Write `root/<name>` and return it."""
    folder = root / name
    for part in ("lidar", "meta", "annotations/cuboids", "annotations/semseg"):
        (folder / part).mkdir(parents=True)
    instants = drive.instants
    poses = []
    for instant in instants:
        pose = instant.world_from_ego.copy()
        pose[:3, :3] = instant.world_from_ego[:3, :3] @ RIGHT_FORWARD_UP
        poses.append(pose)
    _sensor(folder / "lidar", [instant.time_ns for instant in instants], poses)
    _json(folder / "meta" / "gps.json", [{"lat": latitude_deg, "long": -122.4, "height": 3.0}] * len(instants))
    _json(folder / "meta" / "timestamps.json", [instant.time_ns * 1e-9 for instant in instants])
    for number, camera in enumerate(CAMERAS[: len(instants[0].pictures)]):
        pictures = [instant.pictures[number] for instant in instants]
        place = folder / "camera" / camera
        for index, picture in enumerate(pictures):
            write_jpeg(picture.pixels, place / f"{index:02d}.jpg")
        k = pictures[0].intrinsics
        _json(place / "intrinsics.json", {"fx": k[0, 0], "fy": k[1, 1], "cx": k[0, 2], "cy": k[1, 2]})
        _sensor(
            place, [picture.time_ns for picture in pictures],
            [picture.world_from_ego @ picture.ego_from_cam for picture in pictures],
        )  # fmt: skip
    for index, instant in enumerate(instants):
        points = {axis: instant.points_world[:, place] for place, axis in enumerate("xyz")}
        points["i"] = np.round(instant.intensity * 255).astype(np.float64)
        points["t"] = np.full(len(instant.points_world), instant.time_ns * 1e-9)
        points["d"] = forward_lidar(drive, index).astype(np.int64)
        write_pickle(points, folder / "lidar" / f"{index:02d}.pkl.gz")
        numbers = np.array([LABELS.index(LABEL_OF_SEMANTIC[Semantic(value)]) + 1 for value in instant.semantic])
        if labelled:
            write_pickle({"class": numbers}, folder / "annotations" / "semseg" / f"{index:02d}.pkl.gz")
        if boxed:
            write_pickle(_cuboids(instant), folder / "annotations" / "cuboids" / f"{index:02d}.pkl.gz")
    if labelled:
        _json(folder / "annotations/semseg/classes.json", {str(n): name for n, name in enumerate(LABELS, start=1)})
    for part, there in (("semseg", labelled), ("cuboids", boxed)):
        if not there:
            (folder / "annotations" / part).rmdir()
    return folder


def write_pickle(columns: dict[str, object], file: Path) -> None:
    """As pandas writes tables whose texts are Python's, which all of PandaSet's are."""
    table = pd.DataFrame({name: pd.Series(list(values) if isinstance(values, list) else values, dtype=_type(values))
                          for name, values in columns.items()})  # fmt: skip
    table.columns = table.columns.astype(object)
    table.to_pickle(file)


def _type(values: object) -> type | None:
    return object if isinstance(values, list) and isinstance(next(iter(values), ""), str) else None


def _cuboids(instant: Instant) -> dict[str, object]:
    things = instant.things
    heading = [np.arctan2(thing.rotation[1, 0], thing.rotation[0, 0]) for thing in things]
    columns: dict[str, object] = {
        "uuid": [f"thing-{thing.instance}" for thing in things],
        "label": [thing.category for thing in things],
        "yaw": np.array(heading) - np.pi / 2,
        "stationary": np.full(len(things), False),
        "camera_used": np.full(len(things), -1),
    }
    for place, axis in enumerate("xyz"):
        columns[f"position.{axis}"] = np.array([thing.centre_m[place] for thing in things])
    for axis, place in (("x", 1), ("y", 0), ("z", 2)):  # x is the width, y the length
        columns[f"dimensions.{axis}"] = np.array([thing.size_m[place] for thing in things])
    columns["cuboids.sensor_id"] = np.array([(-1, 0, 1)[thing.instance % 3] for thing in things])
    return columns


def _sensor(folder: Path, times_ns: list[int], world_from_sensor: list[np.ndarray]) -> None:
    _json(folder / "timestamps.json", [time_ns * 1e-9 for time_ns in times_ns])
    rows = []
    for pose in world_from_sensor:
        x, y, z, w = Rotation.from_matrix(pose[:3, :3]).as_quat().tolist()
        position = dict(zip("xyz", pose[:3, 3].tolist(), strict=True))
        rows.append({"position": position, "heading": {"w": w, "x": x, "y": y, "z": z}})
    _json(folder / "poses.json", rows)


def _json(file: Path, what: object) -> None:
    file.write_text(json.dumps(what))
