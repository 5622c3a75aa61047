"""Range images: a turn of the LiDAR as a picture, one row per beam, one column per direction; and the points in it.

The definition is that of the Waymo Open Dataset. Rows begin with the highest beam. Columns go clockwise seen from above
and cover the full turn, the first one beginning straight behind the vehicle: the directions are those of the vehicle,
so that the sensor's own yaw is taken off. Every pixel may have been measured from another pose of the vehicle.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64

from lima.geometry.rigid import RigidTransform


def uniform_inclinations(lowest_rad: float, highest_rad: float, rows: int) -> Float64[np.ndarray, "rows"]:
    """Of beams that are evenly spaced, from the lowest up: `rows` equal steps, each beam in the middle of its step."""
    return lowest_rad + (np.arange(rows) + 0.5) / rows * (highest_rad - lowest_rad)


def column_azimuths(columns: int, ego_from_lidar: RigidTransform) -> Float64[np.ndarray, "columns"]:
    """Direction of every column about the LiDAR's z axis, in radians from its x axis; the middle of the pixel."""
    share = (columns - np.arange(columns) - 0.5) / columns
    yaw_rad = np.arctan2(float(ego_from_lidar.rotation[1, 0]), float(ego_from_lidar.rotation[0, 0]))
    return (2 * share - 1) * np.pi - yaw_rad


def points_from_range_image(
    range_m: Float32[np.ndarray, "rows columns"],
    inclinations_rad: Float64[np.ndarray, "rows"],
    ego_from_lidar: RigidTransform,
    pixel_poses: Float[np.ndarray, "rows columns 6"] | None = None,
    ego_from_world: RigidTransform | None = None,
) -> tuple[Float64[np.ndarray, "points 3"], Bool[np.ndarray, "rows columns"]]:
    """The points in the vehicle's frame, in reading order, and which pixels hold one (those with a range above 0).

    inclinations_rad: of the beams, from the lowest up. pixel_poses: roll, pitch, yaw in radians and x, y, z in metres,
    world from vehicle when the pixel was measured; None where the image has been made for one pose of the vehicle.
    ego_from_world: of the frame, which the points are moved to; goes with pixel_poses.
    """
    held = range_m > 0
    row, column = np.nonzero(held)
    distance_m = range_m[row, column].astype(np.float64)
    inclination, azimuth = inclinations_rad[::-1], column_azimuths(range_m.shape[1], ego_from_lidar)
    along = distance_m * np.cos(inclination)[row]
    points_lidar = np.stack(
        [along * np.cos(azimuth)[column], along * np.sin(azimuth)[column], distance_m * np.sin(inclination)[row]],
        axis=1,
    )
    points_then = ego_from_lidar.apply(torch.from_numpy(points_lidar)).numpy()
    if pixel_poses is None:
        return points_then, held
    if ego_from_world is None:
        raise ValueError("poses of pixels need the pose of the frame that their points are moved to")
    points_world = _moved(points_then, pixel_poses[row, column].astype(np.float64))
    return ego_from_world.apply(torch.from_numpy(points_world)).numpy(), held


def _moved(points: Float64[np.ndarray, "points 3"], poses: Float64[np.ndarray, "points 6"]) -> np.ndarray:
    """Every point by its own pose: turned by roll about x, then by pitch about y, then by yaw about z, then moved."""
    (roll, pitch, yaw), shift_m = poses[:, :3].T, poses[:, 3:]
    x, y, z = points.T
    y, z = np.cos(roll) * y - np.sin(roll) * z, np.sin(roll) * y + np.cos(roll) * z
    x, z = np.cos(pitch) * x + np.sin(pitch) * z, np.cos(pitch) * z - np.sin(pitch) * x
    x, y = np.cos(yaw) * x - np.sin(yaw) * y, np.sin(yaw) * x + np.cos(yaw) * y
    return np.stack([x, y, z], axis=1) + shift_m


def rings(held: Bool[np.ndarray, "rows columns"]) -> Int64[np.ndarray, "points"]:
    """The number of the beam of every point, from the lowest up."""
    return len(held) - 1 - np.nonzero(held)[0].astype(np.int64)
