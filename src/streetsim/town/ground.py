"""The ground: carriageway, parking strips, kerbs, pavements, interiors of blocks, medians, and land far away."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from streetsim.materials import Common, Material, parameter_row
from streetsim.semantics import Semantic
from streetsim.town.blocks import KERB_M, SIDEWALK_Z_M, Block
from streetsim.town.presets import Interior, TownPreset
from streetsim.town.stage import Stage
from streetsim.town.streets import Axis, Grid, Street

Array = NDArray[np.float64]
ROAD_STEP_M = 5.0
INTERIOR_RINGS_M = 7.0
MEDIAN_Z_M = 0.16
JUNCTION_CLEARANCE_M = 6.5
"""Medians and parking strips end this far before the crossing street."""
FAR_LAND_M = 420.0


def add_ground(stage: Stage, grid: Grid, blocks: Sequence[Block], preset: TownPreset, rng: np.random.Generator) -> None:
    _add_carriageway(stage, grid, stage.add_row(parameter_row()))
    for axis in Axis:
        for street in grid.along(axis):
            if street.median_half_m > 0.5:
                _add_median(stage, grid, axis, street)
    for block in blocks:
        _add_block(stage, block, preset, rng)
    _add_far_land(stage, preset)


def clear_stretches(grid: Grid, axis: Axis, clearance_m: float) -> list[tuple[float, float]]:
    """From where to where a street of this axis runs, `clearance_m` away from the streets that cross it."""
    crossing = grid.crossing(axis)
    stretches = []
    for first, second in pairwise(crossing):
        start = first.centre_m + first.half_width_m + clearance_m
        end = second.centre_m - second.half_width_m - clearance_m
        if end > start:
            stretches.append((start, end))
    return stretches


def _add_carriageway(stage: Stage, grid: Grid, road_row: int) -> None:
    """One sheet under the whole town, cut along the edges of the parking strips; blocks lie on top of it."""
    s_lines = _cut(_steps(*grid.low_high_s, ROAD_STEP_M), grid, Axis.VERTICAL)
    t_lines = _cut(_steps(*grid.low_high_t, ROAD_STEP_M), grid, Axis.HORIZONTAL)
    s, t = np.meshgrid(s_lines, t_lines, indexing="ij")
    triangles = grid_triangles(*s.shape)
    middle_s, middle_t = s.ravel()[triangles].mean(1), t.ravel()[triangles].mean(1)
    is_parking = _on_parking(grid, Axis.VERTICAL, middle_s, middle_t) | _on_parking(
        grid, Axis.HORIZONTAL, middle_t, middle_s
    )
    flat = np.zeros(s.size)
    for part, semantic in ((triangles[~is_parking], Semantic.ROAD), (triangles[is_parking], Semantic.PARKING)):
        stage.add_surface(s.ravel(), t.ravel(), flat, part, Material.ROAD, semantic, road_row)


def _cut(lines: Array, grid: Grid, across: Axis) -> Array:
    """More grid lines: at the edges of the parking strips of streets of the axis `across`, and at their ends."""
    edges = [
        street.centre_m + side * distance
        for street in grid.along(across)
        if street.parking_m
        for side in (1, -1)
        for distance in (street.half_width_m, street.half_width_m - street.parking_m)
    ]
    ends = [end for stretch in clear_stretches(grid, across.other, JUNCTION_CLEARANCE_M) for end in stretch]
    return np.unique(np.round(np.concatenate([lines, edges, ends]), 3))


def _on_parking(grid: Grid, axis: Axis, across: Array, along: Array) -> NDArray[np.bool_]:
    """Whether places lie on a parking strip of a street of this axis."""
    between = np.zeros(len(along), bool)
    for start, end in clear_stretches(grid, axis, JUNCTION_CLEARANCE_M):
        between |= (along > start) & (along < end)
    on_strip = np.zeros(len(across), bool)
    for street in grid.along(axis):
        distance = np.abs(across - street.centre_m)
        on_strip |= (distance < street.half_width_m) & (distance > street.half_width_m - street.parking_m)
    return between & on_strip


def _add_median(stage: Stage, grid: Grid, axis: Axis, street: Street) -> None:
    """A raised strip in the middle of the street."""
    half = street.median_half_m - 0.15
    row = stage.add_row(parameter_row((0.55, 0.55, 0.55), values={Common.STYLE: 1}))
    profile = np.array([(-half, 0.0), (-half, MEDIAN_Z_M), (half, MEDIAN_Z_M), (half, 0.0)])
    for start, end in clear_stretches(grid, axis, JUNCTION_CLEARANCE_M):
        if end - start < 6:
            continue
        along = _steps(start, end, ROAD_STEP_M)
        u = np.repeat(along, len(profile))
        v = np.tile(street.centre_m + profile[:, 0], len(along))
        z = np.tile(profile[:, 1], len(along))
        s, t = (v, u) if axis is Axis.VERTICAL else (u, v)
        triangles = grid_triangles(len(along), len(profile))
        is_top = np.all(z[triangles] == MEDIAN_Z_M, axis=1)
        stage.add_surface(s, t, z, triangles[~is_top], Material.CURB, Semantic.OTHER_FLAT, row)
        stage.add_surface(s, t, z, triangles[is_top], Material.PLAZA, Semantic.OTHER_FLAT, row)


def _add_block(stage: Stage, block: Block, preset: TownPreset, rng: np.random.Generator) -> None:
    """Kerb, verge, pavement and interior as strips between rings, and a fan in the middle."""
    paving = preset.paving[int(rng.integers(len(preset.paving)))]
    curb_row = stage.add_row(parameter_row(values={Common.MARKING: int(rng.choice([0, 0, 1, 2]))}))
    walk_row = stage.add_row(parameter_row(values={Common.STYLE: paving}))
    is_dry = int(rng.random() > 0.7)
    grass_row = stage.add_row(parameter_row(seed=int(rng.integers(1000)), values={Common.STYLE: is_dry}))
    plaza_tone = rng.uniform(0.45, 0.75) * np.array([1, 0.97, 0.92])
    plaza_row = stage.add_row(parameter_row(plaza_tone, values={Common.STYLE: int(rng.choice([0, 1, 1]))}))
    fill = {
        Interior.GRASS: (Material.GRASS, Semantic.TERRAIN, grass_row),
        Interior.PARK: (Material.GRASS, Semantic.TERRAIN, grass_row),
        Interior.PLAZA: (Material.PLAZA, Semantic.OTHER_FLAT, plaza_row),
        Interior.DIRT: (Material.DIRT, Semantic.TERRAIN, grass_row),
    }[block.interior]
    edge = block.ring(0.0)
    _add_strip(stage, edge, 0.0, edge, SIDEWALK_Z_M, Material.CURB, Semantic.SIDEWALK, curb_row)
    depths: list[float] = [0.0, KERB_M]
    surfaces = [(Material.CURB, Semantic.SIDEWALK, curb_row)]
    if block.verge_m:
        depths.append(block.sidewalk_depth_m)
        surfaces.append((Material.GRASS, Semantic.TERRAIN, grass_row))
    depths.append(block.interior_depth_m)
    surfaces.append((Material.WALK, Semantic.SIDEWALK, walk_row))
    deepest = min(block.size) / 2 - 0.8
    while depths[-1] + INTERIOR_RINGS_M < deepest - 0.2:
        depths.append(depths[-1] + INTERIOR_RINGS_M)
        surfaces.append(fill)
    depths.append(deepest)
    surfaces.append(fill)
    rings = [block.ring(depth) for depth in depths]
    for outer, inner, surface in zip(rings[:-1], rings[1:], surfaces, strict=True):
        _add_strip(stage, outer, SIDEWALK_Z_M, inner, SIDEWALK_Z_M, *surface)
    count = len(rings[-1])
    points = np.concatenate([rings[-1], rings[-1].mean(0, keepdims=True)])
    place = np.arange(count)
    fan = np.stack([place, (place + 1) % count, np.full(count, count)], -1)
    stage.add_surface(points[:, 0], points[:, 1], np.full(count + 1, SIDEWALK_Z_M), fan, *fill)


def _add_strip(
    stage: Stage,
    outer: Array,
    outer_z: float,
    inner: Array,
    inner_z: float,
    material: Material,
    semantic: Semantic,
    object_row: int,
) -> None:
    """Ground between two rings of equally many points, each at a height of its own."""
    count = len(outer)
    place = np.arange(count)
    after = (place + 1) % count
    triangles = np.concatenate(
        [np.stack([place, after, count + place], -1), np.stack([after, count + after, count + place], -1)]
    )
    points = np.concatenate([outer, inner])
    z = np.repeat([outer_z, inner_z], count)
    stage.add_surface(points[:, 0], points[:, 1], z, triangles, material, semantic, object_row)


def _add_far_land(stage: Stage, preset: TownPreset) -> None:
    """A meadow below the town that reaches to the horizon of the sensors."""
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * FAR_LAND_M
    z = np.full(4, -0.6 - 2.5 * preset.hill_m)
    triangles = np.array([[0, 1, 2], [0, 2, 3]])
    row = stage.add_row(parameter_row())
    stage.add_surface(corners[:, 0], corners[:, 1], z, triangles, Material.GRASS, Semantic.TERRAIN, row)


def grid_triangles(rows: int, columns: int) -> NDArray[np.int64]:
    """Two triangles for every cell of a sheet of points in row-major order."""
    place = np.arange(rows * columns).reshape(rows, columns)
    low, right = place[:-1, :-1].ravel(), place[1:, :-1].ravel()
    up, opposite = place[:-1, 1:].ravel(), place[1:, 1:].ravel()
    return np.concatenate([np.stack([low, right, opposite], -1), np.stack([low, opposite, up], -1)])


def _steps(start: float, end: float, step_m: float) -> Array:
    """Evenly spaced places from start to end, both included, about `step_m` apart."""
    return np.linspace(start, end, max(2, int(np.ceil((end - start) / step_m)) + 1))
