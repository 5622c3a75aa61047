"""Pavements, lawns and bare earth, in metres of the town's design plane."""

from __future__ import annotations

import math

from streetsim.kernels import kernel
from streetsim.textures.noise import cell, fade, fractal_noise, hash01, value_noise

SLABS, PAVERS, BRICKS = range(3)  # pavement styles
LAWN, MEADOW, EARTH = range(3)  # kinds of grass


@kernel("Tuple((f8,f8,f8))(f8,f8,f8,i8,i8)")
def paving(s: float, t: float, footprint: float, style: int, seed: int) -> tuple[float, float, float]:
    """Slabs of 1.5 m, pavers of 0.4 m or bricks of 0.25 m, with joints and stains."""
    if style == SLABS:
        edge, base, spread = 1.5, 0.34, 0.06
    elif style == PAVERS:
        edge, base, spread = 0.4, 0.27, 0.16
    else:
        edge, base, spread = 0.25, 0.2, 0.2
    row = cell(t / edge)
    shift = 0.5 * (row & 1) if style != SLABS else 0.0
    column = cell(s / edge + shift)
    visible = fade(footprint, edge)
    value = base * (1 + spread * (hash01(column, row, seed) - 0.5) * 2 * visible)
    joint = 0.02 / edge if style != SLABS else 0.012
    if visible > 0 and (s / edge + shift - column < joint or t / edge - row < joint):
        value *= 1 - 0.45 * visible
    stains = fractal_noise(s * 0.8, t * 0.8, 71, footprint * 0.8)
    grain = fractal_noise(s * 9, t * 9, 73, footprint * 9)
    value *= 0.9 + 0.35 * stains + 0.3 * (grain - 0.5)
    if style == BRICKS:
        return value * 1.35, value * 0.85, value * 0.68
    if style == PAVERS:
        return value * 1.06, value, value * 0.92
    return value * 1.02, value, value * 0.95


@kernel("Tuple((f8,f8,f8))(f8,f8,f8,i8,i8)")
def grass(s: float, t: float, footprint: float, kind: int, seed: int) -> tuple[float, float, float]:
    """A mown lawn with stripes and flowers, a dry meadow, or bare earth."""
    patches = fractal_noise(s * 0.25, t * 0.25, seed + 1, footprint * 0.25)
    tufts = fractal_noise(s * 3.1, t * 3.1, seed + 4, footprint * 3.1)
    blades = value_noise(s * 23, t * 31, seed + 7) if footprint < 0.05 else 0.5
    if kind == EARTH:
        value = 0.6 + 0.7 * tufts
        return 0.2 * value, 0.15 * value, 0.1 * value
    lush = 0.55 + 0.5 * (patches - 0.5) + 0.7 * (tufts - 0.5) + 0.5 * (blades - 0.5)
    r = 0.085 * lush + 0.07 * (1 - lush)
    g = 0.16 * lush + 0.05 * (1 - lush)
    b = 0.035 * lush + 0.025 * (1 - lush)
    dry = patches * 1.7 - 0.55 + (0.35 if kind == MEADOW else 0.0)
    if dry > 0:
        weight = min(dry, 1.0) * 0.7
        straw = 0.6 + 0.6 * tufts
        r += (0.26 * straw - r) * weight
        g += (0.21 * straw - g) * weight
        b += (0.11 * straw - b) * weight
    if footprint < 0.04 and patches > 0.55 and hash01(cell(s * 14), cell(t * 14), seed + 9) > 0.985:
        flower = hash01(cell(s * 14), cell(t * 14), seed + 10)
        return 0.55, 0.5 if flower < 0.5 else 0.15, 0.1 if flower < 0.7 else 0.5
    if kind == LAWN:
        stripe = 1 + 0.1 * math.sin(s * 4.2) * fade(footprint, 1.5)
        return r * stripe, g * stripe, b * stripe
    return r, g, b


@kernel("Tuple((f8,f8,f8))(f8,f8,f8,f8)")
def kerb(s: float, t: float, footprint: float, painted: float) -> tuple[float, float, float]:
    """Kerb stones of one metre, here and there painted yellow (1) or red (2)."""
    grey = 0.4 * (0.8 + 0.4 * fractal_noise(s, t, 5, footprint))
    if s + t - math.floor(s + t) < 0.02 and footprint < 0.05:
        grey *= 0.6
    if painted > 0.5 and value_noise(s * 0.05, t * 0.05, 8) > 0.62:
        return 0.6, 0.45 if painted < 1.5 else 0.0675, 0.06
    return grey, grey, grey * 0.96
