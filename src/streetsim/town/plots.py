"""What stands inside the blocks: buildings along the pavements, courtyard trees, parks; and the skyline."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from streetsim.assets.buildings import building
from streetsim.assets.vegetation import bush, tree
from streetsim.materials import GroundFloor
from streetsim.poses import pose_matrix
from streetsim.town.blocks import SIDEWALK_Z_M, Block, Side
from streetsim.town.presets import Interior, TownPreset
from streetsim.town.stage import Stage
from streetsim.town.streets import Grid

Nearness = Callable[[float, float], float]
"""Metres from a place (s, t) on the plan to the ego's route."""

BUILDINGS_WITHIN_M = 190.0
BALCONIES_WITHIN_M = 70.0
TREES_WITHIN_M = 70.0
MIN_FRONT_M = 6.0
SKYLINE_BUILDINGS = 84


def add_plots(
    stage: Stage, blocks: Sequence[Block], preset: TownPreset, near: Nearness, rng: np.random.Generator
) -> None:
    for block in blocks:
        if block.interior is Interior.PARK:
            _add_park(stage, block, near, rng)
        else:
            _add_buildings(stage, block, preset, near, rng)
            _add_courtyard(stage, block, preset, near, rng)


def add_tree(stage: Stage, s: float, t: float, rng: np.random.Generator, detail: float, widen: float = 1.0) -> bool:
    """A tree at (s, t); `detail` as in `vegetation.tree`, `widen` squeezes the crown where space is short."""
    size = rng.uniform(0.78, 1.2)
    scale = (size * widen, size * widen, size)
    return stage.place(tree(rng, detail), s, t, rng.uniform(0, 2 * np.pi), SIDEWALK_Z_M, is_slender=True, scale=scale)


def _add_park(stage: Stage, block: Block, near: Nearness, rng: np.random.Generator) -> None:
    margin = block.interior_depth_m + 1.0
    low, high = np.array(block.low) + margin, np.array(block.high) - margin
    for _ in range(14):
        s, t = rng.uniform(low, high)
        if near(s, t) < TREES_WITHIN_M + 15:
            add_tree(stage, s, t, rng, detail=1.0)
    for _ in range(10):
        s, t = rng.uniform(low, high)
        if near(s, t) < TREES_WITHIN_M:
            stage.place(bush(rng), s, t, rng.uniform(0, 2 * np.pi), SIDEWALK_Z_M)


def _add_buildings(stage: Stage, block: Block, preset: TownPreset, near: Nearness, rng: np.random.Generator) -> None:
    """Rows of buildings along the four sides; the rows across leave room for the corners."""
    depth = rng.uniform(9, 14)
    setback = block.interior_depth_m + rng.uniform(*preset.setback_m)
    corner_m = depth + (0.3 if not preset.has_gardens else 3.0)
    for number, side in enumerate(block.sides(setback)):
        start = 0.0 if number % 2 == 0 else corner_m
        _add_row_of_buildings(stage, side, start, side.length_m - start, depth, preset, near, rng)


def _add_row_of_buildings(
    stage: Stage,
    side: Side,
    start: float,
    end: float,
    depth: float,
    preset: TownPreset,
    near: Nearness,
    rng: np.random.Generator,
) -> None:
    u = start
    while u < end - MIN_FRONT_M:
        style = preset.buildings[int(rng.integers(len(preset.buildings)))]
        is_house = style.kind == "house"
        front = min(rng.uniform(9, 15) if is_house else rng.uniform(12, 24), end - u)
        is_pitched = bool(rng.random() < preset.pitched_roof_share)
        wall_to_wall = 1.0 if is_pitched else 0.1
        gap = rng.uniform(4, 8) if is_house else (wall_to_wall if rng.random() < 0.75 else rng.uniform(2, 8))
        body_depth = depth * rng.uniform(0.85, 1.0)
        s, t = side.at(u + front / 2, body_depth / 2)
        distance = near(s, t)
        if distance < BUILDINGS_WITHIN_M and rng.random() > 0.06:
            has_shops = style.kind == "tower" and rng.random() < preset.shop_share
            ground_floor = GroundFloor.AS_ABOVE if style.kind == "shed" else GroundFloor.DOOR
            asset = building(
                rng,
                front - 0.05,
                body_depth,
                rng.uniform(*preset.building_height_m),
                style,
                is_pitched=is_pitched,
                ground_floor=GroundFloor.SHOPS if has_shops else ground_floor,
                balcony_share=0.4 if distance < BALCONIES_WITHIN_M else 0.0,
            )
            stage.place(asset, s, t, side.along_yaw_rad, SIDEWALK_Z_M - 0.05)
        u += front + gap


def _add_courtyard(stage: Stage, block: Block, preset: TownPreset, near: Nearness, rng: np.random.Generator) -> None:
    centre, size = np.array(block.centre), np.array(block.size)
    for _ in range(5 if preset.has_gardens else 1):
        s, t = centre + size * rng.uniform(-0.25, 0.25, 2)
        if near(s, t) < TREES_WITHIN_M:
            add_tree(stage, s, t, rng, detail=0.6)


def add_skyline(stage: Stage, grid: Grid, preset: TownPreset, rng: np.random.Generator) -> None:
    """Buildings around the town that close the view at the end of the streets."""
    (low_s, high_s), (low_t, high_t) = grid.low_high_s, grid.low_high_t
    centre = np.array([(low_s + high_s) / 2, (low_t + high_t) / 2])
    half = np.array([(high_s - low_s) / 2, (high_t - low_t) / 2]) + preset.bend_m
    height_factor = 1.0 if preset.has_gardens else 1.6
    for number in range(SKYLINE_BUILDINGS):
        angle = 2 * np.pi * number / SKYLINE_BUILDINGS + rng.uniform(-0.03, 0.03)
        outward = np.array([np.cos(angle), np.sin(angle)])
        to_edge = np.min(half / np.maximum(np.abs(outward), 1e-9))
        x, y = centre + outward * (to_edge + rng.uniform(14, 60))
        style = preset.buildings[int(rng.integers(len(preset.buildings)))]
        asset = building(
            rng,
            rng.uniform(14, 30),
            12.0,
            rng.uniform(*preset.building_height_m) * height_factor,
            style,
            is_pitched=bool(rng.random() < preset.pitched_roof_share),
            ground_floor=GroundFloor.AS_ABOVE,
            balcony_share=0.0,
        )
        sunk_m = 0.5 + 2.5 * preset.hill_m
        pose = pose_matrix((x, y, -sunk_m), angle + np.pi / 2)
        stage.add_mesh(asset.shape.phases[0].place(pose, stage.add_row(asset.parameters)))
