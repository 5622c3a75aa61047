"""Bodies of cars, buses and lorries, in the vehicle's own frame: x forward, y left, z up, metres from its centre."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streetsim.kernels import kernel
from streetsim.materials import Common, VehicleColumn
from streetsim.textures.noise import fade, fraction, hash01, lettering, soft_step

Array = NDArray[np.float64]
Surface = tuple[float, float, float, float]  # red, green, blue, gloss

_SECOND = int(Common.SECOND_COLOUR)


@kernel("b1(f8,f8,f8,f8[::1])")
def in_wheel_arch(x: float, z: float, gap: float, row: Array) -> bool:
    """Whether a point on the side lies over a wheel, with that much of a gap around the tyre."""
    radius = row[VehicleColumn.WHEEL_RADIUS]
    reach = (radius + gap) ** 2
    dz = z - radius
    front = x - row[VehicleColumn.FRONT_AXLE_X]
    rear = x - row[VehicleColumn.REAR_AXLE_X]
    return front * front + dz * dz < reach or rear * rear + dz * dz < reach


@kernel("b1(f8,f8,f8,f8,b1,f8[::1])")
def car_glass(x: float, y: float, z: float, nz: float, side: bool, row: Array) -> bool:
    """Whether a point above the belt line is a window rather than a pillar or a panel."""
    van = row[VehicleColumn.BODY_KIND] == 3
    if not side:
        if abs(y) > row[VehicleColumn.WIDTH] * 0.37 or abs(nz) > 0.97:
            return False
        return not (van and x < 0 and abs(y) < 0.06)
    belt = row[VehicleColumn.BELT_HEIGHT]
    foot_x, top_x = row[VehicleColumn.WINDSCREEN_FOOT_X], row[VehicleColumn.WINDSCREEN_TOP_X]
    rear_top_x, rear_foot_x = row[VehicleColumn.REAR_WINDOW_TOP_X], row[VehicleColumn.REAR_WINDOW_FOOT_X]
    up = (z - belt) / max(row[VehicleColumn.HEIGHT] - 0.07 - belt, 0.05)
    if x > foot_x + (top_x - foot_x) * up - 0.16 or x < rear_foot_x + (rear_top_x - rear_foot_x) * up + 0.18:
        return False
    for pillar in range(2):
        stretch = 1.0 if row[VehicleColumn.BODY_KIND] < 2 else 0.8
        if abs(x - top_x + (0.55 + 0.42 * pillar) * (top_x - rear_top_x) * stretch) < 0.045:
            return False
    return not (van and x < top_x - 1.3)


@kernel("f8(f8,f8,f8,f8,i8)")
def number_plate(y: float, z: float, bottom: float, footprint: float, seed: int) -> float:
    """Ink on a plate 0.54 m wide around y = 0."""
    return lettering((y + 0.25) * 8, (z - bottom - 0.01) / 0.11, seed + 3) * fade(footprint, 0.1)


@kernel("Tuple((f8,f8,f8,f8))(f8,f8,f8,f8,f8,f8,f8,f8[::1])")
def car(x: float, y: float, z: float, nx: float, ny: float, nz: float, footprint: float, row: Array) -> Surface:
    """A car, van or pick-up; (nx, ny, nz) is the normal of the panel."""
    half_length = row[VehicleColumn.LENGTH] * 0.5
    half_width = row[VehicleColumn.WIDTH] * 0.5
    belt = row[VehicleColumn.BELT_HEIGHT]
    foot_x = row[VehicleColumn.WINDSCREEN_FOOT_X]
    cabin = foot_x - row[VehicleColumn.REAR_WINDOW_FOOT_X]
    side = abs(ny) > 0.55
    dirt = 1 - 0.25 * (1 - soft_step(0.0, z - 0.55, 0.5))
    r, g, b, gloss = row[0] * dirt, row[1] * dirt, row[2] * dirt, 0.35
    if belt + 0.01 < z < row[VehicleColumn.HEIGHT] - 0.07 and nz < 0.92 and car_glass(x, y, z, nz, side, row):
        return 0.025, 0.028, 0.03, 0.75
    if side and in_wheel_arch(x, z, 0.07, row):
        return 0.012, 0.012, 0.012, 0.0
    if side:
        if z < belt:
            for seam in range(3):
                if abs(x - foot_x + 0.05 + seam * cabin * 0.38) < 0.012 + 0.3 * footprint and z > 0.32:
                    r *= 0.35
                    g *= 0.35
                    b *= 0.35
            for handle in range(2):
                middle = foot_x - 0.05 - (handle + 1) * cabin * 0.38 + 0.22
                if abs(x - middle) < 0.09 and abs(z - belt + 0.12) < 0.018:
                    r, g, b = 0.35, 0.35, 0.37
        if z < 0.30:
            r, g, b, gloss = 0.03, 0.03, 0.03, 0.05
        if row[VehicleColumn.DECORATED] > 0.5 and abs(z - 0.55) < 0.06:
            r, g, b = row[_SECOND], row[_SECOND + 1], row[_SECOND + 2]
        if x > half_length - 0.32 and 0.52 < z < 0.74:
            return 0.75, 0.75, 0.72, 0.4
        if x < 0.28 - half_length and 0.62 < z < 0.92:
            return 0.45, 0.02, 0.02, 0.4
    seed = int(row[Common.SEED])
    if nx > 0.35 and x > half_length - 0.5:  # front: lamps, plate, grille
        if 0.53 < z < 0.74 and abs(y) > half_width - 0.48:
            return 0.85, 0.85, 0.8, 0.5
        if abs(y) < 0.27 and 0.36 < z < 0.49:
            ink = number_plate(y, z, 0.36, footprint, seed)
            return 0.8 - 0.7 * ink, 0.8 - 0.7 * ink, 0.78 - 0.65 * ink, 0.0
        if 0.5 < z < 0.72 and abs(y) < half_width - 0.5:
            grey = 0.13 if fraction(z * 18) < 0.4 and footprint < 0.06 else 0.03
            return grey, grey, grey, 0.2
        if z < 0.36:
            return 0.03, 0.03, 0.03, 0.05
    if nx < -0.35 and x < 0.5 - half_length:  # rear: lamps, plate
        if 0.62 < z < 0.92 and abs(y) > half_width - 0.45:
            return 0.55, 0.015, 0.015, 0.4
        if abs(y) < 0.27 and 0.5 < z < 0.63:
            ink = number_plate(y, z, 0.5, footprint, seed)
            return 0.8 - 0.7 * ink, 0.75 - 0.65 * ink, 0.6 - 0.5 * ink, 0.0
        if z < 0.36:
            return 0.03, 0.03, 0.03, 0.05
    if nz > 0.8 and z < belt + 0.15 and x > foot_x + 0.08 and abs(abs(y) - half_width * 0.6) < 0.012:
        return r * 0.5, g * 0.5, b * 0.5, gloss  # edges of the bonnet
    return r, g, b, gloss


@kernel("Tuple((f8,f8,f8,f8))(f8,f8,f8,f8,f8,f8[::1])")
def bus_side(x: float, y: float, z: float, height: float, half_length: float, row: Array) -> Surface:
    """Windows, doors on the right, stripe or advertisement."""
    if in_wheel_arch(x, z, 0.09, row):
        return 0.012, 0.012, 0.012, 0.0
    if 1.15 < z < height - 0.55 and 0.7 - half_length < x < half_length - 0.35:
        if fraction(x / 1.45) > 0.06:
            return 0.03, 0.033, 0.036, 0.7
        return 0.04, 0.04, 0.04, 0.2
    if y < 0 and 0.3 < z < height - 0.55:
        for door in range(2):
            offset = abs(x - (half_length - 1.1 if door == 0 else -0.8))
            if offset < 0.6:
                if abs(offset - 0.3) > 0.04 and offset < 0.54:
                    return 0.03, 0.033, 0.036, 0.6
                return 0.2, 0.2, 0.2, 0.1
    seed = int(row[Common.SEED])
    r, g, b = row[_SECOND], row[_SECOND + 1], row[_SECOND + 2]
    if 0.55 < z < 1.12:
        start = 0.7 * half_length
        if row[VehicleColumn.DECORATED] > 0.5 and -start < x < 0.4 * half_length:
            ink = lettering((x + start) * 1.9, (z - 0.6) / 0.5, seed + 5) if 0.6 < z < 1.1 else 0.0
            return r + (0.9 - r) * ink, g + (0.9 - g) * ink, b + (0.85 - b) * ink, 0.2
        if z > 0.8 + 0.1 * math.sin(x * 0.7 + seed):
            return r, g, b, 0.3
    if z < 0.4:
        return 0.05, 0.05, 0.05, 0.1
    return row[0], row[1], row[2], 0.3


@kernel("Tuple((f8,f8,f8,f8))(f8,f8,f8,f8,f8,f8,f8,f8[::1])")
def bus(x: float, y: float, z: float, nx: float, ny: float, nz: float, footprint: float, row: Array) -> Surface:
    """A bus with destination board, windows all round and lamps."""
    height = row[VehicleColumn.HEIGHT]
    width = row[VehicleColumn.WIDTH]
    if abs(ny) > 0.5:
        return bus_side(x, y, z, height, row[VehicleColumn.LENGTH] * 0.5, row)
    if nx > 0.4:
        if height - 0.5 < z < height - 0.15 and abs(y) < width * 0.36:
            board = lettering((y + width * 0.36) * 5, (height - 0.17 - z) / 0.32, int(row[Common.SEED]) + 1)
            return 0.02 + 0.9 * board, 0.02 + 0.55 * board, 0.02, 0.1
        if 0.95 < z < height - 0.55 and abs(y) < width * 0.46:
            return 0.03, 0.033, 0.036, 0.75
        if 0.5 < z < 0.75 and abs(y) > width * 0.32:
            return 0.85, 0.85, 0.8, 0.5
    elif nx < -0.4:
        if 1.6 < z < height - 0.6 and abs(y) < width * 0.4:
            return 0.03, 0.033, 0.036, 0.6
        if 0.7 < z < 1.1 and abs(y) > width * 0.38:
            return 0.5, 0.02, 0.02, 0.4
    if abs(nx) > 0.4 and z < 0.42:
        return 0.05, 0.05, 0.05, 0.1
    return row[0], row[1], row[2], 0.3


@kernel("Tuple((f8,f8,f8,f8))(f8,f8,f8,f8,f8,f8,f8,f8[::1])")
def cargo_box(x: float, y: float, z: float, nx: float, ny: float, nz: float, footprint: float, row: Array) -> Surface:
    """The box of a lorry or trailer: ribs, a firm's graphics on the sides, doors at the back."""
    seed = int(row[Common.SEED])
    length = max(row[VehicleColumn.CARGO_FRONT_X] - row[VehicleColumn.CARGO_BACK_X], 0.1)
    height = max(row[VehicleColumn.CARGO_TOP_Z] - row[VehicleColumn.CARGO_FLOOR_Z], 0.1)
    u = (x - row[VehicleColumn.CARGO_BACK_X]) / length
    w = (z - row[VehicleColumn.CARGO_FLOOR_Z]) / height
    tint = 1 - 0.12 * (1.0 if fraction(x * 1.6) < 0.06 else 0.0) * fade(footprint, 0.3)
    if abs(ny) > 0.5:
        if row[VehicleColumn.DECORATED] > 0.5:
            stripe = u * 3 + w * (1.2 if hash01(1, 2, seed) < 0.5 else -1.2)
            if 1.0 < stripe < 1.5:
                return row[0] * tint, row[1] * tint, row[2] * tint, 0.15
            du = (u - 0.25) * length
            dw = (w - 0.55) * height
            if du * du + dw * dw < 0.3:
                return row[0], row[1], row[2], 0.15
            ink = lettering((u - 0.38) * length * 2.2, (w - 0.42) / 0.28, seed + 2)
            if 0.42 < w < 0.7 and 0.38 < u < 0.9 and ink > 0.5:
                return row[0] * 0.8, row[1] * 0.8, row[2] * 0.8, 0.1
        if w < 0.06:
            return 0.6, 0.6 if fraction(x * 2) < 0.5 else 0.1, 0.08, 0.2
    elif nx < -0.5:
        if abs(y) < 0.02 or abs(abs(y) - 0.9) < 0.03:
            return 0.1, 0.1, 0.1, 0.1
        if w < 0.12:
            if fraction(y * 3) < 0.5:
                return 0.7, 0.05, 0.03, 0.2
            return 0.8, 0.75, 0.7, 0.2
    return row[_SECOND] * tint, row[_SECOND + 1] * tint, row[_SECOND + 2] * tint, 0.15


@kernel("Tuple((f8,f8,f8,f8))(f8,f8,f8,f8[::1])")
def tyre(x: float, z: float, ny: float, row: Array) -> Surface:
    """Rubber, and on its flat side the spokes of the rim."""
    if abs(ny) > 0.7:
        radius = row[VehicleColumn.WHEEL_RADIUS]
        dx = x - row[VehicleColumn.FRONT_AXLE_X]
        if abs(x - row[VehicleColumn.REAR_AXLE_X]) < abs(dx):
            dx = x - row[VehicleColumn.REAR_AXLE_X]
        dz = z - radius
        distance = math.sqrt(dx * dx + dz * dz)
        if distance < radius * 0.66:
            spoke = fraction(math.atan2(dz, dx) * (5 + (int(row[Common.SEED]) % 3)) / (2 * math.pi))
            if distance < radius * 0.14 or spoke < 0.45 or distance > radius * 0.58:
                return 0.45, 0.45, 0.46, 0.3
            return 0.04, 0.04, 0.04, 0.0
    return 0.02, 0.02, 0.02, 0.0
