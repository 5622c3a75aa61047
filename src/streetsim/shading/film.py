"""From radiance to a picture: which pixels deserve more samples, and exposure, tone curve and noise."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streetsim.kernels import kernel
from streetsim.shading.light import NOTHING
from streetsim.textures.noise import hash01

Array = NDArray[np.float64]
Float32 = NDArray[np.float32]

_CONTRAST = 0.08  # of the brightness as displayed, 0 … 1


@kernel("f8(f8)")
def tone(x: float) -> float:
    """Filmic tone curve (Narkowicz's fit of ACES), linear in, linear out, both 0 … 1."""
    y = (x * (2.51 * x + 0.03)) / (x * (2.43 * x + 0.59) + 0.14)
    return min(max(y, 0.0), 1.0)


@kernel("b1(i8,i8,f4[::1],f4[::1],f4[:,::1],u1[::1],i4[::1])")
def differ(
    i: int,
    j: int,
    brightness: Float32,
    distance_m: Float32,
    normals: Float32,
    material: NDArray[np.uint8],
    object_row: NDArray[np.int32],
) -> bool:
    """Whether two neighbouring pixels show different things, or the same thing differently lit."""
    if material[i] == NOTHING and material[j] == NOTHING:
        return False
    if material[i] != material[j] or object_row[i] != object_row[j]:
        return True
    if abs(brightness[i] - brightness[j]) > _CONTRAST:
        return True
    if abs(distance_m[i] - distance_m[j]) > 0.5 + 0.1 * distance_m[i]:
        return True
    dot = normals[i, 0] * normals[j, 0] + normals[i, 1] * normals[j, 1] + normals[i, 2] * normals[j, 2]
    return dot < 0.8


@kernel("void(f4[:,::1],f4[::1],f4[:,::1],u1[::1],i4[::1],i8,i8,f8,b1[::1])")
def find_edges(
    radiance: Float32,
    distance_m: Float32,
    normals: Float32,
    material: NDArray[np.uint8],
    object_row: NDArray[np.int32],
    width: int,
    height: int,
    exposure: float,
    out: NDArray[np.bool_],
) -> None:
    """Mark pixels that differ from the one to the right or below, and those two."""
    brightness = np.empty(width * height, np.float32)
    for i in range(width * height):
        mean = (radiance[i, 0] + 2 * radiance[i, 1] + radiance[i, 2]) * 0.25 * exposure
        brightness[i] = math.sqrt(tone(mean))
        out[i] = False
    for y in range(height):
        for x in range(width):
            i = y * width + x
            if x + 1 < width and differ(i, i + 1, brightness, distance_m, normals, material, object_row):
                out[i] = True
                out[i + 1] = True
            if y + 1 < height and differ(i, i + width, brightness, distance_m, normals, material, object_row):
                out[i] = True
                out[i + width] = True


@kernel("void(f4[:,::1],i8,i8,f8,f8[::1],f8,f8,i8,u1[:,:,::1])")
def develop(
    radiance: Float32,
    width: int,
    height: int,
    exposure: float,
    white_balance: Array,
    noise: float,
    vignette: float,
    seed: int,
    out: NDArray[np.uint8],
) -> None:
    """Exposure, vignette, tone curve, display gamma and sensor noise."""
    for y in range(height):
        for x in range(width):
            i = y * width + x
            dx = (x + 0.5 - 0.5 * width) / width
            dy = (y + 0.5 - 0.5 * height) / width
            gain = exposure * (1 - vignette * (dx * dx + dy * dy) * 2)
            for c in range(3):
                value = tone(radiance[i, c] * gain * white_balance[c]) ** (1 / 2.2)
                grain = (hash01(i, c, seed) + hash01(i, c + 7, seed) - 1.0) * 2.4
                value += grain * noise * (0.5 + 0.7 * math.sqrt(value))
                level = value * 255 + 0.5
                out[y, x, c] = 0 if level < 0 else (255 if level > 255 else int(level))
