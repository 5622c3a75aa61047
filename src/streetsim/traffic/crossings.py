"""People who cross the street at junctions, each on a line of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streetsim.town.junctions import Approach, Junction
from streetsim.town.streets import Axis
from streetsim.town.town import Town
from streetsim.traffic.driving import People

Array = NDArray[np.float64]
LINES_M = (2.0, 2.8, 3.6, 4.4)
"""Distances of the walking lines of a crossing from the kerb line of the street that runs beside it."""
BEHIND_KERB_M = 0.3
"""Where people wait."""


@dataclass(frozen=True)
class Crosser:
    """Somebody who walks to and fro over one arm of a junction.

    Attributes:
        ends: (2, 2) two places on the plan, on both pavements.
        stop_mask: bits of the approaches that must be red to begin.
        progress_m: way gone at the beginning; 0 waits at the first end.
    """

    junction: Junction
    ends: Array
    stop_mask: int
    speed_mps: float
    progress_m: float

    @property
    def length_m(self) -> float:
        return float(np.linalg.norm(self.ends[1] - self.ends[0]))


def draw_crossers(
    town: Town, wanted: int, near: Callable[[float, float], float], within_m: float, rng: np.random.Generator
) -> list[Crosser]:
    """At most `wanted` people at junctions near the route, no two on the same line."""
    grid = town.grid
    crossers: list[Crosser] = []
    taken: set[tuple[int, int, int, int, int]] = set()
    for _ in range(4 * wanted):
        if len(crossers) == wanted:
            break
        i, j = int(rng.integers(len(grid.vertical))), int(rng.integers(len(grid.horizontal)))
        if near(grid.vertical[i].centre_m, grid.horizontal[j].centre_m) > within_m:
            continue
        axis, side, line = Axis(int(rng.integers(2))), int(rng.choice([-1, 1])), int(rng.integers(len(LINES_M)))
        if (i, j, axis, side, line) in taken:
            continue
        taken.add((i, j, axis, side, line))
        ends = _ends(town, (i, j), axis, side, LINES_M[line])
        if rng.random() < 0.5:
            ends = ends[::-1].copy()
        length = float(np.linalg.norm(ends[1] - ends[0]))
        progress = rng.uniform(0.1, 0.8) * length if rng.random() < 0.5 else 0.0
        mask = sum(1 << Approach(axis, direction).code for direction in (-1, 1))
        crossers.append(Crosser((i, j), ends, mask, rng.uniform(1.0, 1.6), progress))
    return crossers


def _ends(town: Town, junction: Junction, axis: Axis, side: int, line_m: float) -> Array:
    """Both ends of a line across the street of `axis`, on the `side` (-1 or 1) of the junction."""
    vertical, horizontal = town.grid.vertical[junction[0]], town.grid.horizontal[junction[1]]
    crossed, beside = (vertical, horizontal) if axis is Axis.VERTICAL else (horizontal, vertical)
    along = beside.centre_m + side * (beside.half_width_m + line_m)
    radius = town.preset.kerb_radius_m
    # The kerb retreats around the corner.
    retreat = radius - np.sqrt(radius**2 - (radius - line_m) ** 2) if line_m < radius else 0.0
    reach = crossed.half_width_m + retreat + BEHIND_KERB_M
    across = crossed.centre_m + np.array([-reach, reach])
    ends = np.stack([across, np.full(2, along)], -1)
    return ends if axis is Axis.VERTICAL else ends[:, ::-1].copy()


def pack_crossers(town: Town, crossers: Sequence[Crosser], junction_numbers: dict[Junction, int]) -> People:
    """The crossers as arrays for the compiled simulation."""
    ends = np.array([crosser.ends for crosser in crossers]).reshape(-1, 2, 2)
    x, y = town.terrain.world(ends[..., 0], ends[..., 1])
    return People(
        ends_m=np.stack([x, y], -1),
        junction=np.array([junction_numbers[crosser.junction] for crosser in crossers], np.int64),
        stop_mask=np.array([crosser.stop_mask for crosser in crossers], np.int64),
        speed_mps=np.array([crosser.speed_mps for crosser in crossers], np.float64),
        way_m=np.array([crosser.progress_m for crosser in crossers], np.float64),
    )
