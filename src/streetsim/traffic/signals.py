"""Traffic signals: they alternate between the two axes, and turn in the ego's favour as it comes near."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from streetsim.town.junctions import Junction

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

STEP_S = 0.1
GREEN_S, YELLOW_S, ALL_RED_S = 9.0, 2.0, 1.2
AXIS_MASKS = (3, 12)
"""Bits of the approaches along the vertical and the horizontal street, see `Approach.code`."""


@dataclass(frozen=True)
class Signals:
    """Traffic signals over time.

    Attributes:
        times_s: (samples,).
        green, yellow: uint8 (junctions, samples) bit masks of approaches, see `Approach.code`.
        numbers: row of each junction.
    """

    times_s: Array
    green: NDArray[np.uint8]
    yellow: NDArray[np.uint8]
    numbers: dict[Junction, int]

    def masks(self, junction: Junction, time_s: float) -> tuple[int, int]:
        """Green and yellow approaches of a junction."""
        sample = int(np.clip(np.searchsorted(self.times_s, time_s, side="right") - 1, 0, len(self.times_s) - 1))
        row = self.numbers[junction]
        return int(self.green[row, sample]), int(self.yellow[row, sample])


@numba.njit(cache=True, error_model="numpy")
def step_signals(
    green: Indices, yellow: Indices, pending: Indices, clock: Array, request: Indices, cleared: NDArray[np.bool_]
) -> None:
    """One step of every junction's signal.

    green, yellow: bit masks of the approaches. pending: mask that comes next while the junction clears. clock: seconds
    since the last change. request: mask that the ego wants, 0 for none. cleared: False while the junction clears.
    """
    for j in range(len(green)):
        clock[j] += STEP_S
        if not cleared[j]:
            if clock[j] >= YELLOW_S:
                yellow[j] = 0
            if clock[j] >= YELLOW_S + ALL_RED_S:
                green[j] = pending[j]
                cleared[j] = True
                clock[j] = 0.0
            continue
        wanted = green[j]
        if request[j] != 0:
            wanted = request[j]
        elif clock[j] >= GREEN_S:
            wanted = AXIS_MASKS[1] if green[j] & AXIS_MASKS[0] else AXIS_MASKS[0]
        if wanted != green[j]:
            pending[j] = wanted
            yellow[j] = green[j] & ~wanted
            green[j] = green[j] & wanted
            cleared[j] = False
            clock[j] = 0.0
