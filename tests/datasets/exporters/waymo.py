"""A drive as components of the Waymo Open Dataset v2, from its schema and its definition of range images.

Knows nothing of the reader. The cameras of the schema look along x, with y left and z up; 0 is the outer edge of the
first pixel.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from streetsim.semantics import Semantic
from tests.datasets.exporters.drive import Drive, Instant, Picture, inside

SEGMENT = "1005081002024129653_5313_150_5333_150"
CAMERAS = {1: 0, 2: 4, 3: 1, 4: 3, 5: 2}
"""number in the schema: which picture of the instant; front, front left, front right, side left, side right"""
TYPES = {"vehicle": 1, "human": 2, "movable_object": 3}
CLASS_OF_SEMANTIC = {
    Semantic.ROAD: 18, Semantic.PARKING: 18, Semantic.SIDEWALK: 22, Semantic.OTHER_FLAT: 20, Semantic.TERRAIN: 21,
    Semantic.BUILDING: 14, Semantic.FENCE: 14, Semantic.POLE: 10, Semantic.SIGN: 8, Semantic.TRAFFIC_LIGHT: 9,
    Semantic.CROWN: 15, Semantic.TRUNK: 16, Semantic.CONE: 11, Semantic.CAR: 1, Semantic.TRUCK: 2,
    Semantic.BUS_RIGID: 3, Semantic.BUS_BENDY: 3, Semantic.MOTORCYCLE: 13, Semantic.BICYCLE: 12, Semantic.ADULT: 7,
    Semantic.CHILD: 7, Semantic.WORKER: 7, Semantic.BICYCLIST: 6, Semantic.MOTORCYCLIST: 5,
}  # fmt: skip
LIST, TRANSFORM, SHAPE = pa.list_(pa.float32()), pa.list_(pa.float64(), 16), pa.list_(pa.int32(), 3)
KEYS = {"key.segment_context_name": pa.string(), "key.frame_timestamp_micros": pa.int64()}
CAM_FROM_SCHEMA_CAM = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])


def write_segment(
    root: Path,
    drive: Drive,
    split: str = "training",
    name: str = SEGMENT,
    labelled: tuple[int, ...] = (1,),
    distortion: tuple[float, ...] = (0.0,) * 5,
    other_lidars: bool = False,
    rows_in_group: int = 4,
) -> Path:
    """Write `root/<split>/<component>/<name>.parquet` and return `root/<split>`.

    labelled: the instants whose points are labelled. distortion: k1, k2, p1, p2, k3 said of every lens (the pictures
    are written as they are). other_lidars: four more LiDARs, that see what the top one sees, made for the frame's pose.
    """
    folder = root / split
    cameras = {number: place for number, place in CAMERAS.items() if place < len(drive.instants[0].pictures)}
    _write(folder, "vehicle_pose", name, KEYS | {"[VehiclePoseComponent].world_from_vehicle.transform": TRANSFORM}, [
        [name, _micros(instant), instant.world_from_ego.ravel()] for instant in reversed(drive.instants)
    ])  # fmt: skip
    lasers = [1, 2, 3, 4, 5] if other_lidars else [1]
    prefix = "[LiDARCalibrationComponent]."
    _write(
        folder,
        "lidar_calibration",
        name,
        {
            "key.segment_context_name": pa.string(),
            "key.laser_name": pa.int8(),
            f"{prefix}extrinsic.transform": TRANSFORM,
            f"{prefix}beam_inclination.min": pa.float64(),
            f"{prefix}beam_inclination.max": pa.float64(),
            f"{prefix}beam_inclination.values": pa.list_(pa.float64()),
        },
        [[name, laser, drive.ego_from_lidar.ravel(), *_beams(drive, laser)] for laser in lasers],
    )
    _write_cameras(folder, name, drive.instants[0], cameras, distortion)
    images, ranges, poses, labels, boxes = [], [], [], [], []
    for index, instant in enumerate(drive.instants):
        key = [name, _micros(instant)]
        for number in (1, 2, 4, 3, 5):  # the order of the published files
            if number in cameras:
                images.append([*key, number, *_image(instant.pictures[cameras[number]])])
        for laser in lasers:
            pictures = range_images(drive, instant, made_for_frame=laser != 1)
            ranges.append([*key, laser, *_pair([picture["lidar"] for picture in pictures])])
            if laser == 1:
                poses.append([*key, laser, pictures[0]["pose"].ravel(), pictures[0]["pose"].shape])
                if index in labelled:
                    labels.append([*key, laser, *_pair([picture["labels"] for picture in pictures])])
        boxes += [[*key, *box] for box in _boxes(instant)]
    returns = [f"range_image_return{number}.{part}" for number in (1, 2) for part in ("values", "shape")]
    laser_keys = KEYS | {"key.laser_name": pa.int8()}
    types = [LIST, SHAPE, LIST, SHAPE]
    columns = {f"[LiDARComponent].{part}": kind for part, kind in zip(returns, types, strict=True)}
    _write(folder, "lidar", name, laser_keys | columns, ranges, rows_in_group)
    columns = {f"[LiDARPoseComponent].{part}": kind for part, kind in zip(returns[:2], types[:2], strict=True)}
    _write(folder, "lidar_pose", name, laser_keys | columns, poses, rows_in_group)
    whole = [pa.list_(pa.int32()), SHAPE] * 2
    columns = {f"[LiDARSegmentationLabelComponent].{part}": kind for part, kind in zip(returns, whole, strict=True)}
    if labels:
        _write(folder, "lidar_segmentation", name, laser_keys | columns, labels, rows_in_group)
    prefix = "[CameraImageComponent]."
    columns = {
        f"{prefix}image": pa.binary(),
        f"{prefix}pose.transform": TRANSFORM,
        f"{prefix}pose_timestamp": pa.float64(),
    }
    _write(folder, "camera_image", name, KEYS | {"key.camera_name": pa.int8()} | columns, images, rows_in_group)
    prefix = "[LiDARBoxComponent]."
    numbers = [f"box.{what}.{axis}" for what in ("center", "size") for axis in "xyz"] + ["box.heading"]
    columns = {f"{prefix}{part}": pa.float64() for part in numbers} | {f"{prefix}type": pa.int8()}
    _write(folder, "lidar_box", name, KEYS | {"key.laser_object_id": pa.string()} | columns, boxes)
    return folder


def range_images(drive: Drive, instant: Instant, made_for_frame: bool = False) -> list[dict[str, np.ndarray]]:
    """First and second return: every point in the pixel that its direction falls into, the nearer one first.

    made_for_frame: as if all had been measured from the frame's own pose. A third point of a pixel is lost.
    """
    rows, columns = len(drive.elevations_rad), drive.columns
    points = _measured(drive, instant, made_for_frame)
    distance = np.linalg.norm(points, axis=1)
    # column 0 ends straight behind the vehicle, on its left; columns go on clockwise: over the left to the front
    yaw = np.arctan2(drive.ego_from_lidar[1, 0], drive.ego_from_lidar[0, 0])
    azimuth = (np.arctan2(points[:, 1], points[:, 0]) + yaw + np.pi) % (2 * np.pi) - np.pi
    column = np.floor((np.pi - azimuth) / (2 * np.pi) * columns).astype(int) % columns
    row = rows - 1 - instant.ring
    if made_for_frame:  # beams are an even fan
        lowest, highest = drive.elevations_rad[[0, -1]]
        beam = np.floor((np.arcsin(points[:, 2] / distance) - lowest) / (highest - lowest) * rows).astype(int)
        row = rows - 1 - np.clip(beam, 0, rows - 1)
    pictures = []
    for _ in range(2):
        lidar = np.zeros((rows, columns, 4), np.float32)
        lidar[..., 0], lidar[..., 3] = -1, -1
        pose = np.zeros((rows, columns, 6), np.float32)
        labels = np.zeros((rows, columns, 2), np.int32)
        source = np.full((rows, columns), -1)
        pictures.append({"lidar": lidar, "pose": pose, "labels": labels, "source": source})
    for point in np.argsort(distance, kind="stable"):
        place = row[point], column[point]
        free = [picture for picture in pictures if picture["source"][place] < 0]
        if not free:
            continue
        free[0]["source"][place] = point
        free[0]["lidar"][place] = distance[point], np.arctanh(min(instant.intensity[point], 0.999)), 0, -1
        free[0]["labels"][place] = 77, CLASS_OF_SEMANTIC.get(Semantic(instant.semantic[point]), 0)
        if free[0] is pictures[0]:
            free[0]["pose"][place] = instant.fired_from[point]
    return pictures


def _measured(drive: Drive, instant: Instant, made_for_frame: bool) -> np.ndarray:
    """Every point in the LiDAR's frame, from where the vehicle was when it was measured."""
    poses = np.tile(instant.world_from_ego, (len(instant.points_world), 1, 1))
    if not made_for_frame:
        roll, pitch, yaw = instant.fired_from[:, :3].T
        one, zero = np.ones_like(yaw), np.zeros_like(yaw)
        about_x = [[one, zero, zero], [zero, np.cos(roll), -np.sin(roll)], [zero, np.sin(roll), np.cos(roll)]]
        about_y = [[np.cos(pitch), zero, np.sin(pitch)], [zero, one, zero], [-np.sin(pitch), zero, np.cos(pitch)]]
        about_z = [[np.cos(yaw), -np.sin(yaw), zero], [np.sin(yaw), np.cos(yaw), zero], [zero, zero, one]]
        turns = [np.moveaxis(np.array(matrix), -1, 0) for matrix in (about_z, about_y, about_x)]
        poses[:, :3, :3] = turns[0] @ turns[1] @ turns[2]
        poses[:, :3, 3] = instant.fired_from[:, 3:]
    lidar_from_world = np.linalg.inv(poses @ drive.ego_from_lidar)
    return np.einsum("nij,nj->ni", lidar_from_world[:, :3, :3], instant.points_world) + lidar_from_world[:, :3, 3]


def _beams(drive: Drive, laser: int) -> list[object]:
    """min, max, values: the others of a set are given by their ends alone."""
    beams = drive.elevations_rad
    if laser == 1:
        return [beams[0], beams[-1], beams]
    return [beams[0], beams[-1], None]


def _boxes(instant: Instant) -> list[list[object]]:
    ego_from_world = np.linalg.inv(instant.world_from_ego)
    rows = []
    for thing in instant.things:
        forward = ego_from_world[:3, :3] @ thing.rotation[:, 0]
        centre = inside(thing.centre_m[None], ego_from_world)[0]
        heading = float(np.arctan2(forward[1], forward[0]))
        rows.append([f"thing-{thing.instance}", *centre, *thing.size_m, heading, TYPES[thing.category.split(".")[0]]])
    return rows


def _image(picture: Picture) -> list[object]:
    buffer = io.BytesIO()
    Image.fromarray(picture.pixels).save(buffer, "jpeg", quality=98, subsampling=0)
    return [buffer.getvalue(), picture.world_from_ego.ravel(), picture.time_ns * 1e-9]


def _write_cameras(
    folder: Path, name: str, instant: Instant, cameras: dict[int, int], distortion: tuple[float, ...]
) -> None:
    prefix = "[CameraCalibrationComponent]."
    lens = ["f_u", "f_v", "c_u", "c_v", "k1", "k2", "p1", "p2", "k3"]
    columns = {"key.segment_context_name": pa.string(), "key.camera_name": pa.int8()}
    columns |= {f"{prefix}intrinsic.{part}": pa.float64() for part in lens}
    columns |= {f"{prefix}extrinsic.transform": TRANSFORM, f"{prefix}width": pa.int32(), f"{prefix}height": pa.int32()}
    rows = []
    for number, place in cameras.items():
        picture = instant.pictures[place]
        k, (height, width, _) = picture.intrinsics, picture.pixels.shape
        extrinsic = picture.ego_from_cam @ CAM_FROM_SCHEMA_CAM
        edge = [k[0, 2] + 0.5, k[1, 2] + 0.5]
        rows.append([name, number, k[0, 0], k[1, 1], *edge, *distortion, extrinsic.ravel(), width, height])
    _write(folder, "camera_calibration", name, columns, rows)


def _pair(pictures: list[np.ndarray]) -> list[object]:
    return [part for picture in pictures for part in (picture.ravel(), picture.shape)]


def _micros(instant: Instant) -> int:
    return instant.time_ns // 1000


def _write(
    folder: Path, component: str, name: str, columns: dict[str, pa.DataType], rows: list[list[object]], group: int = 100
) -> None:
    (folder / component).mkdir(parents=True, exist_ok=True)
    arrays = [pa.array([_plain(row[place]) for row in rows], kind) for place, kind in enumerate(columns.values())]
    table = pa.table(arrays, schema=pa.schema(list(columns.items())))
    pq.write_table(table, folder / component / f"{name}.parquet", row_group_size=group, compression="brotli")


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
