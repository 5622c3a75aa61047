"""The air as a pulse of 905 nm feels it: what haze, fog and rain take from an echo, and what they send back.

An echo from range R falls by exp(-2 alpha R). Fog: alpha = ln 20 / visibility (Koschmieder, with the contrast of 5 %
that defines the meteorological optical range), the same at 905 nm as for the eye, because droplets are larger than
either wave (Kim et al. 2001: no dependence on the wavelength below 500 m). Rain: twice the cross-section of all drops,
counted by Marshall and Palmer (1948).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from streetsim.weather import Weather

_HAZE_SEEN_BY_LIDAR = 0.3  # share of the visible extinction: particles of haze are smaller than the wave
_BACKSCATTER_PER_SR = 0.046 / math.log(20)
"""beta / alpha, from beta = 0.046 / visibility (Rasshofer et al. 2011; Hahner et al. 2021). Taken for rain, too."""
_DROPS_PER_M3_MM = 8000.0  # N(D) = 8000 exp(-Lambda D) drops per cubic metre and millimetre of diameter


@dataclass(frozen=True)
class Air:
    """Extinction alpha along one way, and what droplets send straight back, beta; 0 where no echo of air is noticed."""

    extinction_per_m: float
    backscattering_per_m_sr: float

    @staticmethod
    def of(weather: Weather) -> Air:
        """Haze takes little and sends back nothing; droplets of fog and drops of rain do both."""
        fog_per_m = weather.fog_per_m if weather.fog_droplets else 0.0
        haze_per_m = 0.0 if weather.fog_droplets else weather.fog_per_m * _HAZE_SEEN_BY_LIDAR
        rain_per_m = rain_extinction_per_m(weather.rain_mm_per_h)
        return Air(haze_per_m + fog_per_m + rain_per_m, _BACKSCATTER_PER_SR * (fog_per_m + rain_per_m))


def rain_extinction_per_m(rain_mm_per_h: float) -> float:
    """0.000365 rate^0.63 per metre.

    Drops are so much larger than the wave that each takes twice its cross-section: 2 N0 (pi / 4) 2 / Lambda^3 with
    Lambda = 4.1 rate^-0.21 per mm. Measured links agree (Carbonneau and Wisely 1998: 1.076 rate^0.67 dB / km, which is
    2.1 per km at 25 mm/h where this gives 2.8). The 0.01 rate^0.6 of Goodin et al. (2019), taken as per metre, would
    mean a visibility of 43 m there.
    """
    if rain_mm_per_h <= 0:
        return 0.0
    slope_per_mm = 4.1 * rain_mm_per_h**-0.21
    return math.pi * _DROPS_PER_M3_MM * 1e-6 / slope_per_mm**3
