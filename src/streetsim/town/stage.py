"""Where a town is put together: collects triangles, parameter rows and annotated things."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streetsim.assets.asset import Asset
from streetsim.materials import Material
from streetsim.mesh import Mesh, concatenate
from streetsim.semantics import Semantic
from streetsim.things import StandingThing
from streetsim.town.footprints import Footprints, footprint
from streetsim.town.terrain import Terrain

Array = NDArray[np.float64]
SLENDER_M = 0.35
"""Footprint of posts and trunks, whatever hangs out further up."""


class Stage:
    """Everything placed so far.

    Attributes:
        terrain: maps the plan to the world.
        footprints: ground that is taken.
        things: annotated things that stand still.
    """

    def __init__(self, terrain: Terrain) -> None:
        self.terrain = terrain
        self.footprints = Footprints()
        self.things: list[StandingThing] = []
        self._meshes: list[Mesh] = []
        self._rows: list[Array] = []
        self._instances = 0

    def add_row(self, parameters: Array) -> int:
        """Keeps an object's parameters and returns their row."""
        self._rows.append(parameters)
        return len(self._rows) - 1

    def next_instance(self) -> int:
        self._instances += 1
        return self._instances

    def mesh(self) -> Mesh:
        return concatenate(self._meshes)

    def object_parameters(self) -> Array:
        """(objects, 24)."""
        return np.stack(self._rows)

    def place(
        self,
        asset: Asset,
        s: float,
        t: float,
        yaw_rad: float,
        z_m: float,
        attribute: str = "",
        follows_slope: bool = False,
        is_slender: bool = False,
        scale: Sequence[float] | None = None,
    ) -> bool:
        """Puts an asset on the plan unless its ground is taken; returns whether it stands.

        Args:
            yaw_rad: heading on the plan.
            z_m: height above the road.
            attribute: nuScenes attribute of an annotated asset.
            is_slender: only a post touches the ground.
        """
        shape = asset.shape
        pose = self.terrain.pose(s, t, yaw_rad, z_m, follows_slope)
        rectangle = footprint(pose, shape.centre_m, shape.size_m)
        if is_slender:
            rectangle[:2], rectangle[3:] = pose[:2, 3], SLENDER_M / 2
        if not self.footprints.is_free(rectangle):
            return False
        self.footprints.take(rectangle)
        instance = 0
        if asset.category:
            instance = self.next_instance()
            centre = pose[:3, :3] @ shape.centre_m + pose[:3, 3]
            self.things.append(
                StandingThing(instance, asset.category, attribute, centre, shape.size_m, pose[:3, :3].copy())
            )
        self._meshes.append(shape.phases[0].place(pose, self.add_row(asset.parameters), instance, scale))
        return True

    def add_mesh(self, mesh: Mesh) -> None:
        """Adds triangles that take no ground."""
        self._meshes.append(mesh)

    def add_surface(
        self,
        s: Array,
        t: Array,
        z: Array,
        triangles: NDArray[np.int64],
        material: Material,
        semantic: Semantic,
        object_row: int,
    ) -> None:
        """Adds ground given by points on the plan, z metres above the road; every face is turned upwards."""
        x, y = self.terrain.world(s, t)
        vertices = np.stack([x, y, z + self.terrain.height(x, y)], -1)
        local = np.stack([s, t, z], -1)
        corners = vertices[triangles]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        length = np.linalg.norm(normals, axis=1)
        has_area = length > 1e-9
        triangles, normals = triangles[has_area], normals[has_area] / length[has_area, None]
        is_flipped = normals[:, 2] < -1e-9
        triangles = np.where(is_flipped[:, None], triangles[:, ::-1], triangles)
        normals[is_flipped] *= -1
        count = len(triangles)
        self._meshes.append(
            Mesh(
                vertices_m=vertices[triangles].reshape(-1, 3).astype(np.float32),
                normals=np.repeat(normals, 3, 0).astype(np.float32),
                local=local[triangles].reshape(-1, 3).astype(np.float32),
                triangles=np.arange(3 * count, dtype=np.int32).reshape(-1, 3),
                material=np.full(count, material, np.uint8),
                object_row=np.full(count, object_row, np.int32),
                semantic=np.full(count, semantic, np.uint8),
                instance=np.zeros(count, np.int32),
            )
        )
