"""Worlds of a few triangles, small enough to know by hand what every sensor must report."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streetsim.materials import PARAMETERS, Material
from streetsim.mesh import Mesh, concatenate, empty_mesh
from streetsim.scene import Scene
from streetsim.semantics import Semantic
from streetsim.things import ThingBox
from streetsim.weather import Weather, draw_weather

Array = NDArray[np.float64]


def quad(
    corners_m: list[tuple[float, float, float]],
    semantic: Semantic,
    instance: int = 0,
    material: Material = Material.PLAIN1,
) -> Mesh:
    """A flat quadrilateral, its corners given in turn."""
    vertices = np.array(corners_m, np.float32)
    normal = np.cross(vertices[1] - vertices[0], vertices[2] - vertices[0])
    return Mesh(
        vertices_m=vertices,
        normals=np.tile(normal / np.linalg.norm(normal), (4, 1)).astype(np.float32),
        local=vertices.copy(),
        triangles=np.array([[0, 1, 2], [0, 2, 3]], np.int32),
        material=np.full(2, material, np.uint8),
        object_row=np.zeros(2, np.int32),
        semantic=np.full(2, semantic, np.uint8),
        instance=np.full(2, instance, np.int32),
    )


def wall(x_m: float, y_m: tuple[float, float], z_m: tuple[float, float], semantic: Semantic, instance: int = 0) -> Mesh:
    """An upright wall across the x axis."""
    (right, left), (low, high) = y_m, z_m
    return quad([(x_m, right, low), (x_m, left, low), (x_m, left, high), (x_m, right, high)], semantic, instance)


def ground(half_m: float = 500.0) -> Mesh:
    """A level square at height 0."""
    return quad([(-half_m, -half_m, 0), (half_m, -half_m, 0), (half_m, half_m, 0), (-half_m, half_m, 0)], Semantic.ROAD)


def moved(mesh: Mesh, by_m: tuple[float, float, float]) -> Mesh:
    """The same mesh somewhere else; its texture stays with it."""
    return Mesh(**{**vars(mesh), "vertices_m": (mesh.vertices_m + np.array(by_m)).astype(np.float32)})


def scene(
    static: list[Mesh],
    ego_velocity_mps: tuple[float, float, float] = (0.0, 0.0, 0.0),
    thing: Mesh | None = None,
    thing_velocity_mps: tuple[float, float, float] = (0.0, 0.0, 0.0),
    weather: Weather | None = None,
) -> Scene:
    """The ego starts in the origin, looks along x and never turns; the thing moves from where it is. A clear day."""
    speed, thing_speed = np.array(ego_velocity_mps), np.array(thing_velocity_mps)

    def ego_pose(time_s: float) -> Array:
        pose = np.eye(4)
        pose[:3, 3] = speed * time_s
        return pose

    def dynamic_mesh(time_s: float) -> Mesh:
        return empty_mesh() if thing is None else moved(thing, tuple(thing_speed * time_s))

    def boxes(time_s: float) -> list[ThingBox]:
        if thing is None:
            return []
        low, high = thing.vertices_m.min(axis=0), thing.vertices_m.max(axis=0)
        centre_m = ((low + high) / 2).astype(np.float64) + thing_speed * time_s
        size_m = np.maximum((high - low).astype(np.float64), 0.1)
        return [
            ThingBox(int(thing.instance[0]), "vehicle.car", "vehicle.moving", centre_m, size_m, np.eye(3), thing_speed)
        ]

    street = np.array([[0.0, 5.0, 3.5, 1.0, 0.0, 0.0, 0.0]])
    return Scene.of(
        as_scenario(
            static=concatenate(static),
            object_parameters=np.full((1, PARAMETERS), 0.5),
            weather=weather or draw_weather("clear", np.random.default_rng(0)),
            town=SimpleNamespace(
                vertical_streets=street, horizontal_streets=street, road_style=np.array([0.1, 0.0, 1.0, 0.0])
            ),
            ego_pose=ego_pose,
            dynamic_mesh=dynamic_mesh,
            boxes=boxes,
        )
    )


def as_scenario(**attributes: object | Callable[..., object]) -> Any:
    """Something that has what sensors ask of a scenario."""
    return SimpleNamespace(**attributes)
