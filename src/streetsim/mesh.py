"""Triangles in the world: geometry, and what each triangle is made of and belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Mesh:
    """A soup of triangles in the world frame, ready for a ray caster and a shader.

    Attributes:
        vertices_m: float32 (vertices, 3), world.
        normals: float32 (vertices, 3), unit shading normals, world.
        local: float32 (vertices, 3), texture coordinates in metres: the object's own frame (x forward, y left, z up)
            for things and buildings, the town's design plane (s, t, height) for the ground.
        triangles: int32 (triangles, 3), rows of the vertex arrays.
        material: uint8 (triangles,), values of `materials.Material`.
        object_row: int32 (triangles,), row of `Scenario.object_parameters`: what the texture needs to know.
        semantic: uint8 (triangles,), values of `semantics.Semantic`.
        instance: int32 (triangles,), annotated object, 0 where the triangle belongs to none.
    """

    vertices_m: NDArray[np.float32]
    normals: NDArray[np.float32]
    local: NDArray[np.float32]
    triangles: NDArray[np.int32]
    material: NDArray[np.uint8]
    object_row: NDArray[np.int32]
    semantic: NDArray[np.uint8]
    instance: NDArray[np.int32]

    def __post_init__(self) -> None:
        vertices, triangles = len(self.vertices_m), len(self.triangles)
        for name in ("vertices_m", "normals", "local"):
            array = getattr(self, name)
            assert array.shape == (vertices, 3), f"{name} must be ({vertices}, 3), got {array.shape}"
            assert array.dtype == np.float32, f"{name} must be float32, got {array.dtype}"
        assert self.triangles.shape == (triangles, 3), f"triangles must be (triangles, 3), got {self.triangles.shape}"
        for name in ("material", "object_row", "semantic", "instance"):
            array = getattr(self, name)
            assert array.shape == (triangles,), f"{name} must be ({triangles},), got {array.shape}"

    def __len__(self) -> int:
        """Number of triangles."""
        return len(self.triangles)


def empty_mesh() -> Mesh:
    """A mesh without a triangle."""
    return Mesh(
        vertices_m=np.zeros((0, 3), np.float32),
        normals=np.zeros((0, 3), np.float32),
        local=np.zeros((0, 3), np.float32),
        triangles=np.zeros((0, 3), np.int32),
        material=np.zeros(0, np.uint8),
        object_row=np.zeros(0, np.int32),
        semantic=np.zeros(0, np.uint8),
        instance=np.zeros(0, np.int32),
    )


def concatenate(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh with the triangles of all, in their order."""
    if not meshes:
        return empty_mesh()
    first_vertex = np.cumsum([0, *(len(mesh.vertices_m) for mesh in meshes[:-1])])
    return Mesh(
        vertices_m=np.concatenate([mesh.vertices_m for mesh in meshes]),
        normals=np.concatenate([mesh.normals for mesh in meshes]),
        local=np.concatenate([mesh.local for mesh in meshes]),
        triangles=np.concatenate(
            [mesh.triangles + np.int32(first) for mesh, first in zip(meshes, first_vertex, strict=True)]
        ).astype(np.int32),
        material=np.concatenate([mesh.material for mesh in meshes]),
        object_row=np.concatenate([mesh.object_row for mesh in meshes]),
        semantic=np.concatenate([mesh.semantic for mesh in meshes]),
        instance=np.concatenate([mesh.instance for mesh in meshes]),
    )
