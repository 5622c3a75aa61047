"""A whole town before anybody lives in it: preset, terrain, street grid and blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from streetsim.town.blocks import Block, draw_blocks
from streetsim.town.presets import TownPreset, town_preset
from streetsim.town.streets import Axis, Grid, draw_grid
from streetsim.town.terrain import Terrain, draw_terrain

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MapPolygon:
    """Part of a road map: corners (points, 2) in the world, painted one after the other.

    Attributes:
        is_road: True where the polygon adds carriageway or pavement, False where it takes it away again.
    """

    corners_m: Array
    is_road: bool


@dataclass(frozen=True)
class Town:
    """The plan of a town.

    Attributes:
        name: one of `TOWNS`.
        road_style: (4,) as the road texture reads it: tone of the asphalt, unused, strength of the paint, zebras.
    """

    name: str
    preset: TownPreset
    terrain: Terrain
    grid: Grid
    blocks: tuple[Block, ...]
    road_style: Array

    @cached_property
    def vertical_streets(self) -> Array:
        """(streets, 7): centre, half width, lane width, lanes, median half width, parking width, yellow line."""
        return self.grid.street_rows(Axis.VERTICAL)

    @cached_property
    def horizontal_streets(self) -> Array:
        """(streets, 7), columns as in `vertical_streets`."""
        return self.grid.street_rows(Axis.HORIZONTAL)

    def map_polygons(self) -> list[MapPolygon]:
        """Carriageways and pavements: the whole town is road, and the interiors of blocks are cut out."""
        (low_s, high_s), (low_t, high_t) = self.grid.low_high_s, self.grid.low_high_t
        edge_s, edge_t = np.linspace(low_s, high_s, 60), np.linspace(low_t, high_t, 60)
        outline = np.concatenate(
            [
                np.stack([edge_s, np.full(60, low_t)], -1),
                np.stack([np.full(60, high_s), edge_t], -1),
                np.stack([edge_s[::-1], np.full(60, high_t)], -1),
                np.stack([np.full(60, low_s), edge_t[::-1]], -1),
            ]
        )
        polygons = [MapPolygon(self._to_world(outline), True)]
        for block in self.blocks:
            polygons.append(MapPolygon(self._to_world(block.ring(block.interior_depth_m)), False))
        return polygons

    def _to_world(self, plan: Array) -> Array:
        return np.stack(self.terrain.world(plan[:, 0], plan[:, 1]), -1)


def draw_town(name: str, rng: np.random.Generator) -> Town:
    """A town of the kind `name`, one of `TOWNS`."""
    preset = town_preset(name)
    grid = draw_grid(preset, rng)
    road_style = np.array([rng.uniform(*preset.asphalt), 0.0, rng.uniform(0.7, 1.0), float(preset.has_zebras)])
    terrain = draw_terrain(preset.bend_m, preset.hill_m, rng)
    return Town(name, preset, terrain, grid, draw_blocks(grid, preset, rng), road_style)
