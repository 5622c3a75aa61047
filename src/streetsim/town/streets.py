"""The street grid on the design plane: streets, lanes, junctions and the blocks between them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from streetsim.town.presets import TownPreset

EDGE_BLOCK_M = 48.0
"""Depth of the blocks outside the outermost streets."""
MIN_BLOCK_M = 18.0


class Axis(IntEnum):
    """A vertical street runs along t at a fixed s; a horizontal one along s at a fixed t."""

    VERTICAL = 0
    HORIZONTAL = 1

    @property
    def other(self) -> Axis:
        return Axis(1 - self)


@dataclass(frozen=True)
class Street:
    """One street, symmetric about its centre line; people drive on the right.

    Attributes:
        centre_m: place of the centre line (s of a vertical, t of a horizontal street).
        half_width_m: from the centre line to the kerb.
        lanes: per direction, counted from the centre.
        median_half_m: half width of the raised strip in the middle, 0 for none.
        parking_m: width of the parking strip on each side, 0 for none.
    """

    centre_m: float
    half_width_m: float
    lane_width_m: float
    lanes: int
    median_half_m: float
    parking_m: float
    has_yellow_line: bool

    def lane_offset_m(self, lane: int) -> float:
        """From the centre line to the middle of a lane; lanes beyond the last count as the last."""
        return self.median_half_m + (min(lane, self.lanes - 1) + 0.5) * self.lane_width_m

    def row(self) -> list[float]:
        """The seven numbers in the order that the road texture reads."""
        return [
            self.centre_m,
            self.half_width_m,
            self.lane_width_m,
            float(self.lanes),
            self.median_half_m,
            self.parking_m,
            float(self.has_yellow_line),
        ]


@dataclass(frozen=True)
class Grid:
    """All streets, from the lowest to the highest coordinate."""

    vertical: tuple[Street, ...]
    horizontal: tuple[Street, ...]

    def along(self, axis: Axis) -> tuple[Street, ...]:
        """The streets that run along an axis."""
        return self.vertical if axis is Axis.VERTICAL else self.horizontal

    def crossing(self, axis: Axis) -> tuple[Street, ...]:
        """The streets that a street of this axis meets."""
        return self.along(axis.other)

    @property
    def low_high_s(self) -> tuple[float, float]:
        """Extent of the town in s, edge blocks included."""
        return _extent(self.vertical)

    @property
    def low_high_t(self) -> tuple[float, float]:
        return _extent(self.horizontal)

    def street_rows(self, axis: Axis) -> NDArray[np.float64]:
        """(streets, 7), see `Street.row`."""
        return np.array([street.row() for street in self.along(axis)])


def _extent(streets: tuple[Street, ...]) -> tuple[float, float]:
    first, last = streets[0], streets[-1]
    return first.centre_m - first.half_width_m - EDGE_BLOCK_M, last.centre_m + last.half_width_m + EDGE_BLOCK_M


def draw_grid(preset: TownPreset, rng: np.random.Generator) -> Grid:
    """Streets as the preset wants them; the middle one of each direction lies at 0."""
    return Grid(_draw_streets(preset, rng), _draw_streets(preset, rng))


def _draw_streets(preset: TownPreset, rng: np.random.Generator) -> tuple[Street, ...]:
    streets: list[Street] = []
    position = 0.0
    for _ in range(preset.streets):
        lanes = int(rng.choice(preset.lanes))
        lane_width = rng.uniform(3.1, 3.5)
        median = rng.uniform(0.8, 1.4) if lanes == 2 and rng.random() < preset.median_share else 0.0
        parking = 2.3 if rng.random() < preset.parking_share else 0.0
        gutter = 0.0 if parking else 0.55
        half_width = median + lanes * lane_width + parking + gutter
        has_yellow_line = bool(rng.random() < preset.yellow_line_share)
        streets.append(Street(position, half_width, lane_width, lanes, median, parking, has_yellow_line))
        position += rng.uniform(*preset.spacing_m) + half_width
    middle = streets[preset.streets // 2].centre_m
    return tuple(replace(street, centre_m=street.centre_m - middle) for street in streets)
