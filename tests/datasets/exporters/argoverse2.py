"""A drive as an Argoverse 2 log, from the description of the sensor dataset. Knows nothing of the reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial.transform import Rotation

from tests.datasets.exporters.drive import Drive, Instant, inside, write_jpeg

LOG = "0f257f79-1111-3a3a-9cbb-a4d8d2ba1111"
RING = (
    "ring_front_center",
    "ring_front_right",
    "ring_side_right",
    "ring_rear_right",
    "ring_rear_left",
    "ring_side_left",
    "ring_front_left",
)
CATEGORIES = {
    "vehicle.car": "REGULAR_VEHICLE",
    "vehicle.truck": "BOX_TRUCK",
    "vehicle.trailer": "VEHICULAR_TRAILER",
    "vehicle.construction": "LARGE_VEHICLE",
    "vehicle.bus.rigid": "BUS",
    "vehicle.bus.bendy": "ARTICULATED_BUS",
    "vehicle.bicycle": "BICYCLE",
    "vehicle.motorcycle": "MOTORCYCLE",
    "human.pedestrian.adult": "PEDESTRIAN",
    "human.pedestrian.child": "PEDESTRIAN",
    "human.pedestrian.construction_worker": "OFFICIAL_SIGNALER",
    "movable_object.trafficcone": "CONSTRUCTION_CONE",
    "movable_object.barrier": "CONSTRUCTION_BARREL",
    "movable_object.pushable_pullable": "STROLLER",
}
POSE = ["qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m"]


def write_log(root: Path, drive: Drive, split: str = "val", log: str = LOG, annotated: bool = True) -> Path:
    """Write `root/sensor/<split>/<log>` and return it. Cameras have an image more before and after every instant."""
    folder = root / "sensor" / split / log
    (folder / "calibration").mkdir(parents=True)
    (folder / "sensors" / "lidar").mkdir(parents=True)
    cameras = RING[: len(drive.instants[0].pictures)]
    first = drive.instants[0].pictures
    extrinsics = {name: picture.ego_from_cam for name, picture in zip(cameras, first, strict=True)}
    hanging = drive.ego_from_lidar.copy()
    hanging[:3, :3] = drive.ego_from_lidar[:3, :3] @ np.diag([1.0, -1.0, -1.0])
    extrinsics |= {"up_lidar": drive.ego_from_lidar, "down_lidar": hanging}
    _feather(
        folder / "calibration" / "egovehicle_SE3_sensor.feather",
        {"sensor_name": list(extrinsics)}, list(extrinsics.values()),
    )  # fmt: skip
    lenses = [(picture.intrinsics, picture.pixels.shape) for picture in first]
    pd.DataFrame(
        {
            "sensor_name": cameras,
            "fx_px": [k[0, 0] for k, _ in lenses],
            "fy_px": [k[1, 1] for k, _ in lenses],
            "cx_px": [k[0, 2] for k, _ in lenses],
            "cy_px": [k[1, 2] for k, _ in lenses],
            "k1": -0.24,
            "k2": -0.21,
            "k3": 0.32,
            "height_px": np.array([shape[0] for _, shape in lenses], np.uint16),
            "width_px": np.array([shape[1] for _, shape in lenses], np.uint16),
        }
    ).to_feather(folder / "calibration" / "intrinsics.feather")
    poses: dict[int, np.ndarray] = {}
    boxes = []
    for instant in drive.instants:
        poses[instant.time_ns] = instant.world_from_ego
        _write_sweep(folder / "sensors" / "lidar" / f"{instant.time_ns}.feather", instant)
        for name, picture in zip(cameras, instant.pictures, strict=True):
            for shift_ns in (-50_000_000, 0, 50_000_000):
                time_ns = picture.time_ns + shift_ns
                poses[time_ns] = picture.world_from_ego
                pixels = picture.pixels if shift_ns == 0 else np.zeros_like(picture.pixels)
                write_jpeg(pixels, folder / "sensors" / "cameras" / name / f"{time_ns}.jpg")
        boxes += _boxes(instant)
    _feather(folder / "city_SE3_egovehicle.feather", {"timestamp_ns": list(poses)}, list(poses.values()))
    if annotated:
        pd.DataFrame(boxes).to_feather(folder / "annotations.feather")
    return folder


def _write_sweep(file: Path, instant: Instant) -> None:
    points = inside(instant.points_world, np.linalg.inv(instant.world_from_ego)).astype(np.float16)
    table = {axis: points[:, place] for place, axis in enumerate("xyz")}
    table["intensity"] = np.round(instant.intensity * 255).astype(np.uint8)
    table["laser_number"] = instant.ring.astype(np.uint8)
    table["offset_ns"] = np.zeros(len(points), np.int32)
    pd.DataFrame(table).to_feather(file)


def _boxes(instant: Instant) -> list[dict[str, object]]:
    ego_from_world = np.linalg.inv(instant.world_from_ego)
    rows = []
    for thing in instant.things:
        x, y, z, w = Rotation.from_matrix(ego_from_world[:3, :3] @ thing.rotation).as_quat()
        centre = inside(thing.centre_m[None], ego_from_world)[0]
        names = ("length_m", "width_m", "height_m", "qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m")
        numbers = dict(zip(names, (*thing.size_m, w, x, y, z, *centre), strict=True))
        about = {"timestamp_ns": instant.time_ns, "track_uuid": f"track-{thing.instance}"}
        rows.append(about | {"category": CATEGORIES[thing.category]} | numbers | {"num_interior_pts": 1})
    return rows


def _feather(file: Path, columns: dict[str, list[object]], transforms: list[np.ndarray]) -> None:
    for column, values in zip(POSE, np.array([_pose(transform) for transform in transforms]).T, strict=True):
        columns[column] = list(values)
    pd.DataFrame(columns).to_feather(file)


def _pose(transform: np.ndarray) -> list[float]:
    x, y, z, w = Rotation.from_matrix(transform[:3, :3]).as_quat()
    return [w, x, y, z, *transform[:3, 3]]
