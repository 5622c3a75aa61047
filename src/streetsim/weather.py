"""Sun, sky, haze and water: six kinds of weather and one drawn day of each."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class WeatherPreset:
    """What days of one kind have in common.

    Attributes:
        sun_elevation_deg: range the height of the sun is drawn from.
        sun_strength, sun_colour: radiance of the sun, relative.
        zenith, horizon: colours of the clear sky, linear.
        fog_per_m: extinction of visible light by haze or fog; the visibility is ln 20 over it.
        fog_droplets: whether it is fog, of droplets that a LiDAR feels like the eye does, or haze of finer particles.
        rain_mm_per_h: rain rate.
        cloud_cover: 0 none to 1 closed.
        wetness: 0 dry to 1 standing water.
        exposure: what the cameras multiply with.
        sun_softness: radius of the sun's disc as a tangent; large under clouds.
        sun_glow: strength of the bright sky around the sun.
    """

    sun_elevation_deg: tuple[float, float]
    sun_strength: float
    sun_colour: Colour
    zenith: Colour
    horizon: Colour
    fog_per_m: float
    fog_droplets: bool
    rain_mm_per_h: float
    cloud_cover: float
    wetness: float
    exposure: float
    sun_softness: float
    sun_glow: float


# fmt: off
PRESETS = {
    "clear": WeatherPreset(
        (35, 60), 3.0, (1, 0.95, 0.86), (0.16, 0.30, 0.62), (0.55, 0.66, 0.80),
        0.0012, False, 0.0, 0.45, 0.0, 0.72, 0.004, 1.0),
    "golden": WeatherPreset(
        (11, 20), 2.5, (1, 0.72, 0.42), (0.16, 0.24, 0.46), (0.78, 0.60, 0.45),
        0.0025, False, 0.0, 0.50, 0.0, 0.90, 0.006, 1.3),
    "overcast": WeatherPreset(
        (40, 60), 0.45, (1, 1, 1), (0.50, 0.53, 0.58), (0.62, 0.64, 0.66),
        0.0022, False, 0.0, 0.95, 0.0, 0.95, 0.12, 0.1),
    "rain": WeatherPreset(
        (40, 60), 0.12, (1, 1, 1), (0.42, 0.45, 0.50), (0.52, 0.54, 0.57),
        0.0090, False, 25.0, 0.95, 1.0, 1.15, 0.20, 0.0),
    "fog": WeatherPreset(
        (30, 50), 0.3, (1, 0.97, 0.92), (0.66, 0.68, 0.70), (0.72, 0.73, 0.74),
        0.0220, True, 0.0, 0.20, 0.3, 0.92, 0.12, 0.3),
    "dusk": WeatherPreset(
        (5, 8), 0.6, (1, 0.5, 0.3), (0.08, 0.11, 0.24), (0.42, 0.28, 0.26),
        0.0030, False, 0.0, 0.50, 0.0, 1.90, 0.03, 0.8),
}
# fmt: on

WEATHERS: tuple[str, ...] = tuple(PRESETS)


@dataclass(frozen=True)
class Weather:
    """One drawn day: directions and colours in the world frame, linear radiance.

    Attributes:
        name: one of `WEATHERS`.
        sun_direction: unit vector from the ground to the sun.
        sun_radiance, zenith, horizon: red, green, blue.
        ground_light: light that the ground throws back up.
        fog_per_m, fog_droplets, rain_mm_per_h, cloud_cover, wetness, exposure, sun_glow, sun_softness: see
            `WeatherPreset`.
        cloud_seed: which clouds.
        casts_shadows: whether the sun is strong enough for shadows.
    """

    name: str
    sun_direction: Colour
    sun_radiance: Colour
    zenith: Colour
    horizon: Colour
    ground_light: Colour
    fog_per_m: float
    fog_droplets: bool
    rain_mm_per_h: float
    cloud_cover: float
    wetness: float
    exposure: float
    cloud_seed: int
    sun_glow: float
    sun_softness: float
    casts_shadows: bool

    @property
    def visibility_m(self) -> float:
        """Meteorological optical range: where a black thing's contrast has fallen to 5 %."""
        return math.log(20) / self.fog_per_m

    def vector(self) -> NDArray[np.float64]:
        """The 24 numbers in the order that the compiled shader reads.

        0:3 sun direction, 3:6 sun radiance, 6:9 zenith, 9:12 horizon, 12:15 light from the ground, 15 fog, 16 clouds,
        17 wetness, 18 exposure, 19 cloud seed, 20 glow, 21 softness of the sun, 22 whether it casts shadows, 23 unused.
        """
        return np.array(
            [
                *self.sun_direction,
                *self.sun_radiance,
                *self.zenith,
                *self.horizon,
                *self.ground_light,
                self.fog_per_m,
                self.cloud_cover,
                self.wetness,
                self.exposure,
                self.cloud_seed,
                self.sun_glow,
                self.sun_softness,
                float(self.casts_shadows),
                0.0,
            ]
        )


def draw_weather(name: str, rng: np.random.Generator) -> Weather:
    """A day of the kind `name` (one of `WEATHERS`): place of the sun and shape of the clouds are drawn."""
    if name not in PRESETS:
        raise ValueError(f"weather {name!r} is unknown; choose one of {', '.join(WEATHERS)}")
    preset = PRESETS[name]
    elevation_rad = np.deg2rad(rng.uniform(*preset.sun_elevation_deg))
    azimuth_rad = rng.uniform(0, 2 * np.pi)
    cloud_seed = int(rng.integers(1, 1000))
    sun_radiance = preset.sun_strength * np.array(preset.sun_colour)
    sky = (np.array(preset.zenith) + np.array(preset.horizon)) / 2
    ground_light = 0.16 * (0.8 * sun_radiance * np.sin(elevation_rad) + sky) * np.array([1, 0.95, 0.85])
    return Weather(
        name=name,
        sun_direction=(
            float(np.cos(elevation_rad) * np.cos(azimuth_rad)),
            float(np.cos(elevation_rad) * np.sin(azimuth_rad)),
            float(np.sin(elevation_rad)),
        ),
        sun_radiance=_colour(sun_radiance),
        zenith=preset.zenith,
        horizon=preset.horizon,
        ground_light=_colour(ground_light),
        fog_per_m=preset.fog_per_m,
        fog_droplets=preset.fog_droplets,
        rain_mm_per_h=preset.rain_mm_per_h,
        cloud_cover=preset.cloud_cover,
        wetness=preset.wetness,
        exposure=preset.exposure,
        cloud_seed=cloud_seed,
        sun_glow=preset.sun_glow,
        sun_softness=preset.sun_softness,
        casts_shadows=preset.sun_strength > 0.2,
    )


def _colour(values: NDArray[np.float64]) -> Colour:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
