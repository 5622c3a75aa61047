"""Fronts of buildings: storeys of windows, shops or a door on the ground floor, cornices.

Coordinates: u metres along the wall from its middle, z metres above the ground. Gloss is the share of the sky that a
pane of glass mirrors.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streetsim.kernels import kernel
from streetsim.materials import Common, FacadeColumn, GroundFloor, WallStyle
from streetsim.textures.noise import cell, fade, fractal_noise, fraction, hash01, lettering
from streetsim.textures.walls import wall

Array = NDArray[np.float64]
Surface = tuple[float, float, float, float]  # red, green, blue, gloss

_SECOND = int(Common.SECOND_COLOUR)


@kernel("Tuple((f8,f8,f8,f8))(f8,f8,f8,i8,i8)")
def shop_window(along: float, z: float, storey: float, shop: int, seed: int) -> Surface:
    """A dark room behind glass, with a lit wall or posters in some."""
    kind = hash01(shop, 21, seed)
    room = 0.03 + 0.05 * fractal_noise(along * 1.1, z * 1.1, seed + shop, 0.0)
    r, g, b = room, room * 0.95, room * 0.9
    if kind > 0.6:
        r += 0.16 * (z / storey)
        g += 0.13 * (z / storey)
        b += 0.07 * (z / storey)
    poster = cell(along / 0.9)
    across = along / 0.9 - poster
    top = 0.9 + 0.9 * hash01(poster, 23, seed)
    if hash01(poster, 22, seed + shop) < 0.45 and 0.15 < across < 0.85 and 0.9 < z < top:
        hue = hash01(poster, 24, seed + shop)
        ink = 1.0 if fraction(z * 4) > 0.3 else 0.5
        return (0.1 + 0.6 * hue) * ink, (0.1 + 0.5 * hash01(poster, 25, seed)) * ink, (0.6 - 0.5 * hue) * ink, 0.25
    return r, g, b, 0.5


@kernel("Tuple((f8,f8,f8,f8,b1))(f8,f8,f8,f8,f8,i8)")
def shop_front(
    along: float, z: float, bay: float, storey: float, footprint: float, seed: int
) -> tuple[float, float, float, float, bool]:
    """A shop two bays wide: board with lettering, glass, door, plinth; the last value tells whether the wall shows."""
    shop = cell(along / (2 * bay))
    x = along - shop * 2 * bay
    r = 0.15 + 0.65 * hash01(shop, 4, seed)
    g = 0.1 + 0.6 * hash01(shop, 5, seed)
    b = 0.1 + 0.6 * hash01(shop, 6, seed)
    if storey - 0.85 < z < storey - 0.1 and 0.15 < x < 2 * bay - 0.15:
        if 0.5 < x < 2 * bay - 0.6 and storey - 0.75 < z < storey - 0.2 and footprint < 0.25:
            ink = lettering((x - 0.5) / 0.5, (z - storey + 0.75) / 0.55, seed + shop * 7) * fade(footprint, 0.25)
            light = hash01(shop, 3, seed) < 0.5
            r += ((0.85 if light else 0.05) - r) * ink
            g += ((0.85 if light else 0.05) - g) * ink
            b += ((0.8 if light else 0.06) - b) * ink
        return r, g, b, 0.0, False
    if 0.45 < z < storey - 0.95 and 0.2 < x < 2 * bay - 0.2:
        if fraction(x / 1.3) < 0.05 and footprint < 0.2:
            return r * 0.3, g * 0.3, b * 0.3, 0.0, False
        if 1.4 * bay < x < 1.4 * bay + 1.0:
            return 0.05, 0.05, 0.055, 0.6, False
        wr, wg, wb, gloss = shop_window(x, z, storey, shop, seed)
        return wr, wg, wb, gloss, False
    if z <= 0.45:
        return r * 0.5, g * 0.5, b * 0.5, 0.0, False
    return r, g, b, 0.0, True


@kernel("Tuple((f8,f8,f8,f8))(f8,f8,i8)")
def house_door(x: float, z: float, seed: int) -> Surface:
    """A panelled door with a light frame; x from its middle."""
    if abs(x) > 0.47 or z > 2.15:
        return 0.55, 0.53, 0.5, 0.0
    hue = hash01(3, 3, seed)
    panel = 0.12 < abs(x) < 0.36 and (abs(z - 0.6) < 0.35 or abs(z - 1.5) < 0.4)
    tint = 0.75 if panel else 1.0
    return (0.08 + 0.35 * hue) * tint, (0.27 - 0.2 * hue) * tint, (0.06 + 0.25 * hash01(4, 3, seed)) * tint, 0.05


@kernel("Tuple((f8,f8,f8,f8))(f8,f8,f8,f8,i8,i8)")
def pane(x: float, y: float, width: float, height: float, number: int, seed: int) -> Surface:
    """What is seen through a window: darkness, blinds, curtains or a lit room."""
    draw = hash01(number, 1, seed)
    grey = 0.035 + 0.05 * draw
    if draw > 0.55:
        kind = hash01(number, 2, seed)
        if kind < 0.4 and y > height * (1 - 0.9 * hash01(number, 3, seed)):
            return 0.35, 0.33, 0.28, 0.25
        if 0.4 <= kind < 0.75 and (x < width * 0.25 or x > width * 0.75):
            return 0.28 + 0.2 * hash01(number, 4, seed), 0.25, 0.2 + 0.1 * draw, 0.25
        if kind > 0.93:
            return 0.75, 0.6, 0.3, 0.1
    return grey, grey * 1.05, grey * 1.12, 0.55


@kernel("Tuple((f8,f8,f8,f8))(f8,f8,f8,f8,f8,f8,f8,f8,f8,f8[::1],i8,i8)")
def window(
    x: float,
    y: float,
    width: float,
    height: float,
    share: float,
    footprint: float,
    r: float,
    g: float,
    b: float,
    row: Array,
    number: int,
    seed: int,
) -> Surface:
    """A window in a wall of colour r, g, b; x, y from the lower left corner of its opening, all in metres.

    share: which part of its bay and storey the opening covers: from afar the wall darkens by that much.
    """
    visible = fade(footprint, min(width, height) * 1.6)
    if 0 < x < width and 0 < y < height:
        pr, pg, pb, gloss = pane(x, y, width, height, number, seed)
        curtain_wall = int(row[FacadeColumn.WALL]) == WallStyle.GLASS
        frame = 0.03 if curtain_wall else 0.055
        mullion = abs(x - 0.5 * width) < 0.03 or (row[FacadeColumn.TRANSOM] > 0.5 and abs(y - 0.62 * height) < 0.03)
        if x < frame or x > width - frame or y < frame or y > height - frame or (mullion and not curtain_wall):
            pr, pg, pb, gloss = row[_SECOND], row[_SECOND + 1], row[_SECOND + 2], 0.0
        r += (pr - r) * visible
        g += (pg - g) * visible
        b += (pb - b) * visible
        reveal = y > height - 0.18 and gloss > 0  # shadow of the lintel
        gloss *= visible
        if visible < 1:
            far = share * (1 - visible)
            r += (0.07 - r) * far
            g += (0.075 - g) * far
            b += (0.08 - b) * far
            gloss += 0.4 * far
        tint = 0.6 if reveal else 1.0
        return r * tint, g * tint, b * tint, gloss
    sill = 0.9 if y < 0 else 1.0
    if y < 0 or row[FacadeColumn.SURROUND] > 0.5:
        r += (row[_SECOND] * sill - r) * visible
        g += (row[_SECOND + 1] * sill - g) * visible
        b += (row[_SECOND + 2] * sill - b) * visible
        return r, g, b, 0.0
    tint = 1 - 0.15 * visible
    return r * tint, g * tint, b * tint, 0.0


@kernel("Tuple((f8,f8,f8,f8))(f8,f8,f8,f8,f8,f8[::1],i8)")
def facade(u: float, z: float, height: float, length: float, footprint: float, row: Array, face: int) -> Surface:
    """Red, green, blue and gloss of a building's front.

    `height` and `length` are those of this wall, `row` the building's parameters, `face` which of its four walls.
    """
    seed = int(row[Common.SEED])
    storey = row[FacadeColumn.STOREY_HEIGHT]
    style = int(row[FacadeColumn.WALL])
    bays = max(1.0, math.floor(length / row[FacadeColumn.BAY_WIDTH]))
    bay = length / bays
    along = u + length * 0.5
    plain = WallStyle.CONCRETE if style == WallStyle.GLASS else style
    r, g, b = wall(u, z, footprint, int(plain), row[0], row[1], row[2], seed)
    if z < 0.7:  # grime of the street
        r *= 0.72 + 0.4 * z
        g *= 0.72 + 0.4 * z
        b *= 0.72 + 0.4 * z
    face_seed = seed + 131 * face
    floor = math.floor(z / storey)
    z_in = z - floor * storey
    number = math.floor(along / bay)
    x_in = along - number * bay
    if floor == 0 and int(row[FacadeColumn.GROUND_FLOOR]) == GroundFloor.SHOPS:
        sr, sg, sb, gloss, bare = shop_front(along, z_in, bay, storey, footprint, face_seed)
        if bare:
            return r, g, b, 0.0
        return sr, sg, sb, gloss
    if floor == 0 and int(row[FacadeColumn.GROUND_FLOOR]) == GroundFloor.DOOR:
        door_bay = int(bays * hash01(9, 9, face_seed))
        if int(number) == door_bay and abs(x_in - 0.5 * bay) < 0.55 and z_in < 2.25:
            return house_door(x_in - 0.5 * bay, z_in, face_seed)
    if floor >= math.floor(height / storey):  # parapet
        if z > height - 0.35:
            return row[_SECOND] * 0.9, row[_SECOND + 1] * 0.9, row[_SECOND + 2] * 0.9, 0.0
        return r, g, b, 0.0
    if style != WallStyle.GLASS and row[FacadeColumn.CORNICE] > 0.5 and z_in < 0.16:
        return row[_SECOND], row[_SECOND + 1], row[_SECOND + 2], 0.0
    width = row[FacadeColumn.WINDOW_WIDTH_FRACTION] * bay
    opening = row[FacadeColumn.WINDOW_HEIGHT_FRACTION] * storey
    x = x_in - 0.5 * (bay - width)
    y = z_in - 0.5 * (storey - opening) - 0.12
    if -0.12 < x < width + 0.12 and -0.14 < y < opening + 0.1:
        share = width * opening / (bay * storey)
        room = int(number) * 57 + int(floor) * 131
        return window(x, y, width, opening, share, footprint, r, g, b, row, room, face_seed)
    return r, g, b, 0.0
