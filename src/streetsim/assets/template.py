"""A thing's triangles in its own frame: x forward, y left, z up, its feet at z = 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numba
import numpy as np
from numpy.typing import NDArray

from streetsim.assets.solids import Solid
from streetsim.materials import Material
from streetsim.mesh import Mesh
from streetsim.semantics import Semantic

CREASE_DEG = 35.0
"""Faces that meet at less than this angle are shaded as one smooth surface."""


@dataclass(frozen=True)
class Template:
    """Triangles with corners of their own (three per triangle), so that each corner has its own normal.

    Attributes:
        vertices_m, normals: float32 (3 * triangles, 3), own frame.
        material, semantic: uint8 (triangles,).
    """

    vertices_m: NDArray[np.float32]
    normals: NDArray[np.float32]
    material: NDArray[np.uint8]
    semantic: NDArray[np.uint8]

    def place(
        self,
        world_from_thing: NDArray[np.float64],
        object_row: int,
        instance: int = 0,
        scale: Sequence[float] | None = None,
    ) -> Mesh:
        """The thing at a pose; `scale` stretches it along its own axes first.

        Args:
            world_from_thing: (4, 4).
            object_row: row of `Scenario.object_parameters`.
            instance: annotated object, 0 for none.
        """
        local, normals = self.vertices_m, self.normals
        if scale is not None:
            stretch = np.asarray(scale, np.float32)
            local = local * stretch
            normals = np.divide(normals, stretch)
            normals = np.divide(normals, np.linalg.norm(normals, axis=1, keepdims=True))
        rotation = world_from_thing[:3, :3].T.astype(np.float32)
        count = len(self.material)
        return Mesh(
            vertices_m=local @ rotation + world_from_thing[:3, 3].astype(np.float32),
            normals=normals @ rotation,
            local=local,
            triangles=np.arange(3 * count, dtype=np.int32).reshape(-1, 3),
            material=self.material,
            object_row=np.full(count, object_row, np.int32),
            semantic=self.semantic,
            instance=np.full(count, instance, np.int32),
        )


@dataclass
class Assembly:
    """Collects solids, each of one material, into a template.

    Attributes:
        semantic: class of the solids added without one of their own.
    """

    semantic: Semantic
    _vertices: list[NDArray[np.float64]] = field(default_factory=list)
    _triangles: list[NDArray[np.int64]] = field(default_factory=list)
    _materials: list[NDArray[np.uint8]] = field(default_factory=list)
    _semantics: list[NDArray[np.uint8]] = field(default_factory=list)
    _vertex_count: int = 0

    def add(self, solid: Solid, material: Material, semantic: Semantic | None = None) -> None:
        self._vertices.append(solid.vertices_m)
        self._triangles.append(solid.triangles + self._vertex_count)
        self._vertex_count += len(solid.vertices_m)
        count = len(solid.triangles)
        self._materials.append(np.full(count, material, np.uint8))
        self._semantics.append(np.full(count, self.semantic if semantic is None else semantic, np.uint8))

    def template(self, centred: bool = False) -> Template:
        """The template of everything added; `centred` moves the middle of its extent in x and y to the origin."""
        vertices = np.concatenate(self._vertices)
        if centred:
            vertices[:, :2] -= (vertices[:, :2].min(0) + vertices[:, :2].max(0)) / 2
        triangles = np.concatenate(self._triangles)
        corners = vertices[triangles.ravel()]
        # A face without area has no normal and no ray hits it.
        first, second, third = corners[0::3], corners[1::3], corners[2::3]
        has_area = np.linalg.norm(np.cross(second - first, third - first), axis=1) > 1e-9
        triangles = triangles[has_area]
        normals = _creased_normals(vertices, triangles, float(np.cos(np.deg2rad(CREASE_DEG))))
        return Template(
            vertices_m=vertices[triangles.ravel()].astype(np.float32),
            normals=normals,
            material=np.concatenate(self._materials)[has_area],
            semantic=np.concatenate(self._semantics)[has_area],
        )


@numba.njit(cache=True, error_model="numpy")
def _creased_normals(
    vertices: NDArray[np.float64], triangles: NDArray[np.int64], cos_crease: float
) -> NDArray[np.float32]:
    """Normal of every corner: area-weighted mean over the faces that share its vertex and lie within the crease angle.

    Faces around a vertex are found through a linked list of corners: `last_corner` of a vertex, then `corner_before`.
    """
    faces = len(triangles)
    area_normal = np.empty((faces, 3))
    unit_normal = np.empty((faces, 3))
    last_corner = np.full(len(vertices), -1, np.int64)
    corner_before = np.empty(3 * faces, np.int64)
    for face in range(faces):
        a, b, c = vertices[triangles[face, 0]], vertices[triangles[face, 1]], vertices[triangles[face, 2]]
        ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        length = np.sqrt(x * x + y * y + z * z) + 1e-12
        area_normal[face, 0], area_normal[face, 1], area_normal[face, 2] = x, y, z
        unit_normal[face, 0], unit_normal[face, 1], unit_normal[face, 2] = x / length, y / length, z / length
        for place in range(3):
            vertex = triangles[face, place]
            corner_before[3 * face + place] = last_corner[vertex]
            last_corner[vertex] = 3 * face + place
    normals = np.empty((3 * faces, 3), np.float32)
    for face in range(faces):
        for place in range(3):
            x = y = z = 0.0
            corner = last_corner[triangles[face, place]]
            while corner >= 0:
                other = corner // 3
                cos_angle = (
                    unit_normal[other, 0] * unit_normal[face, 0]
                    + unit_normal[other, 1] * unit_normal[face, 1]
                    + unit_normal[other, 2] * unit_normal[face, 2]
                )
                if cos_angle > cos_crease:
                    x += area_normal[other, 0]
                    y += area_normal[other, 1]
                    z += area_normal[other, 2]
                corner = corner_before[corner]
            length = np.sqrt(x * x + y * y + z * z) + 1e-12
            normals[3 * face + place, 0] = x / length
            normals[3 * face + place, 1] = y / length
            normals[3 * face + place, 2] = z / length
    return normals
