"""The carriageway: asphalt with patches, cracks and manholes, and the paint on it.

Coordinates are the town's design plane (s, t) in metres, before its streets are bent. A street is a row of
`vertical_streets` (constant s) or `horizontal_streets` (constant t): centre, half width, lane width, lanes per
direction, half width of the median, width of the parking lane, 1 for a yellow centre line.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streetsim.kernels import kernel
from streetsim.textures.noise import band, cell, fractal_noise, fraction, hash01, soft_step, value_noise

Array = NDArray[np.float64]

CENTRE, HALF_WIDTH, LANE_WIDTH, LANES, MEDIAN, PARKING, YELLOW = range(7)
TONE, PAINT_STRENGTH, ZEBRA = 0, 2, 3  # columns of `road_style`


@kernel("Tuple((f8,i8))(f8,f8[:,::1])")
def nearest_street(x: float, streets: Array) -> tuple[float, int]:
    """Signed distance in metres to the edge of the nearest street (negative on it), and that street's row."""
    best = 1e9
    row = -1
    for i in range(streets.shape[0]):
        distance = abs(x - streets[i, CENTRE]) - streets[i, HALF_WIDTH]
        if distance < best:
            best = distance
            row = i
    return best, row


@kernel("f8(f8,f8,f8,f8)")
def asphalt(s: float, t: float, footprint: float, tone: float) -> float:
    """Grey of bare asphalt."""
    blotches = fractal_noise(s * 0.35, t * 0.35, 11, footprint * 0.35)
    grain = fractal_noise(s * 7.0, t * 7.0, 21, footprint * 7.0)
    stones = value_noise(s * 38.0, t * 38.0, 31) if footprint < 0.03 else 0.5
    grey = tone * (0.72 + 0.38 * blotches + 0.28 * (grain - 0.5) + 0.45 * (stones - 0.5))
    patch_s = cell(s / 7.3)
    patch_t = cell(t / 5.1)
    if hash01(patch_s, patch_t, 91) < 0.17:  # repaired, darker rectangles
        fs = s / 7.3 - patch_s
        ft = t / 5.1 - patch_t
        margin_s = 0.1 + 0.3 * hash01(patch_s, patch_t, 92)
        margin_t = 0.1 + 0.3 * hash01(patch_s, patch_t, 93)
        if margin_s < fs < 1 - margin_s and margin_t < ft < 1 - margin_t:
            grey *= 0.62 + 0.5 * hash01(patch_s, patch_t, 94)
    if footprint < 0.12:
        crack = abs(fractal_noise(s * 0.9 + 3.1, t * 0.9, 41, footprint) - 0.5)
        if crack < 0.012:
            grey *= 0.55 + 20 * crack
        cover_s = cell(s / 11.0)
        cover_t = cell(t / 17.0)
        if hash01(cover_s, cover_t, 51) < 0.35:  # manhole covers
            ds = s - (cover_s + 0.5) * 11.0
            dt = t - (cover_t + 0.2 + 0.6 * hash01(cover_s, cover_t, 52)) * 17.0
            radius = math.sqrt(ds * ds + dt * dt)
            if radius < 0.42:
                raised = (cell(ds * 14) + cell(dt * 14)) % 2 == 0
                grey = 0.06 if radius > 0.36 else (0.15 if raised else 0.10)
    return grey


@kernel("Tuple((f8,f8))(f8,f8,f8,f8[::1],f8)")
def centre_line(
    across: float, along: float, to_junction: float, street: Array, footprint: float
) -> tuple[float, float]:
    """Paint and its yellowness of the line that parts the two directions."""
    if street[MEDIAN] >= 0.05:
        paint = band(across, street[MEDIAN] + 0.1, street[MEDIAN] + 0.22, footprint)
        return paint, street[YELLOW] if paint > 0 else 0.0
    if street[YELLOW] > 0.5:
        paint = band(across, 0.07, 0.19, footprint)
        return paint, 1.0 if paint > 0 else 0.0
    dashed = fraction(along / 9.0) < 0.45 or to_junction < 18
    return band(across, -0.1, 0.075, footprint) * (1.0 if dashed else 0.0), 0.0


@kernel("f8(f8,f8,f8,f8[::1])")
def lane_arrow(across: float, to_junction: float, edge: float, street: Array) -> float:
    """Paint of the arrows in front of a junction; `across` from the centre, `edge` the outer rim of the last lane."""
    if not (8 < to_junction < 12.5 and street[MEDIAN] < across < edge):
        return 0.0
    lane = math.floor((across - street[MEDIAN]) / street[LANE_WIDTH])
    offset = across - street[MEDIAN] - (lane + 0.5) * street[LANE_WIDTH]
    if to_junction > 9.3 and abs(offset) < 0.08:
        return 1.0
    if to_junction <= 9.3 and abs(offset) < (to_junction - 8) * 0.28:
        return 1.0
    turns = int(lane) == 0 and int(street[LANES]) > 1
    if turns and 9.8 < to_junction < 10.9 and 0 < -offset < 0.55:
        half = 0.12 + (0.35 * (0.55 + offset) if -offset > 0.25 else 0.0)
        if abs(to_junction - 10.35) < half:
            return 1.0
    return 0.0


@kernel("Tuple((f8,f8))(f8,f8,f8,b1,f8[::1],f8)")
def lane_paint(
    across: float, along: float, to_junction: float, incoming: bool, street: Array, footprint: float
) -> tuple[float, float]:
    """Paint and its yellowness between junctions."""
    lanes = int(street[LANES])
    edge = street[MEDIAN] + lanes * street[LANE_WIDTH]
    paint, yellow = centre_line(across, along, to_junction, street, footprint)
    for lane in range(1, lanes):
        dashed = fraction(along / 9.0) < 0.36 or to_junction < 16
        mark = band(abs(across - street[MEDIAN] - lane * street[LANE_WIDTH]), -0.1, 0.065, footprint)
        if dashed and mark > paint:
            paint = mark
            yellow = 0.0
    if street[PARKING] > 0.5:
        mark = band(across, edge - 0.06, edge + 0.06, footprint) * 0.9
        between = abs(fraction(along / 5.8) - 0.5) * 5.8 < 0.06 + 0.5 * footprint
        if between:
            mark = max(mark, band(across, edge, street[HALF_WIDTH] - 0.3, footprint) * 0.9)
    else:
        mark = band(across, street[HALF_WIDTH] - 0.5, street[HALF_WIDTH] - 0.38, footprint)
    if mark > paint:
        paint = mark
        yellow = 0.0
    if incoming:
        paint = max(paint, lane_arrow(across, to_junction, edge, street))
    return paint, yellow


@kernel("Tuple((f8,f8))(f8,f8,f8,b1,f8[::1],f8,f8)")
def marking(
    offset: float, along: float, to_junction: float, incoming: bool, street: Array, zebra: float, footprint: float
) -> tuple[float, float]:
    """Paint (0 … 1) and its yellowness at a signed offset from the street's centre line."""
    across = abs(offset)
    if 1.2 < to_junction < 4.4 and zebra > 0.5:
        paint = soft_step(0.25, abs(fraction(offset) - 0.5), footprint) if footprint < 0.5 else 0.5
        if to_junction < 1.2 + footprint or to_junction > 4.4 - footprint:
            paint *= 0.5
        return paint, 0.0
    edge = street[MEDIAN] + street[LANES] * street[LANE_WIDTH]
    if 5.2 < to_junction < 5.65 and incoming and street[MEDIAN] + 0.15 < across < edge:
        return 1.0, 0.0  # stop line
    if to_junction > 5.65:
        return lane_paint(across, along, to_junction, incoming, street, footprint)
    return 0.0, 0.0


@kernel("f8(f8,f8[::1])")
def tyre_tracks(across: float, street: Array) -> float:
    """Darkening by tyres and oil in every lane, and the lighter gutter is left to the caller."""
    if not street[MEDIAN] < across < street[MEDIAN] + street[LANES] * street[LANE_WIDTH]:
        return 1.0
    f = fraction((across - street[MEDIAN]) / street[LANE_WIDTH])
    tyres = math.exp(-(((f - 0.27) / 0.1) ** 2)) + math.exp(-(((f - 0.73) / 0.1) ** 2))
    return 1.0 - 0.10 * tyres - 0.08 * math.exp(-(((f - 0.5) / 0.08) ** 2))


@kernel("Tuple((f8,f8,f8,f8))(f8,f8,f8,f8[:,::1],f8[:,::1],f8[::1])")
def road(
    s: float, t: float, footprint: float, vertical_streets: Array, horizontal_streets: Array, road_style: Array
) -> tuple[float, float, float, float]:
    """Red, green, blue and paint of the carriageway."""
    grey = asphalt(s, t, footprint, road_style[TONE])
    to_vertical, v = nearest_street(s, vertical_streets)
    to_horizontal, h = nearest_street(t, horizontal_streets)
    paint = 0.0
    yellow = 0.0
    if to_vertical < 0 and to_horizontal < 0:
        grey *= 0.93  # the middle of a junction stays free
    elif to_vertical < 0 or to_horizontal < 0:
        upright = to_vertical < 0
        from_v = s - vertical_streets[v, CENTRE]
        from_h = t - horizontal_streets[h, CENTRE]
        street = vertical_streets[v] if upright else horizontal_streets[h]
        offset = from_v if upright else from_h
        to_junction = to_horizontal if upright else to_vertical
        beyond = from_h if upright else from_v  # position along the street, from the middle of the junction
        ascending = offset > 0 if upright else offset < 0  # traffic keeps to the right
        incoming = beyond < 0 if ascending else beyond > 0
        grey *= tyre_tracks(abs(offset), street)
        if abs(offset) > street[HALF_WIDTH] - 0.35:
            grey = grey * 0.8 + 0.03  # gutter
        along = t if upright else s
        paint, yellow = marking(offset, along, to_junction, incoming, street, road_style[ZEBRA], footprint)
    wear = min(1.0, 0.55 + 0.6 * fractal_noise(s * 1.7, t * 1.7, 61, footprint * 1.7))
    paint *= wear * road_style[PAINT_STRENGTH]
    blue = grey * 1.03
    if yellow > 0.5:
        return grey + (0.62 - grey) * paint, grey + (0.42 - grey) * paint, blue + (0.05 - blue) * paint, paint
    return grey + (0.72 - grey) * paint, grey + (0.72 - grey) * paint, blue + (0.70 - blue) * paint, paint
