"""Building blocks of procedural textures: hashed noise and steps that know how large a pixel is.

`footprint` is everywhere the width of a pixel on the surface, in the units of the coordinates beside it: detail finer
than the footprint fades to its mean, so that one sample per pixel already looks filtered.
"""

from __future__ import annotations

import math

import numpy as np

from streetsim.kernels import kernel


@kernel("f8(i8,i8,i8)")
def hash01(x: int, y: int, seed: int) -> float:
    """A number in [0, 1) that looks random and depends on three integers only."""
    h = np.uint32(x) * np.uint32(374761393) + np.uint32(y) * np.uint32(668265263)
    h = np.uint32((h + np.uint32(seed) * np.uint32(2246822519)) & np.uint32(0xFFFFFFFF))
    h ^= h >> np.uint32(15)
    h = np.uint32(h * np.uint32(2654435761))
    h ^= h >> np.uint32(13)
    h = np.uint32(h * np.uint32(3266489917))
    h ^= h >> np.uint32(16)
    return float(h) * 2.3283064365386963e-10


@kernel("f8(f8)")
def fraction(x: float) -> float:
    """The part of x behind the point, in [0, 1) for negative x too."""
    return x - math.floor(x)


@kernel("i8(f8)")
def cell(x: float) -> int:
    """The integer below x."""
    return int(math.floor(x))  # noqa: RUF046 — in compiled code floor gives a float


@kernel("f8(f8,f8,i8)")
def value_noise(x: float, y: float, seed: int) -> float:
    """Smooth noise in [0, 1) with a wavelength of about one."""
    ix = math.floor(x)
    iy = math.floor(y)
    fx = x - ix
    fy = y - iy
    kx = int(ix)
    ky = int(iy)
    fx = fx * fx * (3 - 2 * fx)
    fy = fy * fy * (3 - 2 * fy)
    a = hash01(kx, ky, seed)
    b = hash01(kx + 1, ky, seed)
    c = hash01(kx, ky + 1, seed)
    d = hash01(kx + 1, ky + 1, seed)
    return a + (b - a) * fx + (c - a) * fy + (a - b - c + d) * fx * fy


@kernel("f8(f8,f8,i8,f8)")
def fractal_noise(x: float, y: float, seed: int, footprint: float) -> float:
    """Three octaves of noise around 0.5; an octave shorter than the footprint has faded to its mean."""
    result = 0.5
    amplitude = 0.6
    frequency = 1.0
    for octave in range(3):
        weight = 1.5 - 2.0 * footprint * frequency
        if weight <= 0:
            break
        if weight > 1:
            weight = 1.0
        result += weight * amplitude * (value_noise(x * frequency, y * frequency, seed + octave) - 0.5)
        amplitude *= 0.55
        frequency *= 2.3
    return result


@kernel("f8(f8,f8,f8)")
def soft_step(edge: float, x: float, footprint: float) -> float:
    """0 below the edge, 1 above it, a ramp as wide as the footprint between."""
    ramp = (x - edge) / (footprint + 1e-4) + 0.5
    return 0.0 if ramp < 0 else (1.0 if ramp > 1 else ramp)


@kernel("f8(f8,f8,f8,f8)")
def band(x: float, low: float, high: float, footprint: float) -> float:
    """1 between low and high, 0 outside, softened by the footprint."""
    return soft_step(low, x, footprint) - soft_step(high, x, footprint)


@kernel("f8(f8,f8)")
def fade(footprint: float, period: float) -> float:
    """How much of a pattern with this period is still visible: 1 close by, 0 where a pixel covers a period."""
    weight = 1.6 - 2.0 * footprint / period
    return 0.0 if weight < 0 else (1.0 if weight > 1 else weight)


@kernel("f8(f8,f8,i8)")
def lettering(u: float, v: float, seed: int) -> float:
    """Ink (0 or 1) of a line of invented letters, 0.7 wide and 1 high, with gaps between words; v in [0, 1)."""
    if v < 0.12 or v > 0.88:
        return 0.0
    letter = math.floor(u / 0.7)
    if hash01(int(letter), 77, seed) < 0.16:
        return 0.0
    across = u / 0.7 - letter
    if across > 0.82:
        return 0.0
    column = int(across / 0.82 * 4)
    row = int((v - 0.12) / 0.76 * 6)
    if column == 0:
        return 1.0 if hash01(int(letter), 5, seed) < 0.7 else 0.0
    if row in (0, 3, 5) and hash01(int(letter), 11 + row, seed) < 0.75:
        return 1.0
    return 1.0 if hash01(int(letter) * 4 + column, row, seed) < 0.38 else 0.0
