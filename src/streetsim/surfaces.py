"""What a ray finds where it ends: normals, texture coordinates, material. One kernel for cameras and LiDAR."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streetsim.kernels import kernel
from streetsim.mesh import Mesh
from streetsim.raycast import Hits, World

Float32 = NDArray[np.float32]
NO_MATERIAL = 255


@dataclass(frozen=True, eq=False)
class SurfacePoints:
    """Surfaces at the ends of rays; rows of rays that met nothing keep `NO_MATERIAL`.

    normals: (rays, 3) smooth, world, turned towards the ray. face_normals: (rays, 3) of the flat triangle, turned
    towards the ray. local: (rays, 6) texture coordinates and face normal in their frame. material: uint8.
    object_row: int32, the object's parameters.
    """

    normals: Float32
    face_normals: Float32
    local: NDArray[np.float64]
    material: NDArray[np.uint8]
    object_row: NDArray[np.int32]


@kernel(
    "void(i4[::1],f4[::1],f4[::1],f4[:,::1],i8,"
    "f4[:,::1],f4[:,::1],f4[:,::1],i4[:,::1],u1[::1],i4[::1],"
    "f4[:,::1],f4[:,::1],f8[:,::1],u1[::1],i4[::1])"
)
def _gather(
    triangle: NDArray[np.int32],
    u: Float32,
    v: Float32,
    directions: Float32,
    first: int,
    vertices: Float32,
    vertex_normals: Float32,
    vertex_local: Float32,
    corners: NDArray[np.int32],
    materials: NDArray[np.uint8],
    rows: NDArray[np.int32],
    normals: Float32,
    face_normals: Float32,
    local: NDArray[np.float64],
    material: NDArray[np.uint8],
    object_row: NDArray[np.int32],
) -> None:
    """Fill the rows of rays that ended on one of the triangles numbered from `first` on."""
    for i in range(len(triangle)):
        t = triangle[i] - first
        if t < 0 or t >= len(corners):
            continue
        a, b, c = corners[t, 0], corners[t, 1], corners[t, 2]
        w1 = u[i]
        w2 = v[i]
        w0 = 1 - w1 - w2
        dx, dy, dz = directions[i, 0], directions[i, 1], directions[i, 2]
        for frame in range(2):  # the flat normal, in the world and in the frame of the texture
            points = vertices if frame == 0 else vertex_local
            e1x, e1y, e1z = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
            e2x, e2y, e2z = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
            x = e1y * e2z - e1z * e2y
            y = e1z * e2x - e1x * e2z
            z = e1x * e2y - e1y * e2x
            scale = 1.0 / math.sqrt(x * x + y * y + z * z + 1e-30)
            if frame == 0:
                if x * dx + y * dy + z * dz > 0:
                    scale = -scale
                face_normals[i, 0], face_normals[i, 1], face_normals[i, 2] = x * scale, y * scale, z * scale
            else:
                local[i, 3], local[i, 4], local[i, 5] = x * scale, y * scale, z * scale
        for axis in range(3):
            local[i, axis] = vertex_local[a, axis] * w0 + vertex_local[b, axis] * w1 + vertex_local[c, axis] * w2
        nx = vertex_normals[a, 0] * w0 + vertex_normals[b, 0] * w1 + vertex_normals[c, 0] * w2
        ny = vertex_normals[a, 1] * w0 + vertex_normals[b, 1] * w1 + vertex_normals[c, 1] * w2
        nz = vertex_normals[a, 2] * w0 + vertex_normals[b, 2] * w1 + vertex_normals[c, 2] * w2
        scale = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz + 1e-20)
        if (nx * dx + ny * dy + nz * dz) * scale > 0.05:
            scale = -scale
        normals[i, 0], normals[i, 1], normals[i, 2] = nx * scale, ny * scale, nz * scale
        material[i] = materials[t]
        object_row[i] = rows[t]


def surfaces_at(world: World, hits: Hits, directions: Float32) -> SurfacePoints:
    """The surfaces that rays ended on."""
    rays = len(directions)
    points = SurfacePoints(
        normals=np.zeros((rays, 3), np.float32),
        face_normals=np.zeros((rays, 3), np.float32),
        local=np.zeros((rays, 6)),
        material=np.full(rays, NO_MATERIAL, np.uint8),
        object_row=np.zeros(rays, np.int32),
    )

    def fill(mesh: Mesh, first: int) -> None:
        _gather(
            hits.triangle, hits.u, hits.v, directions, first,
            mesh.vertices_m, mesh.normals, mesh.local, mesh.triangles, mesh.material, mesh.object_row,
            points.normals, points.face_normals, points.local, points.material, points.object_row,
        )  # fmt: skip

    fill(world.standing_mesh, 0)
    if world.moving is not None:
        fill(world.moving_mesh, len(world.standing_mesh))
    return points
