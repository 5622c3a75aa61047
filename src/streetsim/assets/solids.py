"""Simple bodies that things are put together from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]

_BOX_CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
# fmt: off
_BOX_TRIANGLES = np.array([[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1],
                           [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]])
# fmt: on


@dataclass(frozen=True)
class Solid:
    """vertices_m (vertices, 3) and triangles (triangles, 3), counter-clockwise seen from outside."""

    vertices_m: Points
    triangles: NDArray[np.int64]

    def moved(self, offset_m: ArrayLike) -> Solid:
        return Solid(self.vertices_m + np.asarray(offset_m), self.triangles)


def box(centre_m: ArrayLike, size_m: ArrayLike, taper: float = 1.0) -> Solid:
    """A cuboid; `taper` scales its top face."""
    corners = _BOX_CORNERS * np.asarray(size_m)
    if taper != 1.0:
        corners[corners[:, 2] > 0, :2] *= taper
    return Solid(corners + np.asarray(centre_m), _BOX_TRIANGLES)


def loft(rings: Sequence[Points], caps: bool = True) -> Solid:
    """Joins closed rings of equally many points, each (points, 3), one after the other; `caps` closes both ends."""
    count, size = len(rings), len(rings[0])
    ring, place = np.meshgrid(np.arange(count - 1), np.arange(size), indexing="ij")
    here, beside = ring * size + place, ring * size + (place + 1) % size
    above, above_beside = here + size, beside + size
    triangles = [
        np.stack([here, beside, above], -1).reshape(-1, 3),
        np.stack([beside, above_beside, above], -1).reshape(-1, 3),
    ]
    if caps:
        fan = np.arange(1, size - 1)
        triangles.append(np.stack([0 * fan, fan + 1, fan], -1))
        triangles.append((count - 1) * size + np.stack([0 * fan, fan, fan + 1], -1))
    return Solid(np.concatenate(rings), np.concatenate(triangles))


def tube(
    start_m: ArrayLike,
    end_m: ArrayLike,
    radius_m: float,
    end_radius_m: float | None = None,
    sides: int = 8,
    caps: bool = True,
) -> Solid:
    """A round bar from start to end, conical where the radii differ."""
    start, end = np.asarray(start_m, float), np.asarray(end_m, float)
    along = (end - start) / max(float(np.linalg.norm(end - start)), 1e-9)
    helper = np.array([1.0, 0, 0]) if abs(along[0]) < 0.9 else np.array([0, 1.0, 0])
    across = _cross(along, helper)
    across /= np.linalg.norm(across)
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    circle = np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * _cross(along, across)
    return loft([start + radius_m * circle, end + (radius_m if end_radius_m is None else end_radius_m) * circle], caps)


def ball(
    centre_m: ArrayLike,
    radius_m: float,
    rings: int = 6,
    sides: int = 8,
    stretch: ArrayLike = (1, 1, 1),
    roughness: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Solid:
    """A sphere of `rings` circles, stretched along the axes; `roughness` moves its points in and out at random."""
    polar = np.linspace(np.pi - 0.02, 0.02, rings)
    azimuth = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    circles = []
    for angle in polar:
        circle = np.stack(
            [np.sin(angle) * np.cos(azimuth), np.sin(angle) * np.sin(azimuth), np.full(sides, np.cos(angle))], -1
        )
        if roughness and rng is not None:
            circle *= 1 + roughness * rng.standard_normal((sides, 1))
        circles.append(np.asarray(centre_m) + radius_m * circle * np.asarray(stretch))
    return loft(circles)


def hoop(centre_m: ArrayLike, radius_m: float, thickness_m: float, around: int = 16, sides: int = 5) -> Solid:
    """A tyre standing in the plane x-z."""
    section = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    reach = radius_m + thickness_m * np.cos(section)
    rings = [
        np.asarray(centre_m)
        + np.stack([reach * np.cos(angle), thickness_m * np.sin(section), reach * np.sin(angle)], -1)
        for angle in np.linspace(0, 2 * np.pi, around + 1)
    ]
    return loft(rings, caps=False)


def wheel(centre_m: Sequence[float], radius_m: float, width_m: float, sides: int = 14) -> Solid:
    """A disc with its axle along y."""
    x, y, z = centre_m
    return tube((x, y - width_m / 2, z), (x, y + width_m / 2, z), radius_m, sides=sides)


def profile_along_x(x_m: float, profile_yz: ArrayLike) -> Points:
    """A ring of `loft` at x with the outline (points, 2) in y and z."""
    outline = np.asarray(profile_yz, float)
    return np.concatenate([np.full((len(outline), 1), x_m), outline], 1)


def leaves(
    rng: np.random.Generator,
    centre_m: ArrayLike,
    radius_m: float,
    count: int,
    leaf_m: float,
    stretch: ArrayLike = (1, 1, 0.8),
    hollow: float = 0.55,
) -> Solid:
    """Triangles at random in a lumpy ball; none lies inside the fraction `hollow` of the radius."""
    outward = _unit(rng.standard_normal((count, 3)))
    lumps = (
        1
        + 0.18 * np.sin(6.3 * outward[:, :1] + rng.uniform(0, 6))
        + 0.15 * np.sin(5 * outward[:, 1:2] + rng.uniform(0, 6))
    )
    reach = (hollow + (1 - hollow) * rng.random((count, 1)) ** 0.6) * radius_m * lumps
    place = np.asarray(centre_m) + outward * reach * np.asarray(stretch)
    normal = _unit(rng.standard_normal((count, 3)) + 0.3 * outward)
    tip = _unit(np.cross(normal, rng.standard_normal((count, 3))))
    side = np.cross(normal, tip)
    size = leaf_m * rng.uniform(0.6, 1.4, (count, 1))
    corners = [
        place + size * tip,
        place - 0.6 * size * tip + 0.8 * size * side,
        place - 0.6 * size * tip - 0.8 * size * side,
    ]
    return Solid(np.stack(corners, 1).reshape(-1, 3), np.arange(3 * count).reshape(-1, 3))


def _unit(vectors: Points) -> Points:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _cross(a: Points, b: Points) -> Points:
    """np.cross for single vectors, without its overhead."""
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])
