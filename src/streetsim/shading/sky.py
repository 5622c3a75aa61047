"""The sky: gradient, glow around the sun, clouds."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streetsim.kernels import kernel
from streetsim.shading.environment import (
    CLOUD_SEED,
    CLOUDS,
    GLOW,
    GROUND_LIGHT,
    HORIZON,
    SUN_COLOUR,
    SUN_DIRECTION,
    ZENITH,
)
from streetsim.textures.noise import cell, fractal_noise, hash01

Array = NDArray[np.float64]
Colour = tuple[float, float, float]


@kernel("Tuple((f8,f8,f8))(f8,f8,f8,f8[::1],b1)")
def sky(dx: float, dy: float, dz: float, weather: Array, clouds: bool) -> Colour:
    """Radiance from the direction (dx, dy, dz); directions below the horizon see the horizon."""
    blend = 1 - math.exp(-max(dz, 0.0) * 3.2)
    r = weather[HORIZON] + (weather[ZENITH] - weather[HORIZON]) * blend
    g = weather[HORIZON + 1] + (weather[ZENITH + 1] - weather[HORIZON + 1]) * blend
    b = weather[HORIZON + 2] + (weather[ZENITH + 2] - weather[HORIZON + 2]) * blend
    to_sun = dx * weather[SUN_DIRECTION] + dy * weather[SUN_DIRECTION + 1] + dz * weather[SUN_DIRECTION + 2]
    if to_sun > 0:
        glow = (to_sun**8 * 0.25 + to_sun**64 * 0.6) * weather[GLOW] * 0.12
        r += weather[SUN_COLOUR] * glow
        g += weather[SUN_COLOUR + 1] * glow
        b += weather[SUN_COLOUR + 2] * glow
    if clouds and dz > 0.015:
        seed = int(weather[CLOUD_SEED])
        scale = 1.3 / (dz + 0.12)
        u = dx * scale + seed * 0.013
        v = dy * scale + seed * 0.007
        density = fractal_noise(u, v, seed, 0.0) * 0.72 + 0.28 * fractal_noise(u * 5.1, v * 5.1, seed + 9, 0.0)
        cover = (density - (1 - weather[CLOUDS])) * 3.2
        if cover > 0:
            cover = min(cover, 1.0) * min(1.0, dz * 9) * 0.85
            bright = 0.75 + 0.5 * (density - 0.5) + 0.35 * max(to_sun, 0.0)
            r += ((weather[HORIZON] + weather[SUN_COLOUR] * 0.10) * bright - r) * cover
            g += ((weather[HORIZON + 1] + weather[SUN_COLOUR + 1] * 0.10) * bright - g) * cover
            b += ((weather[HORIZON + 2] + weather[SUN_COLOUR + 2] * 0.10) * bright - b) * cover
    return r, g, b


@kernel("Tuple((f8,f8,f8))(f8,f8,f8,f8[::1])")
def mirrored_world(dx: float, dy: float, dz: float, weather: Array) -> Colour:
    """What a mirroring surface shows: sky above an invented skyline, the ground's light below."""
    from_ground = 0.7
    if dz <= 0.02:
        return (
            weather[GROUND_LIGHT] * from_ground,
            weather[GROUND_LIGHT + 1] * from_ground,
            weather[GROUND_LIGHT + 2] * from_ground,
        )
    r, g, b = sky(dx, dy, dz, weather, False)
    house = cell(math.atan2(dy, dx) * 6)
    if dz < 0.12 + 0.22 * hash01(house, 5, 5):
        tint = 0.35 + 0.3 * hash01(house, 6, 5)
        return r * tint, g * tint, b * tint
    return r, g, b
