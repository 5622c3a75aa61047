"""What no recording can tell: which point a camera really sees, depth and class of every pixel, scene flow.

One file per keyframe, `exact/<scene>/<index>.npz`, described in docs/simulator.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streetsim.camera import Picture
from streetsim.lidar import Scan
from streetsim.raycast import World
from streetsim.rigs import CameraMount
from streetsim.scenario import ThingBox
from streetsim.semantics import NUSCENES_FROM_SEMANTIC

Poses = Mapping[int, NDArray[np.float64]]
SKY_CLASS = 255
_LIFT_M = 0.03  # a nearer surface hides a point only if it is nearer by this much, and a thousandth of the distance
_LIMB_M = 0.3  # people move their limbs: their own surface may be met this much earlier or later


@dataclass(frozen=True, eq=False)
class CameraAnswers:
    """Of one picture: general nuScenes class (255 sky), instance (0 none) and depth in metres (0 sky) per pixel.

    seen: bool (points,), whether the camera sees the surface that each LiDAR point lies on.
    """

    classes: NDArray[np.uint8]
    instances: NDArray[np.uint16]
    depth_m: NDArray[np.float32]
    seen: NDArray[np.bool_]


def thing_poses(boxes: Sequence[ThingBox]) -> dict[int, NDArray[np.float64]]:
    """(4, 4) world_from_thing of every annotated thing."""
    poses = {}
    for box in boxes:
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = box.rotation, box.centre_m
        poses[box.instance] = pose
    return poses


def carried(
    points_m: NDArray[np.float64], instance: NDArray[np.int32], before: Poses, after: Poses
) -> NDArray[np.float64]:
    """World points moved with the things they lie on from their poses before to those after; others stay."""
    moved = points_m.copy()
    for thing in np.unique(instance[instance > 0]):
        if thing not in before or thing not in after or np.array_equal(before[thing], after[thing]):
            continue
        rows = instance == thing
        step = after[thing] @ np.linalg.inv(before[thing])
        moved[rows] = points_m[rows] @ step[:3, :3].T + step[:3, 3]
    return moved


def in_view(
    points_m: NDArray[np.float64], mount: CameraMount, world_from_cam: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which world points project into the image."""
    points_cam = (points_m - world_from_cam[:3, 3]) @ world_from_cam[:3, :3]
    k = mount.intrinsics()
    depth_m = np.maximum(points_cam[:, 2], 0.1)
    u = points_cam[:, 0] / depth_m * k[0, 0] + k[0, 2]
    v = points_cam[:, 1] / depth_m * k[1, 1] + k[1, 2]
    inside = (u >= -0.5) & (u < mount.width_px - 0.5) & (v >= -0.5) & (v < mount.height_px - 0.5)
    return inside & (points_cam[:, 2] > 0.1)


def unhidden(
    world: World, eye_m: NDArray[np.float64], points_m: NDArray[np.float64], instance: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Which surface points nothing hides from the eye. `instance`: the thing that each point lies on."""
    if len(points_m) == 0:
        return np.zeros(0, np.bool_)
    rays = points_m - eye_m
    distance_m = np.linalg.norm(rays, axis=1)
    directions = np.ascontiguousarray(rays / distance_m[:, None], dtype=np.float32)
    origins = np.ascontiguousarray(np.broadcast_to(eye_m, directions.shape), dtype=np.float32)
    hits = world.nearest(origins, directions)
    first_m = np.where(hits.triangle >= 0, hits.distance_m, np.inf)
    owner = world.per_triangle("instance", hits.triangle, 0)
    same = (instance > 0) & (owner == instance)
    free: NDArray[np.bool_] = first_m > distance_m - np.where(same, _LIMB_M, _LIFT_M + 0.001 * distance_m)
    return free


def camera_answers(
    world: World,
    mount: CameraMount,
    world_from_cam: NDArray[np.float64],
    picture: Picture,
    surface_m: NDArray[np.float64],
    scan: Scan,
) -> CameraAnswers:
    """The exact answers of one picture; `surface_m` are the scan's surface points at the time of the picture.

    No camera sees the droplets that sent a LiDAR's pulse back.
    """
    triangle = picture.triangle.ravel()
    semantic = world.per_triangle("semantic", triangle, -1)
    classes = np.where(semantic >= 0, NUSCENES_FROM_SEMANTIC[semantic], SKY_CLASS).astype(np.uint8)
    instances = world.per_triangle("instance", triangle, 0).astype(np.uint16)
    seen = in_view(surface_m, mount, world_from_cam) & scan.on_surface
    rows = np.flatnonzero(seen)
    seen[rows] = unhidden(world, world_from_cam[:3, 3], surface_m[rows], scan.instance[rows])
    shape = picture.triangle.shape
    return CameraAnswers(classes.reshape(shape), instances.reshape(shape), picture.depth_m, seen)


def write_exact(file: Path, scan: Scan, cameras: Mapping[str, CameraAnswers], flow_m: NDArray[np.float64]) -> None:
    """Write the answers of one keyframe."""
    arrays: dict[str, NDArray[np.generic]] = {
        "cameras": np.array(list(cameras)),
        "seen": np.stack([answers.seen for answers in cameras.values()]),
        "time_s": scan.time_s,
        "instance": scan.instance,
        "flow_m": flow_m.astype(np.float32),
    }
    for name, answers in cameras.items():
        arrays[f"{name}_class"] = answers.classes
        arrays[f"{name}_instance"] = answers.instances
        arrays[f"{name}_depth_cm"] = np.minimum(np.round(answers.depth_m * 100), 65535).astype(np.uint16)
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
