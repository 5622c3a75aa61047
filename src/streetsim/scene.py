"""A scenario made ready for sensors: the search tree over what stands still, and the numbers that shaders read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streetsim.raycast import Bvh, World
from streetsim.scenario import Scenario


@dataclass(frozen=True, eq=False)
class Scene:
    """One place, built once and looked at from many places and times.

    weather: `Weather.vector`. object_parameters: float64 (objects, 24). vertical_streets, horizontal_streets,
    road_style: see `textures.road`.
    """

    scenario: Scenario
    standing: Bvh
    weather: NDArray[np.float64]
    object_parameters: NDArray[np.float64]
    vertical_streets: NDArray[np.float64]
    horizontal_streets: NDArray[np.float64]
    road_style: NDArray[np.float64]

    @staticmethod
    def of(scenario: Scenario) -> Scene:
        """Build the search tree and bring the numbers into the form that compiled code takes."""

        def plain(values: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.ascontiguousarray(values, dtype=np.float64)

        return Scene(
            scenario=scenario,
            standing=Bvh(scenario.static),
            weather=plain(scenario.weather.vector()),
            object_parameters=plain(scenario.object_parameters),
            vertical_streets=plain(scenario.town.vertical_streets),
            horizontal_streets=plain(scenario.town.horizontal_streets),
            road_style=plain(scenario.town.road_style),
        )

    def world(self, time_s: float) -> World:
        """Everything at one instant."""
        return World(self.standing, self.scenario.dynamic_mesh(time_s))
