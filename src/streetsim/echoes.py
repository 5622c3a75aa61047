"""How strong the echo of a thing is: by material, paint, glass, angle, range, water and the air before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streetsim.air import Air
from streetsim.kernels import kernel
from streetsim.materials import LIDAR_REFLECTIVITY, Material
from streetsim.raycast import Hits
from streetsim.scene import Scene
from streetsim.shading.environment import WETNESS
from streetsim.surfaces import SurfacePoints
from streetsim.textures.road import road
from streetsim.textures.surface import building_front
from streetsim.textures.vehicles import bus, car
from streetsim.wet_ground import left_when_wet

Array = NDArray[np.float64]

# materials whose own colour decides how bright they are in the infrared
_COLOURED = (Material.VEHICLE, Material.BUS, Material.SHIRT, Material.FACADE, Material.PLAIN1)
_PAVED = (Material.ROAD, Material.WALK, Material.CURB, Material.PLAZA)  # where water lies as a film
_LEAF_DEPTH_M = 0.03
_READING_NOISE = 1.5
REFERENCE_M = 60.0
"""Power is told in units of the echo of a white matt wall from here, in clear air."""
_DETECTABLE = 0.035  # power of which two thirds are noticed


@dataclass(frozen=True, eq=False)
class Echoes:
    """What the receiver reports per shot: whether at all, how strong (0 … 255), and the measured range.

    received: power that arrives, 1 from a white matt wall at `REFERENCE_M` in clear air; the intensity is made up for
    the range, this is not.
    """

    detected: NDArray[np.bool_]
    intensity: NDArray[np.float32]
    range_m: Array
    received: Array


@kernel("void(u1[::1],f8[:,::1],i4[::1],f8[:,::1],f8[:,::1],f8[:,::1],f8[::1],f8[::1],b1[::1])")
def _texture(
    material: NDArray[np.uint8],
    local: Array,
    object_row: NDArray[np.int32],
    object_parameters: Array,
    vertical_streets: Array,
    horizontal_streets: Array,
    road_style: Array,
    paint: Array,
    glass: NDArray[np.bool_],
) -> None:
    """Find lane paint, which throws light back, and panes, which mostly do not."""
    for i in range(len(material)):
        paint[i] = 0.0
        glass[i] = False
        x, y, z = local[i, 0], local[i, 1], local[i, 2]
        nx, ny, nz = local[i, 3], local[i, 4], local[i, 5]
        row = object_parameters[object_row[i]]
        if material[i] == Material.ROAD:
            _, _, _, paint[i] = road(x, y, 0.02, vertical_streets, horizontal_streets, road_style)
        elif material[i] == Material.FACADE:
            _, _, _, gloss = building_front(x, y, z, nx, ny, 0.05, row)
            glass[i] = gloss > 0.2
        elif material[i] == Material.VEHICLE:
            _, _, _, gloss = car(x, y, z, nx, ny, nz, 0.02, row)
            glass[i] = gloss > 0.7
        elif material[i] == Material.BUS:
            _, _, _, gloss = bus(x, y, z, nx, ny, nz, 0.02, row)
            glass[i] = gloss > 0.55


def receive(
    scene: Scene,
    hits: Hits,
    points: SurfacePoints,
    directions: NDArray[np.float32],
    air: Air,
    max_range_m: float,
    range_noise_m: float,
    rng: np.random.Generator,
) -> Echoes:
    """What comes back from shots that all met something, within range."""
    shots = len(directions)
    paint, glass = np.empty(shots), np.empty(shots, np.bool_)
    _texture(
        points.material, points.local, points.object_row, scene.object_parameters,
        scene.vertical_streets, scene.horizontal_streets, scene.road_style, paint, glass,
    )  # fmt: skip
    wetness = float(scene.weather[WETNESS])
    range_m = hits.distance_m.astype(np.float64)

    table = LIDAR_REFLECTIVITY[points.material].astype(np.float64)
    reflectivity, spread, lost = table[:, 0], table[:, 1], table[:, 2]
    coloured = np.isin(points.material, _COLOURED)
    brightness = scene.object_parameters[points.object_row, :3].mean(axis=1)
    reflectivity = np.where(coloured, 0.08 + 0.75 * brightness, reflectivity) + 0.55 * paint
    reflectivity = np.where(glass, 0.04, reflectivity) + 0.6 * spread * rng.standard_normal(shots)
    reflectivity = np.clip(reflectivity, 0.01, 1.0)
    lost = np.where(glass, 0.45, lost)

    angle = np.abs(np.einsum("ij,ij->i", points.face_normals, directions).astype(np.float64))
    power = reflectivity * (0.25 + 0.75 * angle) * np.exp(-2 * air.extinction_per_m * range_m)
    if wetness > 0:
        paved = np.isin(points.material, _PAVED)
        power[paved] *= left_when_wet(angle[paved], reflectivity[paved], wetness)
    intensity = reported(power, range_m, max_range_m, rng)
    received = power / (range_m / REFERENCE_M) ** 2
    detected = rng.random(shots) < (1 - lost) * noticed_share(received)
    noise_m = rng.normal(0, range_noise_m, shots) if range_noise_m > 0 else np.zeros(shots)
    noise_m += np.where(points.material == Material.LEAF, rng.normal(0, _LEAF_DEPTH_M, shots), 0.0)
    return Echoes(detected, intensity, range_m + noise_m, received)


def noticed_share(received: Array) -> Array:
    """How many of the echoes of that power stand out of the receiver's noise."""
    return np.asarray(1 - np.exp(-received / _DETECTABLE))


def reported(power: Array, range_m: Array, max_range_m: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """The intensity that the sensor gives, 0 … 255: `power` is received power made up for the range."""
    noise = rng.normal(0, _READING_NOISE, len(power))
    strength = 255 * power * (1 - 0.3 * np.clip(range_m / max_range_m, 0, 1)) + noise
    return np.clip(strength, 0, 255).round().astype(np.float32)
