"""Light that leaves a surface towards the eye: sun, sky, ground, mirrors and haze."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streetsim.kernels import kernel
from streetsim.materials import Material
from streetsim.shading.environment import (
    FOG_PER_M,
    GROUND_LIGHT,
    HORIZON,
    SUN_COLOUR,
    SUN_DIRECTION,
    WETNESS,
    ZENITH,
)
from streetsim.shading.light import NOTHING
from streetsim.shading.sky import mirrored_world, sky
from streetsim.textures.surface import LEAF_TRANSLUCENCY, surface

Array = NDArray[np.float64]
Float32 = NDArray[np.float32]

_BRIGHTEST = 4.0  # radiance is cut here, so that a single sample cannot outshine a pixel


@kernel(
    "void(i4[::1],f4[::1],f4[:,::1],f4[:,::1],f8[:,::1],u1[::1],i4[::1],f4[::1],f4[::1],"
    "f8[:,::1],f8[:,::1],f8[:,::1],f8[::1],f8[::1],f8,f4[:,::1])"
)
def radiance(
    triangle: NDArray[np.int32],
    distance_m: Float32,
    directions: Float32,
    normals: Float32,
    local: Array,
    material: NDArray[np.uint8],
    object_row: NDArray[np.int32],
    sun: Float32,
    ambient: Float32,
    object_parameters: Array,
    vertical_streets: Array,
    horizontal_streets: Array,
    road_style: Array,
    weather: Array,
    pixel_rad: float,
    out: Float32,
) -> None:
    """Write the light that comes back along every ray, linear red, green, blue.

    Args:
        triangle, distance_m, directions: the rays and what they met.
        normals, local, material, object_row: the surfaces there, see `SurfacePoints`.
        sun, ambient: visible share of the sun and of the open sky.
        pixel_rad: angle that one sample stands for.
    """
    lx, ly, lz = weather[SUN_DIRECTION], weather[SUN_DIRECTION + 1], weather[SUN_DIRECTION + 2]
    for i in range(len(triangle)):
        dx, dy, dz = directions[i, 0], directions[i, 1], directions[i, 2]
        if material[i] == NOTHING:
            r, g, b = sky(dx, dy, dz, weather, True)
            out[i, 0], out[i, 1], out[i, 2] = min(r, _BRIGHTEST), min(g, _BRIGHTEST), min(b, _BRIGHTEST)
            continue
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        facing = max(0.04, -(nx * dx + ny * dy + nz * dz))
        footprint = distance_m[i] * pixel_rad / math.sqrt(facing)
        red, green, blue, gloss, glow = surface(
            material[i],
            local[i],
            footprint,
            object_parameters[object_row[i]],
            triangle[i],
            vertical_streets,
            horizontal_streets,
            road_style,
            weather[WETNESS],
        )
        to_sun = nx * lx + ny * ly + nz * lz
        direct = max(to_sun, 0.0) * sun[i]
        if material[i] == Material.LEAF:
            direct = (max(to_sun, 0.0) * 0.8 + max(-to_sun, 0.0) * LEAF_TRANSLUCENCY + 0.12) * sun[i]
        up = 0.5 + 0.5 * nz
        open_sky = ambient[i]
        mirror_r, mirror_g, mirror_b, share, highlight = 0.0, 0.0, 0.0, 0.0, 0.0
        if gloss > 0:
            twice = 2 * (nx * dx + ny * dy + nz * dz)
            rx, ry, rz = dx - twice * nx, dy - twice * ny, dz - twice * nz
            share = min(1.0, gloss * (0.16 + 0.94 * (1 - facing) ** 5))
            mirror_r, mirror_g, mirror_b = mirrored_world(rx, ry, rz, weather)
            shaded = 0.35 + 0.65 * open_sky
            mirror_r, mirror_g, mirror_b = mirror_r * shaded, mirror_g * shaded, mirror_b * shaded
            towards_sun = rx * lx + ry * ly + rz * lz
            if towards_sun > 0.9 and sun[i] > 0:
                highlight = ((towards_sun - 0.9) * 10) ** 12 * gloss * 3.0 * sun[i]
        haze = 1 - math.exp(-weather[FOG_PER_M] * distance_m[i])
        for c in range(3):
            albedo = red if c == 0 else (green if c == 1 else blue)
            from_sky = (weather[ZENITH + c] * 0.5 + weather[HORIZON + c] * 0.75) * up
            from_ground = weather[GROUND_LIGHT + c] * (1 - up) * 1.6
            light = weather[SUN_COLOUR + c] * direct + (from_sky + from_ground) * open_sky + glow
            value = albedo * light
            mirror = mirror_r if c == 0 else (mirror_g if c == 1 else mirror_b)
            value += (mirror - value) * share + weather[SUN_COLOUR + c] * highlight
            value += (weather[HORIZON + c] - value) * haze
            out[i, c] = min(value, _BRIGHTEST)
