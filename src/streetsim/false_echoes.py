"""Echoes of fog and rain themselves: the soft target of Hahner et al., Fog Simulation on Real LiDAR Point Clouds, 2021.

What droplets send back is a long, weak echo that is strongest some metres before the sensor. It is noticed by the same
law as the echo of a thing (`echoes.noticed_share`), and the receiver reports the stronger of the two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from streetsim.air import Air
from streetsim.echoes import REFERENCE_M, noticed_share, reported

Array = NDArray[np.float64]

_REFERENCE_REFLECTIVITY = 0.3
"""of the thing that the paper's sensor constant stands for; ours, the middle of the table of materials"""
_HARD_TARGET_PER_SR = 1e-6 / math.pi  # beta_0 as in the paper's published tool, in the units of its integral
_PULSE_S = 20e-9  # tau_h, the width of the pulse at half its power; the pulse lasts twice as long
_OVERLAP_M = (0.9, 1.0)  # between these ranges the receiver comes to see the whole beam
_SPEED_OF_LIGHT_M_S = 299_792_458.0
_STEP_M = 0.1
_FARTHEST_M = 60.0  # beyond, nothing of weight comes back from droplets
_PULSE_STEPS = 200


@dataclass(frozen=True, eq=False)
class FalseEchoes:
    """Per shot: whether the receiver reports the air instead of a thing, from how far, how strong (0 … 255)."""

    reported: NDArray[np.bool_]
    range_m: Array
    intensity: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SoftResponse:
    """At the ranges 0, 0.1 m, … : the power of the strongest echo up to there, and the area of all up to there."""

    ranges_m: Array
    strongest: Array
    area: Array


def false_echoes(
    air: Air, free_m: Array, received: Array, nearest_m: float, max_range_m: float, rng: np.random.Generator
) -> FalseEchoes:
    """What droplets before things send back.

    Where in the long echo the receiver notices it is up to noise: its range is drawn with a density proportional to the
    echo's power.

    Args:
        free_m: (shots,) how far the pulse flies until it meets something.
        received: (shots,) power of the noticed echo of the thing, 0 where there is none.
        nearest_m: nearer echoes are not reported.
    """
    response = soft_response(air.extinction_per_m, air.backscattering_per_m_sr, nearest_m)
    power = np.interp(free_m, response.ranges_m, response.strongest)
    area = np.interp(free_m, response.ranges_m, response.area)
    heard = (rng.random(len(free_m)) < noticed_share(power)) & (power > received)
    range_m = np.interp(rng.random(len(free_m)) * area, response.area, response.ranges_m)
    reflectivity = power * (range_m / REFERENCE_M) ** 2
    return FalseEchoes(heard & (range_m > nearest_m), range_m, reported(reflectivity, range_m, max_range_m, rng))


@lru_cache(maxsize=16)
def soft_response(extinction_per_m: float, backscattering_per_m_sr: float, nearest_m: float) -> SoftResponse:
    """The echo of droplets in the air from `nearest_m` on, in units of `Echoes.received`.

    The paper's integral over the pulse's 2 tau_h of sin^2(pi t / 2 tau_h) xi(r) exp(-2 alpha r) / r^2 with
    r = R - c t / 2, by the midpoint rule.
    """
    ranges_m = np.arange(round(_FARTHEST_M / _STEP_M) + 1, dtype=np.float64) * _STEP_M
    step_s = 2 * _PULSE_S / _PULSE_STEPS
    time_s = (np.arange(_PULSE_STEPS) + 0.5) * step_s
    pulse = np.sin(np.pi * time_s / (2 * _PULSE_S)) ** 2
    from_m = ranges_m[:, None] - _SPEED_OF_LIGHT_M_S * time_s / 2
    seen = np.clip((from_m - _OVERLAP_M[0]) / (_OVERLAP_M[1] - _OVERLAP_M[0]), 0, 1)
    from_m = np.maximum(from_m, _OVERLAP_M[0])
    integral = (pulse * seen * np.exp(-2 * extinction_per_m * from_m) / from_m**2).sum(axis=1) * step_s
    constant = _REFERENCE_REFLECTIVITY * REFERENCE_M**2 * backscattering_per_m_sr / _HARD_TARGET_PER_SR
    power = np.where(ranges_m >= nearest_m, constant * integral, 0.0)
    area = np.concatenate([[0.0], np.cumsum((power[1:] + power[:-1]) / 2 * _STEP_M)])
    return SoftResponse(ranges_m, np.maximum.accumulate(power), area)
