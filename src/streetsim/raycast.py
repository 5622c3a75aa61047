"""Which triangle a ray meets first: Embree over what stands still, built once, and over what moves, per instant.

Rays start at `origins` (rays, 3) and run along `directions` (rays, 3), float32, in the world frame, metres.
Triangles are numbered through both parts: those of the moving part follow those of the standing part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from embreex import rtcore, rtcore_scene
from embreex.mesh_construction import TriangleMesh
from numpy.typing import NDArray

from streetsim.mesh import Mesh, empty_mesh

Rays = NDArray[np.float32]

_FAR_M = np.float32(1e30)
_device: list[rtcore.EmbreeDevice] = []


@dataclass(frozen=True, eq=False)
class Hits:
    """The nearest surface on every ray.

    triangle: int32, -1 where the ray meets nothing. u, v: barycentric weights of its second and third corner.
    distance_m: along the ray; without meaning where it meets nothing.
    """

    triangle: NDArray[np.int32]
    u: NDArray[np.float32]
    v: NDArray[np.float32]
    distance_m: NDArray[np.float32]


class Bvh:
    """The search tree over one mesh."""

    def __init__(self, mesh: Mesh) -> None:
        if not _device:
            _device.append(rtcore.EmbreeDevice())
        self.mesh = mesh
        self._scene = rtcore_scene.EmbreeScene(_device[0])
        TriangleMesh(
            self._scene, np.ascontiguousarray(mesh.vertices_m), np.ascontiguousarray(mesh.triangles, dtype=np.int32)
        )

    def nearest(self, origins: Rays, directions: Rays, reach_m: NDArray[np.float32] | None = None) -> Hits:
        """The first surface on every ray, up to `reach_m` where given."""
        # The library writes into `dists`: it always gets an array of its own.
        limits = np.full(len(origins), _FAR_M, np.float32) if reach_m is None else reach_m.copy()
        found = self._scene.run(origins, directions, dists=limits, output=True)
        return Hits(found["primID"], found["u"], found["v"], found["tfar"])

    def blocked(self, origins: Rays, directions: Rays, reach_m: float) -> NDArray[np.bool_]:
        """Whether anything lies on a ray within `reach_m`."""
        limits = np.full(len(origins), reach_m, np.float32)
        blocked: NDArray[np.bool_] = self._scene.run(origins, directions, dists=limits, query="OCCLUDED") != -1
        return blocked


class World:
    """Everything that a sensor can meet at one instant."""

    def __init__(self, standing: Bvh, moving: Mesh | None) -> None:
        self.standing = standing
        self.moving = Bvh(moving) if moving is not None and len(moving) else None

    @property
    def standing_mesh(self) -> Mesh:
        """The part that is the same at all times."""
        return self.standing.mesh

    @property
    def moving_mesh(self) -> Mesh:
        """The part of this instant."""
        return self.moving.mesh if self.moving is not None else empty_mesh()

    def nearest(self, origins: Rays, directions: Rays, candidates: NDArray[np.int64] | None = None) -> Hits:
        """The first surface on every ray.

        Args:
            candidates: rays that may meet something moving; the others are not asked. All, if left out.
        """
        hits = self.standing.nearest(origins, directions)
        if self.moving is None or (candidates is not None and len(candidates) == 0):
            return hits
        if candidates is None:
            nearer = self.moving.nearest(origins, directions, hits.distance_m)
            rows = np.flatnonzero(nearer.triangle >= 0)
            target = rows
        else:
            nearer = self.moving.nearest(origins[candidates], directions[candidates], hits.distance_m[candidates])
            rows = np.flatnonzero(nearer.triangle >= 0)
            target = candidates[rows]
        hits.triangle[target] = nearer.triangle[rows] + len(self.standing.mesh)
        hits.u[target] = nearer.u[rows]
        hits.v[target] = nearer.v[rows]
        hits.distance_m[target] = nearer.distance_m[rows]
        return hits

    def blocked(self, origins: Rays, directions: Rays, reach_m: float) -> NDArray[np.bool_]:
        """Whether anything lies on a ray within `reach_m`."""
        blocked = self.standing.blocked(origins, directions, reach_m)
        if self.moving is not None:
            free = np.flatnonzero(~blocked)
            blocked[free] = self.moving.blocked(origins[free], directions[free], reach_m)
        return blocked

    def per_triangle(self, attribute: str, triangle: NDArray[np.int32], missing: int) -> NDArray[np.int64]:
        """An attribute of `Mesh` (material, object_row, semantic, instance) of hit triangles, `missing` for none."""
        standing = getattr(self.standing_mesh, attribute)
        values = np.full(len(triangle), missing, np.int64)
        first_moving = len(standing)
        still = (triangle >= 0) & (triangle < first_moving)
        values[still] = standing[triangle[still]]
        moves = triangle >= first_moving
        if moves.any():
            values[moves] = getattr(self.moving_mesh, attribute)[triangle[moves] - first_moving]
        return values


def part_of(mesh: Mesh, keep: NDArray[np.bool_]) -> Mesh:
    """The chosen triangles of a mesh, each with corners of its own: building a search tree costs by the vertex."""
    corners = mesh.triangles[keep].ravel()
    return Mesh(
        vertices_m=mesh.vertices_m[corners],
        normals=mesh.normals[corners],
        local=mesh.local[corners],
        triangles=np.arange(len(corners), dtype=np.int32).reshape(-1, 3),
        material=mesh.material[keep],
        object_row=mesh.object_row[keep],
        semantic=mesh.semantic[keep],
        instance=mesh.instance[keep],
    )
