"""Rays through pixels, and which moving triangles a sensor can meet at all: few, so the search tree stays small."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streetsim.kernels import kernel
from streetsim.mesh import Mesh
from streetsim.raycast import part_of

Array = NDArray[np.float64]
TILE_PX = 8
_NEAR_M = 0.3


@kernel("void(i8[::1],i8,f8,f8,f8[:,::1],f8[:,::1],f4[:,::1],f4[:,::1])")
def primary_rays(
    pixels: NDArray[np.int64],
    width: int,
    offset_u: float,
    offset_v: float,
    intrinsics: Array,
    world_from_cam: Array,
    origins: NDArray[np.float32],
    directions: NDArray[np.float32],
) -> None:
    """Write origins and unit directions, in the world, of rays that pass pixels at an offset from their centres."""
    for i in range(len(pixels)):
        x = (pixels[i] % width + offset_u - intrinsics[0, 2]) / intrinsics[0, 0]
        y = (pixels[i] // width + offset_v - intrinsics[1, 2]) / intrinsics[1, 1]
        scale = 1.0 / np.sqrt(x * x + y * y + 1.0)
        for axis in range(3):
            m = world_from_cam[axis]
            origins[i, axis] = m[3]
            directions[i, axis] = (m[0] * x + m[1] * y + m[2]) * scale


@kernel("void(f4[:,::1],i4[:,::1],f8[::1],f8[:,::1],b1[::1])")
def _inside(
    vertices: NDArray[np.float32],
    triangles: NDArray[np.int32],
    apex: Array,
    planes: Array,
    out: NDArray[np.bool_],
) -> None:
    """Mark triangles with a corner on the inner side of all vertical planes (normal x, y, smallest distance)."""
    for t in range(len(triangles)):
        out[t] = False
        for k in range(3):
            x = vertices[triangles[t, k], 0] - apex[0]
            y = vertices[triangles[t, k], 1] - apex[1]
            inside = True
            for p in range(len(planes)):
                if x * planes[p, 0] + y * planes[p, 1] < planes[p, 2]:
                    inside = False
            if inside:
                out[t] = True
                break


def within_wedge(mesh: Mesh, apex_m: Array, heading_rad: float, half_angle_rad: float, margin_m: float) -> Mesh:
    """The triangles inside, or within `margin_m` of, a vertical wedge with its edge at `apex_m`."""
    if half_angle_rad >= np.pi / 2:
        return mesh
    left, right = heading_rad + half_angle_rad, heading_rad - half_angle_rad
    planes = np.array(
        [[np.sin(left), -np.cos(left), -margin_m], [-np.sin(right), np.cos(right), -margin_m]], dtype=np.float64
    )
    keep = np.empty(len(mesh), np.bool_)
    _inside(mesh.vertices_m, mesh.triangles, np.ascontiguousarray(apex_m, dtype=np.float64), planes, keep)
    return part_of(mesh, keep)


@kernel("void(f4[:,::1],i4[:,::1],f8[:,::1],f8[:,::1],u1[:,::1])")
def _mark_tiles(
    vertices: NDArray[np.float32],
    triangles: NDArray[np.int32],
    cam_from_world: Array,
    intrinsics: Array,
    out: NDArray[np.uint8],
) -> None:
    """Mark every tile of the image that the rectangle around a triangle touches."""
    rows, columns = out.shape
    for t in range(len(triangles)):
        u0, v0, u1, v1 = 1e9, 1e9, -1e9, -1e9
        near = 0
        for k in range(3):
            p = triangles[t, k]
            x, y, z = vertices[p, 0], vertices[p, 1], vertices[p, 2]
            m = cam_from_world
            cx = m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]
            cy = m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]
            cz = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
            if cz < _NEAR_M:
                near += 1
                continue
            u = intrinsics[0, 0] * cx / cz + intrinsics[0, 2]
            v = intrinsics[1, 1] * cy / cz + intrinsics[1, 2]
            u0, u1 = min(u0, u), max(u1, u)
            v0, v1 = min(v0, v), max(v1, v)
        if near == 3:
            continue
        if near > 0:  # reaches behind the lens: anywhere in the image
            u0, v0, u1, v1 = 0.0, 0.0, 1e9, 1e9
        first_column, last_column = int(max(u0 - 1, 0) / TILE_PX), int(min(max(u1 + 1, -1), 1e6) / TILE_PX)
        first_row, last_row = int(max(v0 - 1, 0) / TILE_PX), int(min(max(v1 + 1, -1), 1e6) / TILE_PX)
        if u1 < -1 or v1 < -1:
            continue
        for row in range(first_row, min(last_row, rows - 1) + 1):
            for column in range(first_column, min(last_column, columns - 1) + 1):
                out[row, column] = 1


def pixels_with_motion(
    mesh: Mesh, cam_from_world: Array, intrinsics: Array, width_px: int, height_px: int
) -> NDArray[np.bool_]:
    """Bool (height * width,): pixels that may show one of the triangles."""
    tiles = np.zeros((-(-height_px // TILE_PX), -(-width_px // TILE_PX)), np.uint8)
    if len(mesh):
        _mark_tiles(mesh.vertices_m, mesh.triangles, np.ascontiguousarray(cam_from_world), intrinsics, tiles)
    spread = tiles.astype(np.bool_).repeat(TILE_PX, axis=0).repeat(TILE_PX, axis=1)
    return np.ascontiguousarray(spread[:height_px, :width_px]).ravel()
