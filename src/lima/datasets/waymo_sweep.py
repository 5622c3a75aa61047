"""The sweep of a Waymo frame, and its labels: range images to points."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor

from lima.datasets.range_image import points_from_range_image, rings
from lima.datasets.waymo_calibration import LASER
from lima.datasets.waymo_segment import Segment
from lima.geometry.rigid import RigidTransform
from lima.scene import Sweep

LASERS = {"TOP": 1, "FRONT": 2, "SIDE_LEFT": 3, "SIDE_RIGHT": 4, "REAR": 5}
TOP = LASERS["TOP"]
CLASS_NAMES = (
    "ignored",
    "car",
    "truck",
    "bus",
    "other_vehicle",
    "motorcyclist",
    "bicyclist",
    "pedestrian",
    "sign",
    "traffic_light",
    "pole",
    "construction_cone",
    "bicycle",
    "motorcycle",
    "building",
    "vegetation",
    "tree_trunk",
    "curb",
    "road",
    "lane_marker",
    "other_ground",
    "walkable",
    "sidewalk",
)
"""in the order of Waymo's numbers; 0 is undefined"""

Held = list[tuple[int, Bool[np.ndarray, "rows columns"]]]
"""returns of the top LiDAR, and which of their pixels hold a point"""


def read_sweep(segment: Segment, time_us: int, lasers: tuple[int, ...], returns: tuple[int, ...]) -> tuple[Sweep, Held]:
    """A turn of these LiDARs, the top one first.

    Points are in the top LiDAR's frame at the pose of the frame. Intensities are tanh of the raw numbers, which have no
    limit: what Waymo's authors advise. Raises FileNotFoundError, PermissionError, ValueError naming the file.
    """
    path = segment.path("lidar")
    world_from_ego = segment.world_from_ego(time_us)
    points: list[Float64[np.ndarray, "_ 3"]] = []
    intensities: list[Float32[np.ndarray, "_"]] = []
    beams: list[Int64[np.ndarray, "_"]] = []
    held_of_top: Held = []
    for laser in lasers:
        for which in returns:
            image = segment.range_image("lidar", time_us, laser, which)
            if image is None and which == 1:
                raise ValueError(f"{path} has no range image of LiDAR {laser} in frame {time_us}, one was expected")
            if image is None:
                continue
            where = f"{path}, return {which} of LiDAR {laser} in frame {time_us}"
            points_ego, held = _points(segment, image, time_us, laser, world_from_ego, where)
            points.append(points_ego)
            intensities.append(np.tanh(image[..., 1][held].astype(np.float32)))
            beams.append(rings(held))
            if laser == TOP:
                held_of_top.append((which, held))
    together = torch.from_numpy(np.concatenate(points))
    if len(together) == 0:
        raise ValueError(f"{path} has no point in frame {time_us}, at least one range above 0 was expected")
    ego_from_lidar = segment.lidar(TOP).ego_from_lidar
    sweep = Sweep(
        points_lidar=ego_from_lidar.inverse().apply(together).float(),
        intensity=torch.from_numpy(np.concatenate(intensities)),
        timestamp_ns=time_us * 1000,
        ego_from_lidar=ego_from_lidar,
        world_from_ego=world_from_ego,
        ring=torch.from_numpy(np.concatenate(beams)) if lasers == (TOP,) else None,
    )
    return sweep, held_of_top


def _points(
    segment: Segment,
    image: Float32[np.ndarray, "rows columns 4"],
    time_us: int,
    laser: int,
    world_from_ego: RigidTransform,
    where: str,
) -> tuple[Float64[np.ndarray, "points 3"], Bool[np.ndarray, "rows columns"]]:
    """The points of a range image in the vehicle's frame, and which pixels hold them."""
    bad = ~np.isfinite(image[..., :2]).all(axis=2)
    if bad.any():
        row, column = np.argwhere(bad)[0].tolist()
        raise ValueError(
            f"{where}: {int(bad.sum())} of {bad.size} pixels are NaN or infinite, the first in row {row}, column "
            f"{column}: {image[row, column].tolist()}; finite numbers were expected"
        )
    calibration = segment.lidar(laser)
    inclinations_rad = calibration.inclinations_rad(len(image), where)
    if laser != TOP:  # made for the pose of the frame already
        return points_from_range_image(image[..., 0], inclinations_rad, calibration.ego_from_lidar)
    poses = segment.range_image("lidar_pose", time_us, TOP, 1)
    poses_file = segment.path("lidar_pose")
    if poses is None:
        if not poses_file.exists():
            raise FileNotFoundError(
                f"{poses_file} is missing: without the poses of its pixels a turn of the top LiDAR is bent by the "
                f"vehicle's motion; download component lidar_pose"
            )
        raise ValueError(f"{poses_file} has no poses of LiDAR {TOP} in frame {time_us}, they were expected")
    if poses.shape[:2] != image.shape[:2]:
        raise ValueError(
            f"{poses_file}: the poses of frame {time_us} are for {poses.shape[:2]} pixels, its range image has "
            f"{image.shape[:2]}: of another segment?"
        )
    if not np.isfinite(poses[image[..., 0] > 0]).all():
        raise ValueError(f"{poses_file}: poses of frame {time_us} are NaN or infinite, finite ones were expected")
    return points_from_range_image(
        image[..., 0], inclinations_rad, calibration.ego_from_lidar, poses, world_from_ego.inverse()
    )


def has_labels(segment: Segment, time_us: int) -> bool:
    """Whether the frame is one of those whose points are labelled."""
    return segment.has("lidar_segmentation") and (time_us, TOP) in segment.rows("lidar_segmentation", LASER)


def read_labels(segment: Segment, time_us: int, held: Held, points: int) -> Int64[Tensor, "points"]:
    """The class of every point of the sweep, as position in `CLASS_NAMES`.

    held: as `read_sweep` gave it. Returns and LiDARs without labels are 0. Raises ValueError naming the file.
    """
    path = segment.path("lidar_segmentation")
    labels = np.zeros(points, dtype=np.int64)
    first = 0
    for which, of_return in held:
        image = segment.range_image("lidar_segmentation", time_us, TOP, which)
        count = int(of_return.sum())
        if image is not None:
            if image.shape[:2] != of_return.shape:
                raise ValueError(
                    f"{path}: the labels of frame {time_us} are for {image.shape[:2]} pixels, its range image has "
                    f"{of_return.shape}: of another segment?"
                )
            labels[first : first + count] = image[..., 1][of_return]  # channel 0 numbers the things
        first += count
    unknown = sorted(set(labels[(labels < 0) | (labels >= len(CLASS_NAMES))].tolist()))
    if unknown:
        raise ValueError(f"{path}: frame {time_us} has labels {unknown[:8]}, 0 … {len(CLASS_NAMES) - 1} was expected")
    return torch.from_numpy(labels)
