"""Wet pavement: a film of water mirrors pulses away (Hahner et al., LiDAR Snowfall Simulation, 2022, section 3.3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_WATER_INDEX = 1.33
_INSIDE_REFLECTANCE = 0.472
"""of the film's surface for diffuse light from below: 1 - (1 - 0.066) / n^2 (Lekner and Dorf, 1988)"""


def left_when_wet(cos_incidence: Array, reflectivity: Array, wetness: float) -> Array:
    """Share of a matt ground's echo that is left when the share `wetness` of it lies under water."""
    return 1 - wetness + wetness * wet_over_dry(cos_incidence, reflectivity)


def wet_over_dry(cos_incidence: Array, reflectivity: Array) -> Array:
    """Echo of a matt surface under a film of water, over its echo when dry: T^2 / n^2 / (1 - rho p).

    The pulse passes the film's surface twice (T); what leaves the water spreads by n^2; the share p is thrown back from
    below and strikes the ground again. At grazing angles T goes to zero: the water is a mirror, and nothing comes back.
    """
    return _transmittance(cos_incidence) ** 2 / _WATER_INDEX**2 / (1 - _INSIDE_REFLECTANCE * reflectivity)


def _transmittance(cos_incidence: Array) -> Array:
    """Share of unpolarised light that passes from air into water (Fresnel)."""
    cos_in_water = np.sqrt(1 - (1 - cos_incidence**2) / _WATER_INDEX**2)
    across = (cos_incidence - _WATER_INDEX * cos_in_water) / (cos_incidence + _WATER_INDEX * cos_in_water)
    along = (_WATER_INDEX * cos_incidence - cos_in_water) / (_WATER_INDEX * cos_incidence + cos_in_water)
    return np.asarray(1 - (across**2 + along**2) / 2)
