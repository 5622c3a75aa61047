"""Plain walls of buildings: brick, plaster, concrete panels, siding; roofs, tiles and fences."""

from __future__ import annotations

from streetsim.kernels import kernel
from streetsim.materials import WallStyle
from streetsim.textures.noise import cell, fade, fractal_noise, fraction, hash01


@kernel("Tuple((f8,f8,f8))(f8,f8,f8,i8,f8,f8,f8,i8)")
def wall(
    u: float, z: float, footprint: float, style: int, red: float, green: float, blue: float, seed: int
) -> tuple[float, float, float]:
    """Colour of a wall at u metres along it and z metres above the ground, from its mean colour."""
    weather = 0.8 + 0.4 * fractal_noise(u * 0.5, z * 0.5, seed + 3, footprint * 0.5)
    shade = weather * (1 + 0.25 * (fractal_noise(u * 6, z * 6, seed + 5, footprint * 6) - 0.5))
    if style == WallStyle.BRICK:
        width, height = 0.26, 0.085
        row = cell(z / height)
        shift = 0.5 * (row & 1)
        column = cell(u / width + shift)
        tint = shade * (1 + 0.5 * (hash01(column, row, seed) - 0.5) * fade(footprint, width))
        visible = fade(footprint, height)
        if visible > 0 and (u / width + shift - column < 0.06 or z / height - row < 0.16):  # mortar
            return (
                shade * (red + (0.42 - red) * visible),
                shade * (green + (0.40 - green) * visible),
                shade * (blue + (0.36 - blue) * visible),
            )
        return red * tint, green * tint, blue * tint
    if style == WallStyle.CONCRETE:
        tint = shade * (1 + 0.16 * (hash01(cell(u / 2.4), cell(z / 3.0), seed) - 0.5))
        if fraction(u / 2.4) < 0.012 or fraction(z / 3.0) < 0.01:
            tint *= 1 - 0.5 * fade(footprint, 0.3)
        return red * tint, green * tint, blue * tint
    if style == WallStyle.SIDING:
        board = fraction(z / 0.2)
        visible = fade(footprint, 0.2)
        tint = shade * (1 - 0.3 * visible * (1.0 if board < 0.15 else 0.0) + 0.08 * visible * (board - 0.5))
        return red * tint, green * tint, blue * tint
    # plaster with streaks of rain
    tint = shade + 0.12 * (fractal_noise(u * 2.3, z * 0.22, seed + 8, footprint * 2.3) - 0.5)
    return red * tint, green * tint, blue * tint


@kernel("f8(f8,f8,f8,i8)")
def flat_roof(x: float, y: float, footprint: float, seed: int) -> float:
    """Factor on the colour of a flat roof."""
    patches = fractal_noise(x * 0.4, y * 0.4, seed, footprint)
    return 0.6 + 0.5 * patches + 0.3 * (fractal_noise(x * 5, y * 5, 3, footprint * 5) - 0.5)


@kernel("f8(f8,f8,f8,i8)")
def tiles(u: float, z: float, footprint: float, seed: int) -> float:
    """Factor on the colour of a tiled roof."""
    v = z * 1.3
    row = cell(v / 0.3)
    column = cell(u / 0.25 + 0.5 * (row & 1))
    visible = fade(footprint, 0.3)
    tint = 0.75 + 0.35 * fractal_noise(u * 0.5, v * 0.5, seed, footprint * 0.5)
    tint += 0.35 * visible * (hash01(column, row, seed) - 0.5)
    if v / 0.3 - row < 0.12:
        tint *= 1 - 0.45 * visible
    return tint


@kernel("f8(f8,f8,f8,i8)")
def fence(u: float, z: float, footprint: float, seed: int) -> float:
    """Factor on the colour of a fence of boards."""
    tint = 0.7 + 0.5 * hash01(cell(u / 0.18), 3, seed)
    if fraction(u / 0.18) < 0.1:
        tint *= 1 - 0.6 * fade(footprint, 0.18)
    return tint * (0.85 + 0.3 * fractal_noise(u * 2, z * 12, 4, footprint * 8))
