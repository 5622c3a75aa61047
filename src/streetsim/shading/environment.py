"""Where the compiled shaders find the numbers of `Weather.vector`."""

from __future__ import annotations

SUN_DIRECTION = 0  # unit vector to the sun, world; three columns, like the colours below
SUN_COLOUR = 3
ZENITH = 6
HORIZON = 9
GROUND_LIGHT = 12
FOG_PER_M = 15
CLOUDS = 16
WETNESS = 17
EXPOSURE = 18
CLOUD_SEED = 19
GLOW = 20
SUN_RADIUS = 21  # tangent of the half angle of the sun's disc
CASTS_SHADOWS = 22
