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


def draw_town(name: str, rng: np.random.Generator) -> Town:
    """A town of the kind `name`, one of `TOWNS`."""
    preset = town_preset(name)
    grid = draw_grid(preset, rng)
    road_style = np.array([rng.uniform(*preset.asphalt), 0.0, rng.uniform(0.7, 1.0), float(preset.has_zebras)])
    terrain = draw_terrain(preset.bend_m, preset.hill_m, rng)
    return Town(name, preset, terrain, grid, draw_blocks(grid, preset, rng), road_style)
