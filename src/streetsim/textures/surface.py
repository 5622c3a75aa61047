"""Which texture a material has: colour, gloss, own light and translucency of any point of the scene."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streetsim.kernels import kernel
from streetsim.materials import Common, FacadeColumn, Material
from streetsim.textures.facade import facade
from streetsim.textures.ground import EARTH, grass, kerb, paving
from streetsim.textures.noise import fractal_noise, fraction, soft_step
from streetsim.textures.road import road
from streetsim.textures.things import (
    barrier,
    billboard,
    cone,
    hedge,
    leaf,
    safety_vest,
    shirt,
    sign,
    traffic_light,
)
from streetsim.textures.vehicles import bus, car, cargo_box, tyre
from streetsim.textures.walls import fence, flat_roof, tiles

Array = NDArray[np.float64]
Surface = tuple[float, float, float, float]  # red, green, blue, gloss

_SECOND = int(Common.SECOND_COLOUR)
_THIRD = int(Common.THIRD_COLOUR)
LEAF_TRANSLUCENCY = 0.45


@kernel("Tuple((f8,f8,f8,f8))(f8,f8,f8,f8[:,::1],f8[:,::1],f8[::1],f8)")
def wet_road(
    s: float, t: float, footprint: float, vertical: Array, horizontal: Array, style: Array, wetness: float
) -> Surface:
    """The carriageway, darker and mirroring where it is wet, most of all in puddles."""
    r, g, b, _ = road(s, t, footprint, vertical, horizontal, style)
    if wetness <= 0:
        return r, g, b, 0.0
    puddle = 1 - soft_step(0.43, fractal_noise(s * 0.3, t * 0.3, 303, footprint * 0.3), 0.08)
    tint = 1 - 0.5 * wetness * (0.45 + 0.55 * puddle)
    return r * tint, g * tint, b * tint, wetness * (0.16 + 0.55 * puddle)


@kernel("Tuple((f8,f8,f8,f8))(f8,f8,f8,f8,f8,f8,f8[::1])")
def building_front(x: float, y: float, z: float, nx: float, ny: float, footprint: float, row: Array) -> Surface:
    """A facade, its wall chosen by the normal in the building's own frame."""
    height = row[FacadeColumn.HEIGHT]
    if abs(nx) > abs(ny):
        return facade(y, z, height, row[FacadeColumn.LENGTH_Y], footprint, row, 1 if nx > 0 else 2)
    return facade(x, z, height, row[FacadeColumn.LENGTH_X], footprint, row, 3 if ny > 0 else 4)


@kernel("Tuple((f8,f8,f8,f8))(u1,f8,f8,f8,f8,f8,f8,f8,f8[::1],f8[:,::1],f8[:,::1],f8[::1],f8)")
def ground_or_building(
    material: int,
    x: float,
    y: float,
    z: float,
    nx: float,
    ny: float,
    nz: float,
    footprint: float,
    row: Array,
    vertical: Array,
    horizontal: Array,
    style: Array,
    wetness: float,
) -> Surface:
    """Everything that is part of the town itself."""
    seed = int(row[Common.SEED])
    if material == Material.ROAD:
        return wet_road(x, y, footprint, vertical, horizontal, style, wetness)
    if material == Material.FACADE:
        return building_front(x, y, z, nx, ny, footprint, row)
    if material == Material.WALK:
        r, g, b = paving(x, y, footprint, int(row[Common.STYLE]), 3)
        tint = 0.7 if wetness > 0 else 1.0
        return r * tint, g * tint, b * tint, 0.25 * wetness
    if material == Material.CURB:
        r, g, b = kerb(x, y, footprint, row[Common.MARKING])
        return r, g, b, 0.0
    if material == Material.GRASS:
        r, g, b = grass(x, y, footprint, int(row[Common.STYLE]), seed)
        return r, g, b, 0.0
    if material == Material.DIRT:
        r, g, b = grass(x, y, footprint, EARTH, 77)
        return r, g, b, 0.0
    if material == Material.PLAZA:
        r, g, b = paving(x * 0.9 + y * 0.3, y * 0.9 - x * 0.3, footprint, int(row[Common.STYLE]), 9)
        return r * row[0] * 1.6, g * row[1] * 1.6, b * row[2] * 1.6, 0.0
    along = x if abs(ny) > abs(nx) else y
    if material == Material.FENCE:
        tint = fence(along, z, footprint, seed)
        return row[0] * tint, row[1] * tint, row[2] * tint, 0.0
    tint = flat_roof(x, y, footprint, seed) if material == Material.ROOF else tiles(along, z, footprint, seed)
    return row[_THIRD] * tint, row[_THIRD + 1] * tint, row[_THIRD + 2] * tint, 0.0


@kernel("Tuple((f8,f8,f8,f8))(u1,f8,f8,f8,f8,f8,f8,f8,f8[::1],i8)")
def plain_thing(
    material: int,
    x: float,
    y: float,
    z: float,
    nx: float,
    ny: float,
    nz: float,
    footprint: float,
    row: Array,
    triangle: int,
) -> Surface:
    """Everything that needs no more than a colour and a little pattern."""
    seed = int(row[Common.SEED])
    r, g, b, gloss = row[0], row[1], row[2], 0.0
    if material == Material.LEAF:
        tint = leaf(x, y, z, footprint, triangle, seed)
        r, g, b = r * tint, g * tint, b * tint
    elif material == Material.HEDGE:
        tint = hedge(x, y, z, footprint, seed)
        r, g, b = r * tint, g * tint, b * tint
    elif material == Material.BARK:
        tint = 0.5 + 0.8 * fractal_noise(x * 9 + y * 9, z * 2.2, 5, footprint * 5)
        r, g, b = row[_THIRD] * tint, row[_THIRD + 1] * tint, row[_THIRD + 2] * tint
    elif material == Material.METAL:
        r, g, b, gloss = 0.35, 0.36, 0.38, 0.35
    elif material == Material.POLE:
        tint = 0.85 + 0.3 * (fractal_noise(z * 2, x * 5, 3, footprint) - 0.5)
        r, g, b, gloss = r * tint, g * tint, b * tint, 0.1
    elif material == Material.SHIRT:
        r, g, b = shirt(y, z, row)
    elif material in (Material.PANTS, Material.PLAIN2):
        r, g, b = row[_SECOND], row[_SECOND + 1], row[_SECOND + 2]
    elif material == Material.SKIN:
        r, g, b = row[_THIRD], row[_THIRD + 1], row[_THIRD + 2]
    elif material == Material.HAIR:
        r, g, b = row[_THIRD] * 0.15, row[_THIRD + 1] * 0.12, row[_THIRD + 2] * 0.1
    elif material == Material.SHOE:
        r, g, b = 0.03, 0.03, 0.03
    elif material == Material.VEST:
        r, g, b = safety_vest(y, z, row)
    elif material == Material.SIGN:
        r, g, b = sign(y, z, nx, row)
    elif material == Material.BARRIER:
        r, g, b = barrier(x, y, z, footprint, row)
    elif material == Material.CONE:
        r, g, b = cone(z, row)
    elif material == Material.AWNING:
        if fraction((x if abs(nx) < 0.7 else y) / 0.4) < 0.5:
            r, g, b = row[_SECOND], row[_SECOND + 1], row[_SECOND + 2]
    elif material == Material.BILLBOARD:
        r, g, b = billboard(y if abs(nx) > 0.5 else x, z, row)
    elif material == Material.GLASS:
        r, g, b, gloss = 0.03, 0.035, 0.04, 0.7
    return r, g, b, gloss


@kernel("Tuple((f8,f8,f8,f8,f8))(u1,f8[::1],f8,f8[::1],i8,f8[:,::1],f8[:,::1],f8[::1],f8)")
def surface(
    material: int,
    local: Array,
    footprint: float,
    row: Array,
    triangle: int,
    vertical: Array,
    horizontal: Array,
    style: Array,
    wetness: float,
) -> tuple[float, float, float, float, float]:
    """Red, green, blue, gloss and own light of a point.

    Args:
        material: value of `Material`.
        local: texture coordinates and face normal in the same frame, six numbers.
        footprint: width of a pixel on the surface, metres.
        row: parameters of the object.
        triangle: its number, tells leaves apart.
        vertical, horizontal, style: the street network, see `textures.road`.
        wetness: 0 dry to 1.
    """
    x, y, z, nx, ny, nz = local[0], local[1], local[2], local[3], local[4], local[5]
    glow = 0.0
    if (
        material <= Material.ROOF
        or material == Material.TILE
        or material == Material.FENCE
        or material == Material.DIRT
    ):
        r, g, b, gloss = ground_or_building(
            material, x, y, z, nx, ny, nz, footprint, row, vertical, horizontal, style, wetness
        )
    elif material == Material.VEHICLE:
        r, g, b, gloss = car(x, y, z, nx, ny, nz, footprint, row)
    elif material == Material.BUS:
        r, g, b, gloss = bus(x, y, z, nx, ny, nz, footprint, row)
    elif material == Material.BOXTRUCK:
        r, g, b, gloss = cargo_box(x, y, z, nx, ny, nz, footprint, row)
    elif material == Material.TIRE:
        r, g, b, gloss = tyre(x, z, ny, row)
    elif material == Material.LIGHTHEAD:
        r, g, b, glow = traffic_light(x, y, z, row)
        gloss = 0.0
    else:
        r, g, b, gloss = plain_thing(material, x, y, z, nx, ny, nz, footprint, row, triangle)
        if material == Material.PLAIN1:
            gloss = row[19] * 0.2
    return r, g, b, gloss, glow
