"""Signs, traffic lights, billboards, barriers, cones, clothes, leaves: what stands or walks beside the road.

Coordinates are the thing's own frame in metres: x forward, y left, z up from the ground.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streetsim.kernels import kernel
from streetsim.materials import BillboardColumn, Common, ConeColumn, LightColumn, SignColumn, SignKind
from streetsim.textures.noise import cell, fractal_noise, fraction, hash01, lettering

Array = NDArray[np.float64]
Colour = tuple[float, float, float]

_SECOND = int(Common.SECOND_COLOUR)
_LAMP_DISTANCE_M = 0.3
_LAMP_RADIUS_SQUARED = 0.0144


@kernel("Tuple((f8,f8,f8))(f8,f8,f8,f8[::1])")
def sign(y_m: float, z_m: float, nx: float, row: Array) -> Colour:
    """The face of a traffic sign; its back is bare metal."""
    if nx < 0.5:
        return 0.4, 0.4, 0.42
    y = y_m / row[SignColumn.RADIUS]
    z = (z_m - row[SignColumn.CENTRE_Z]) / row[SignColumn.RADIUS]
    kind = int(row[SignColumn.KIND])
    seed = int(row[Common.SEED])
    if kind == SignKind.STOP:
        octagon = max(max(abs(y), abs(z)), (abs(y) + abs(z)) * 0.7071)
        word = abs(z) < 0.3 and abs(y) < 0.72 and lettering((y + 0.75) * 1.9, z / 0.6 + 0.5, 13) > 0.5
        if octagon > 0.86 or word:
            return 0.85, 0.85, 0.85
        return 0.6, 0.03, 0.03
    if kind in (SignKind.NO_ENTRY, SignKind.SPEED_LIMIT):
        if math.sqrt(y * y + z * z) > 0.74:
            return 0.65, 0.03, 0.03
        if kind == SignKind.NO_ENTRY:
            if abs(z) < 0.13:
                return 0.85, 0.85, 0.85
            return 0.65, 0.03, 0.03
        if abs(z) < 0.42 and abs(y) < 0.48 and lettering((y + 0.5) * 1.4, z / 0.84 + 0.5, seed) > 0.5:
            return 0.03, 0.03, 0.03
        return 0.85, 0.85, 0.85
    if kind == SignKind.WARNING:
        if abs(y) > 0.12 - 0.5 * z or z < -0.72:
            return 0.65, 0.04, 0.03
        if abs(y) < 0.09 and (-0.25 < z < 0.3 or abs(z + 0.45) < 0.08):
            return 0.03, 0.03, 0.03
        return 0.85, 0.8, 0.7
    if kind == SignKind.DIRECTION:
        if (abs(y) < 0.12 and abs(z) < 0.6) or (z > 0.1 and abs(y) < 0.6 - z):
            return 0.85, 0.85, 0.85
        return 0.02, 0.12, 0.5
    if abs(z) < 0.2 and lettering((y + 0.9) * 4.5, z / 0.4 + 0.5, seed) > 0.5:
        return 0.85, 0.85, 0.85
    return 0.02, 0.22, 0.1


@kernel("Tuple((f8,f8,f8,f8))(f8,f8,f8,f8[::1])")
def traffic_light(x: float, y: float, z: float, row: Array) -> tuple[float, float, float, float]:
    """Red, green, blue and own light of the head of a traffic light: red above, green below."""
    if x > row[LightColumn.FACE_X]:
        for lamp in range(3):
            dz = z - row[LightColumn.CENTRE_Z] - (1 - lamp) * _LAMP_DISTANCE_M
            if y * y + dz * dz < _LAMP_RADIUS_SQUARED:
                if lamp != int(row[LightColumn.STATE]):
                    return 0.1, 0.09, 0.06, 0.0
                if lamp == 0:
                    return 1.0, 0.05, 0.03, 1.6
                if lamp == 1:
                    return 1.0, 0.6, 0.03, 1.6
                return 0.05, 0.9, 0.35, 1.6
    return 0.04, 0.04, 0.04, 0.0


@kernel("Tuple((f8,f8,f8))(f8,f8,f8[::1])")
def billboard(u: float, z: float, row: Array) -> Colour:
    """Fields of two tones, a disc, a line of letters."""
    seed = int(row[Common.SEED])
    w = (z - row[BillboardColumn.BASE_Z]) / row[BillboardColumn.HEIGHT]
    if 0.08 < w < 0.35 and lettering(u * 3.0, (w - 0.08) / 0.27, seed) > 0.5:
        return 1 - row[0], 1 - row[1], 1 - row[2]
    du = u - row[BillboardColumn.DISC_U]
    dw = (w - 0.6) * row[BillboardColumn.HEIGHT]
    if du * du + dw * dw < row[BillboardColumn.DISC_RADIUS_SQUARED]:
        return row[_SECOND], row[_SECOND + 1], row[_SECOND + 2]
    tint = 0.7 + 0.5 * hash01(cell(u * 0.6), cell(w * 2), seed)
    return row[0] * tint, row[1] * tint, row[2] * tint


@kernel("Tuple((f8,f8,f8))(f8,f8,f8,f8,f8[::1])")
def barrier(x: float, y: float, z: float, footprint: float, row: Array) -> Colour:
    """Stained concrete or plastic; striped red and white above where the style says so."""
    if row[Common.STYLE] > 0.5 and z > 0.45:
        if fraction((x + y + z) * 2.2) < 0.5:
            return 0.7, 0.08, 0.04
        return 0.8, 0.8, 0.78
    tint = 0.8 + 0.4 * fractal_noise(x * 2 + y * 2, z * 2, int(row[Common.SEED]), footprint)
    return row[0] * tint, row[1] * tint, row[2] * tint


@kernel("Tuple((f8,f8,f8))(f8,f8[::1])")
def cone(z: float, row: Array) -> Colour:
    """Orange with two white rings on a black foot."""
    up = z / row[ConeColumn.HEIGHT]
    if up < 0.06:
        return 0.05, 0.05, 0.05
    if 0.42 < up < 0.58 or 0.68 < up < 0.8:
        return 0.85, 0.85, 0.85
    return 0.85, 0.2, 0.02


@kernel("Tuple((f8,f8,f8))(f8,f8,f8[::1])")
def shirt(y: float, z: float, row: Array) -> Colour:
    """Plain, striped, with a yoke or with a zip, by the seed."""
    pattern = int(row[Common.SEED]) % 4
    if (pattern == 1 and fraction(z * 9) < 0.4) or (pattern == 2 and z > 1.25):
        return row[_SECOND], row[_SECOND + 1], row[_SECOND + 2]
    tint = 0.4 if pattern == 3 and abs(y) < 0.03 else 1.0
    return row[0] * tint, row[1] * tint, row[2] * tint


@kernel("Tuple((f8,f8,f8))(f8,f8,f8[::1])")
def safety_vest(y: float, z: float, row: Array) -> Colour:
    """Yellow or orange with reflecting bands."""
    if abs(z - 1.15) < 0.04 or abs(z - 1.35) < 0.03 or (abs(abs(y) - 0.12) < 0.03 and z > 1.15):
        return 0.85, 0.85, 0.85
    if int(row[Common.SEED]) % 2 == 0:
        return 0.9, 0.3, 0.03
    return 0.75, 0.8, 0.05


@kernel("f8(f8,f8,f8,f8,i8,i8)")
def leaf(x: float, y: float, z: float, footprint: float, triangle: int, seed: int) -> float:
    """Factor on the colour of a leaf: every leaf differs, and clumps differ."""
    clump = fractal_noise(x * 1.3 + y, z * 1.3 - y, seed, footprint * 1.3)
    return 0.5 + 0.45 * hash01(triangle, 3, 7) + 0.6 * clump


@kernel("f8(f8,f8,f8,f8,i8)")
def hedge(x: float, y: float, z: float, footprint: float, seed: int) -> float:
    """Factor on the colour of a clipped hedge."""
    clump = fractal_noise(x * 1.3 + y, z * 1.3 - y, seed, footprint * 1.3)
    return 0.21 + 0.6 * clump + 0.7 * fractal_noise(x * 8 + y * 8, z * 8, 9, footprint * 8)
