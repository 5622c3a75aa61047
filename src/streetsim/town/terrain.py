"""From the town's plan to the ground: waves that bend the straight street grid, and hills.

The town is drawn on a design plane (s, t) where every street is straight. `Terrain` maps it into the world.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streetsim.poses import pose_matrix

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Terrain:
    """Bends and hills; wave numbers in 1/m, phases in rad.

    Attributes:
        bend_m, bend_waves, bend_phases: x = s + bend sin(wave_0 t + phase_0), y = t + bend sin(wave_1 s + phase_1).
        hill_m, hill_waves, hill_phases: z = hill (sin(wave_0 x + phase_0) + sin(wave_1 y + phase_1)).
    """

    bend_m: float
    bend_waves: tuple[float, float]
    bend_phases: tuple[float, float]
    hill_m: float
    hill_waves: tuple[float, float]
    hill_phases: tuple[float, float]

    def world(self, s: ArrayLike, t: ArrayLike) -> tuple[Array, Array]:
        """x and y of places on the design plane."""
        s, t = np.asarray(s, float), np.asarray(t, float)
        x = s + self.bend_m * np.sin(self.bend_waves[0] * t + self.bend_phases[0])
        y = t + self.bend_m * np.sin(self.bend_waves[1] * s + self.bend_phases[1])
        return x, y

    def height(self, x: ArrayLike, y: ArrayLike) -> Array:
        """z of the carriageway at x and y."""
        x, y = np.asarray(x, float), np.asarray(y, float)
        return self.hill_m * (
            np.sin(self.hill_waves[0] * x + self.hill_phases[0]) + np.sin(self.hill_waves[1] * y + self.hill_phases[1])
        )

    def turn(self, s: ArrayLike, t: ArrayLike) -> Array:
        """Angle by which the bending turns things at (s, t): the mean over the two axes."""
        s, t = np.asarray(s, float), np.asarray(t, float)
        turn_s = np.arctan(self.bend_m * self.bend_waves[1] * np.cos(self.bend_waves[1] * s + self.bend_phases[1]))
        turn_t = np.arctan(self.bend_m * self.bend_waves[0] * np.cos(self.bend_waves[0] * t + self.bend_phases[0]))
        return np.asarray((turn_s - turn_t) / 2)

    def tilt(self, x: ArrayLike, y: ArrayLike, yaw: ArrayLike) -> tuple[Array, Array]:
        """Pitch and roll of something that stands flat on the ground at x, y with this heading."""
        x, y, yaw = np.asarray(x, float), np.asarray(y, float), np.asarray(yaw, float)
        slope_x = self.hill_m * self.hill_waves[0] * np.cos(self.hill_waves[0] * x + self.hill_phases[0])
        slope_y = self.hill_m * self.hill_waves[1] * np.cos(self.hill_waves[1] * y + self.hill_phases[1])
        ahead = slope_x * np.cos(yaw) + slope_y * np.sin(yaw)
        left = -slope_x * np.sin(yaw) + slope_y * np.cos(yaw)
        return -np.arctan(ahead), np.arctan(left)

    def pose(self, s: float, t: float, yaw_rad: float, z_m: float = 0.0, follows_slope: bool = False) -> Array:
        """(4, 4) world_from_thing of a thing at (s, t), heading `yaw_rad` on the plan, `z_m` above the road."""
        x, y = self.world(s, t)
        yaw = yaw_rad + float(self.turn(s, t))
        pitch, roll = self.tilt(x, y, yaw) if follows_slope else (0.0, 0.0)
        return pose_matrix((float(x), float(y), float(self.height(x, y)) + z_m), yaw, float(pitch), float(roll))


def draw_terrain(bend_m: float, hill_m: float, rng: np.random.Generator) -> Terrain:
    """Waves of 190 to 300 m and hills of 110 to 170 m."""
    bend_waves, hill_waves = 2 * np.pi / rng.uniform(190, 300, 2), 2 * np.pi / rng.uniform(110, 170, 2)
    phases = rng.uniform(0, 2 * np.pi, 4)
    return Terrain(
        bend_m=bend_m,
        bend_waves=(float(bend_waves[0]), float(bend_waves[1])),
        bend_phases=(float(phases[0]), float(phases[1])),
        hill_m=hill_m,
        hill_waves=(float(hill_waves[0]), float(hill_waves[1])),
        hill_phases=(float(phases[2]), float(phases[3])),
    )
