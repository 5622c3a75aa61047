"""Rays towards the light: one to the sun for shadows, one into the open for ambient light, per sample.

Both are stratified over tiles of 4 x 4 pixels: the 16 pixels of a tile share the sun's disc, and the hemisphere,
between them, and `smooth` averages over exactly such a tile, so that 16 rays speak for every pixel. Where pixels get
more samples, 2 x 2 pixels with four samples each share the disc.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streetsim.kernels import kernel
from streetsim.materials import Material
from streetsim.shading.environment import CASTS_SHADOWS, SUN_DIRECTION, SUN_RADIUS
from streetsim.textures.noise import hash01

Array = NDArray[np.float64]
Float32 = NDArray[np.float32]

NOTHING = 255  # material of a ray that met nothing
AMBIENT_REACH_M = 6.0
SHADOW_REACH_M = 120.0
_GOLDEN_ANGLE_RAD = 2.39996323


@kernel("i8(i8,i8)")
def tile_cell(x: int, y: int) -> int:
    """A number 0 … 15, each once in every 4 x 4 tile of pixels, neighbours far apart."""
    return ((x & 3) * 7 + (y & 3) * 4 + ((y & 3) >> 1)) & 15


@kernel("Tuple((f8,f8,f8))(f4[:,::1],f4[:,::1],f4[::1],f4[:,::1],i8)")
def lifted(
    origins: Float32, directions: Float32, distance_m: Float32, face_normals: Float32, i: int
) -> tuple[float, float, float]:
    """The end of ray i, raised a little above its surface."""
    lift = 2e-3 + 2e-5 * distance_m[i]
    return (
        origins[i, 0] + distance_m[i] * directions[i, 0] + lift * face_normals[i, 0],
        origins[i, 1] + distance_m[i] * directions[i, 1] + lift * face_normals[i, 1],
        origins[i, 2] + distance_m[i] * directions[i, 2] + lift * face_normals[i, 2],
    )


@kernel("i8(i8[::1],i8,i8,f4[:,::1],f4[:,::1],f4[::1],f4[:,::1],f4[:,::1],u1[::1],f8[::1],f4[:,::1],f4[:,::1],i8[::1])")
def sun_rays(
    pixels: NDArray[np.int64],
    width: int,
    sample: int,
    origins: Float32,
    directions: Float32,
    distance_m: Float32,
    normals: Float32,
    face_normals: Float32,
    material: NDArray[np.uint8],
    weather: Array,
    out_origins: Float32,
    out_directions: Float32,
    out_ray: NDArray[np.int64],
) -> int:
    """Rays to the sun from every surface that faces it; returns how many.

    `pixels` tells where each ray came from, `sample` counts the rays of a pixel, 0 for the one through its centre.
    """
    if weather[CASTS_SHADOWS] <= 0:
        return 0
    lx, ly, lz = weather[SUN_DIRECTION], weather[SUN_DIRECTION + 1], weather[SUN_DIRECTION + 2]
    across = math.sqrt(lx * lx + ly * ly) + 1e-9
    ax, ay = -ly / across, lx / across  # two axes that span the sun's disc
    bx, by, bz = -lz * ay, lz * ax, lx * ay - ly * ax
    count = 0
    for i in range(len(pixels)):
        if material[i] == NOTHING:
            continue
        leaf = material[i] == Material.LEAF
        on_face = face_normals[i, 0] * lx + face_normals[i, 1] * ly + face_normals[i, 2] * lz
        if not leaf and (on_face <= 0 or normals[i, 0] * lx + normals[i, 1] * ly + normals[i, 2] * lz <= 0):
            continue
        x, y = pixels[i] % width, pixels[i] // width
        k = tile_cell(x, y) if sample == 0 else (4 * sample + (x & 1) + 2 * (y & 1)) & 15
        angle = k * _GOLDEN_ANGLE_RAD
        radius = weather[SUN_RADIUS] * math.sqrt((k + 0.5) / 16.0)
        da, db = radius * math.cos(angle), radius * math.sin(angle)
        px, py, pz = lifted(origins, directions, distance_m, face_normals, i)
        if leaf and on_face < 0:  # leave the leaf on its sunny side
            back = -2 * (2e-3 + 2e-5 * distance_m[i])
            px += back * face_normals[i, 0]
            py += back * face_normals[i, 1]
            pz += back * face_normals[i, 2]
        out_origins[count, 0], out_origins[count, 1], out_origins[count, 2] = px, py, pz
        out_directions[count, 0] = lx + da * ax + db * bx
        out_directions[count, 1] = ly + da * ay + db * by
        out_directions[count, 2] = lz + db * bz
        out_ray[count] = i
        count += 1
    return count


@kernel("i8(i8[::1],i8,i8,f4[:,::1],f4[:,::1],f4[::1],f4[:,::1],f4[:,::1],u1[::1],f4[:,::1],f4[:,::1],i8[::1])")
def ambient_rays(
    pixels: NDArray[np.int64],
    width: int,
    seed: int,
    origins: Float32,
    directions: Float32,
    distance_m: Float32,
    normals: Float32,
    face_normals: Float32,
    material: NDArray[np.uint8],
    out_origins: Float32,
    out_directions: Float32,
    out_ray: NDArray[np.int64],
) -> int:
    """A ray from every surface into its hemisphere, more often near the normal; returns how many."""
    count = 0
    for i in range(len(pixels)):
        if material[i] == NOTHING:
            continue
        x, y = pixels[i] % width, pixels[i] // width
        k = tile_cell(x, y)
        height = (k + hash01(pixels[i], 27, seed)) / 16.0
        angle = k * _GOLDEN_ANGLE_RAD
        up = math.sqrt(1 - height)
        da, db = math.cos(angle) * math.sqrt(height), math.sin(angle) * math.sqrt(height)
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        sign = 1.0 if nz >= 0 else -1.0  # a basis around the normal: Duff et al., JCGT 2017
        p = -1.0 / (sign + nz)
        q = nx * ny * p
        px, py, pz = lifted(origins, directions, distance_m, face_normals, i)
        out_origins[count, 0], out_origins[count, 1], out_origins[count, 2] = px, py, pz
        out_directions[count, 0] = da * (1 + sign * nx * nx * p) + db * q + up * nx
        out_directions[count, 1] = da * sign * q + db * (sign + ny * ny * p) + up * ny
        out_directions[count, 2] = -da * sign * nx - db * ny + up * nz
        out_ray[count] = i
        count += 1
    return count


@kernel("b1(f4[::1],i8,i8,i8,i8)")
def dithered(sun: Float32, x: int, y: int, width: int, height: int) -> bool:
    """Whether lit and shaded pixels alternate in the 4 x 4 around one, as in half-shadow; an edge never does."""
    if x < 2 or y < 2 or x + 2 > width or y + 2 > height:
        return False
    across = 0
    down = 0
    for a in range(-2, 2):
        for b in range(-2, 1):
            row = (y + a) * width + x + b
            column = (y + b) * width + x + a
            across += sun[row] != sun[row + 1]
            down += sun[column] != sun[column + width]
    return across > 4 or down > 4


@kernel("void(f4[::1],f4[::1],b1,f4[::1],f4[:,::1],u1[::1],i8,i8,f4[::1],f4[::1],b1[::1])")
def smooth(
    ambient: Float32,
    sun: Float32,
    large_sun: bool,
    distance_m: Float32,
    normals: Float32,
    material: NDArray[np.uint8],
    width: int,
    height: int,
    out_ambient: Float32,
    out_sun: Float32,
    out_soft: NDArray[np.bool_],
) -> None:
    """Mean over the 4 x 4 pixels around each that lie on the same surface (by distance and normal).

    The sun is averaged too, and the pixel marked as soft, where it is large or where a pixel lies in half-shadow; sharp
    edges of shadows stay sharp.
    """
    for y in range(height):
        for x in range(width):
            i = y * width + x
            out_ambient[i] = 1.0
            out_sun[i] = sun[i]
            out_soft[i] = False
            if material[i] == NOTHING:
                continue
            tolerance = 0.025 * distance_m[i] + 0.05
            total = 0.0
            total_sun = 0.0
            count = 0
            for dy in range(-2, 2):
                if y + dy < 0 or y + dy >= height:
                    continue
                for dx in range(-2, 2):
                    if x + dx < 0 or x + dx >= width:
                        continue
                    j = i + dy * width + dx
                    apart = abs(distance_m[j] - distance_m[i])
                    if material[j] == NOTHING or apart > tolerance * (1 + abs(dx) + abs(dy)):
                        continue
                    dot = normals[i, 0] * normals[j, 0] + normals[i, 1] * normals[j, 1] + normals[i, 2] * normals[j, 2]
                    if dot < 0.7:
                        continue
                    total += ambient[j]
                    total_sun += sun[j]
                    count += 1
            out_ambient[i] = 0.2 + 0.8 * total / count
            if large_sun or (0 < total_sun < count and count > 8 and dithered(sun, x, y, width, height)):
                out_sun[i] = total_sun / count
                out_soft[i] = True
