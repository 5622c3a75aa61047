"""Blocks of land between the streets, with their pavements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streetsim.town.presets import Interior, TownPreset
from streetsim.town.streets import EDGE_BLOCK_M, MIN_BLOCK_M, Grid, Street

Array = NDArray[np.float64]
KERB_M = 0.17
"""Width of the kerb stone."""
SIDEWALK_Z_M = 0.15
"""Height of everything inside the kerb above the road."""
CORNER_SEGMENTS = 6


@dataclass(frozen=True)
class Side:
    """One straight side of a block: points are origin + u * along + depth * inward, with u from 0 to the length."""

    origin: Array
    along: Array
    inward: Array
    length_m: float

    def at(self, u_m: float, depth_m: float) -> tuple[float, float]:
        """(s, t) of a place u along the side and `depth_m` inside it."""
        s, t = self.origin + u_m * self.along + depth_m * self.inward
        return float(s), float(t)

    @property
    def along_yaw_rad(self) -> float:
        return float(np.arctan2(self.along[1], self.along[0]))

    @property
    def inward_yaw_rad(self) -> float:
        return float(np.arctan2(self.inward[1], self.inward[0]))

    @property
    def outward_yaw_rad(self) -> float:
        return self.inward_yaw_rad + np.pi


@dataclass(frozen=True)
class Block:
    """A rectangle with rounded corners; from its edge inwards: kerb, perhaps a grass verge, pavement, interior.

    Attributes:
        low, high: (s, t) of two opposite corners, on the kerb line.
        verge_m: 0 for none.
    """

    low: tuple[float, float]
    high: tuple[float, float]
    corner_radius_m: float
    sidewalk_m: float
    verge_m: float
    interior: Interior

    @property
    def size(self) -> tuple[float, float]:
        return self.high[0] - self.low[0], self.high[1] - self.low[1]

    @property
    def centre(self) -> tuple[float, float]:
        return (self.low[0] + self.high[0]) / 2, (self.low[1] + self.high[1]) / 2

    @property
    def sidewalk_depth_m(self) -> float:
        """Where the pavement begins, from the kerb line inwards."""
        return KERB_M + self.verge_m

    @property
    def interior_depth_m(self) -> float:
        """Where the pavement ends, from the kerb line inwards."""
        return KERB_M + self.verge_m + self.sidewalk_m

    def sides(self, depth_m: float) -> list[Side]:
        """The four sides of the rectangle `depth_m` inside the kerb line, counter-clockwise."""
        (low_s, low_t), (high_s, high_t) = self.low, self.high
        low_s, low_t, high_s, high_t = low_s + depth_m, low_t + depth_m, high_s - depth_m, high_t - depth_m
        right, up = np.array([1.0, 0.0]), np.array([0.0, 1.0])
        return [
            Side(np.array([low_s, low_t]), right, up, high_s - low_s),
            Side(np.array([high_s, low_t]), up, -right, high_t - low_t),
            Side(np.array([high_s, high_t]), -right, -up, high_s - low_s),
            Side(np.array([low_s, high_t]), -up, right, high_t - low_t),
        ]

    def ring(self, depth_m: float, step_m: float = 6.0) -> Array:
        """(points, 2) closed outline `depth_m` inside the kerb line, counter-clockwise, the first point not repeated.

        Rings of one block have equally many points, so that strips can be made between them.
        """
        (low_s, low_t), (high_s, high_t) = self.low, self.high
        low_s, low_t, high_s, high_t = low_s + depth_m, low_t + depth_m, high_s - depth_m, high_t - depth_m
        radius = max(self.corner_radius_m - depth_m, 0.3)
        radius = min(radius, 0.475 * (high_s - low_s), 0.475 * (high_t - low_t))
        corners = [
            (high_s - radius, low_t + radius, -np.pi / 2),
            (high_s - radius, high_t - radius, 0.0),
            (low_s + radius, high_t - radius, np.pi / 2),
            (low_s + radius, low_t + radius, np.pi),
        ]
        arcs = []
        for s, t, start in corners:
            angle = start + np.linspace(0, np.pi / 2, CORNER_SEGMENTS + 1)
            arcs.append(np.stack([s + radius * np.cos(angle), t + radius * np.sin(angle)], -1))
        across, along = (max(2, int(length / step_m)) for length in self.size)
        outline = []
        for k, inner_points in enumerate((along, across, along, across)):
            outline.append(arcs[k])
            start_point, end_point = arcs[k][-1], arcs[(k + 1) % 4][0]
            fraction = np.linspace(0, 1, inner_points + 2)[1:-1, None]
            outline.append(start_point + (end_point - start_point) * fraction)
        return np.concatenate(outline)


def draw_blocks(grid: Grid, preset: TownPreset, rng: np.random.Generator) -> tuple[Block, ...]:
    """A block in every gap between streets and outside the outermost ones, unless it is too narrow."""
    blocks = []
    for low_s, high_s in _gaps(grid.vertical):
        for low_t, high_t in _gaps(grid.horizontal):
            if high_s - low_s < MIN_BLOCK_M or high_t - low_t < MIN_BLOCK_M:
                continue
            blocks.append(
                Block(
                    low=(low_s, low_t),
                    high=(high_s, high_t),
                    corner_radius_m=preset.kerb_radius_m,
                    sidewalk_m=rng.uniform(*preset.sidewalk_m),
                    verge_m=preset.verge_m if rng.random() < 0.8 else 0.0,
                    interior=preset.interiors[int(rng.integers(len(preset.interiors)))],
                )
            )
    return tuple(blocks)


def _gaps(streets: tuple[Street, ...]) -> list[tuple[float, float]]:
    lows = [street.centre_m - street.half_width_m for street in streets]
    highs = [street.centre_m + street.half_width_m for street in streets]
    return list(zip([lows[0] - EDGE_BLOCK_M, *highs], [*lows, highs[-1] + EDGE_BLOCK_M], strict=True))
