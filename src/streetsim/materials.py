"""What surfaces are made of: material ids, the parameter row that a texture reads, and how a LiDAR sees each material.

A texture is a function of the place on the object and of 24 numbers that describe the object: one row per object of
`Scenario.object_parameters`. The first seven mean the same everywhere (`Common`); the others belong to the kind of
object and are named by the enumerations below. They are IntEnums so that compiled shaders can index with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

PARAMETERS = 24
Colour = tuple[float, float, float]
"""Linear reflectance of red, green and blue, 0 to 1."""


class Material(IntEnum):
    """Which texture and which reflectivity a triangle has."""

    ROAD = 0
    WALK = 1
    CURB = 2
    GRASS = 3
    PLAZA = 4
    FACADE = 5
    ROOF = 6
    VEHICLE = 7
    BUS = 8
    BOXTRUCK = 9
    TIRE = 10
    METAL = 11
    BARK = 12
    LEAF = 13
    SKIN = 14
    SHIRT = 15
    PANTS = 16
    HAIR = 17
    POLE = 18
    SIGN = 19
    BARRIER = 20
    CONE = 21
    PLAIN1 = 22  # the object's first colour
    PLAIN2 = 23  # the object's second colour
    FENCE = 24
    HEDGE = 25
    LIGHTHEAD = 26
    VEST = 27
    AWNING = 28
    BILLBOARD = 29
    TILE = 30
    GLASS = 31
    DIRT = 32
    SHOE = 33


class Common(IntEnum):
    """Columns that every object has; colours take three columns from the one named here."""

    COLOUR = 0
    SECOND_COLOUR = 3
    SEED = 6
    STYLE = 7  # paving, grass and barrier: which of their patterns
    MARKING = 8  # curb: 0 none, 1 yellow, 2 red stretches
    THIRD_COLOUR = 20  # skin, bark, roof


class VehicleColumn(IntEnum):
    """Cars, trucks, buses, trailers, cycles; lengths in metres in the vehicle's own frame (x forward, centre 0)."""

    LENGTH = 7
    WIDTH = 8
    HEIGHT = 9
    BELT_HEIGHT = 10
    WINDSCREEN_FOOT_X = 11
    WINDSCREEN_TOP_X = 12
    REAR_WINDOW_TOP_X = 13
    REAR_WINDOW_FOOT_X = 14
    WHEEL_RADIUS = 15
    FRONT_AXLE_X = 16
    REAR_AXLE_X = 17
    BODY_KIND = 18  # 0 car, 1 with roof rails, 3 panel van
    DECORATED = 19  # stripe, lettering or advertisement
    CARGO_BACK_X = 20
    CARGO_FRONT_X = 21
    CARGO_FLOOR_Z = 22
    CARGO_TOP_Z = 23


class FacadeColumn(IntEnum):
    """Buildings; metres, and fractions of a bay or a storey."""

    STOREY_HEIGHT = 7
    BAY_WIDTH = 8
    WINDOW_WIDTH_FRACTION = 9
    WINDOW_HEIGHT_FRACTION = 10
    WALL = 11  # values of WallStyle
    GROUND_FLOOR = 12  # values of GroundFloor
    CORNICE = 13
    TRANSOM = 14
    SURROUND = 15
    LENGTH_X = 16
    LENGTH_Y = 17
    HEIGHT = 18


class WallStyle(IntEnum):
    BRICK = 0
    PLASTER = 1
    CONCRETE = 2
    GLASS = 3
    SIDING = 4


class GroundFloor(IntEnum):
    DOOR = 0
    SHOPS = 1
    AS_ABOVE = 2


class SignColumn(IntEnum):
    """Traffic signs, lying in the plane y-z around (0, CENTRE_Z)."""

    KIND = 7  # values of SignKind
    CENTRE_Z = 8
    RADIUS = 9


class SignKind(IntEnum):
    NO_ENTRY = 0
    WARNING = 1
    DIRECTION = 2
    STOP = 3
    STREET_NAME = 4
    SPEED_LIMIT = 5


class LightColumn(IntEnum):
    """Head of a traffic light; its lamps are on the side x > FACE_X."""

    STATE = 7  # values of LightState
    CENTRE_Z = 8
    FACE_X = 9


class LightState(IntEnum):
    RED = 0
    YELLOW = 1
    GREEN = 2


class BillboardColumn(IntEnum):
    BASE_Z = 8
    HEIGHT = 9
    DISC_U = 10
    DISC_RADIUS_SQUARED = 11


class ConeColumn(IntEnum):
    HEIGHT = 7


def parameter_row(
    colour: Colour | NDArray[np.float64] = (0.5, 0.5, 0.5),
    second_colour: Colour | NDArray[np.float64] = (0.5, 0.5, 0.5),
    seed: int = 0,
    third_colour: Colour | NDArray[np.float64] | None = None,
    values: Mapping[IntEnum, float] | None = None,
) -> NDArray[np.float64]:
    """The 24 numbers a texture reads about one object.

    Args:
        colour, second_colour, third_colour: linear reflectances; without a third its columns stay zero.
        seed: integer, makes patterns differ between objects of a kind.
        values: further columns by their name.
    """
    row = np.zeros(PARAMETERS)
    row[Common.COLOUR : Common.COLOUR + 3] = colour
    row[Common.SECOND_COLOUR : Common.SECOND_COLOUR + 3] = second_colour
    row[Common.SEED] = seed
    if third_colour is not None:
        row[Common.THIRD_COLOUR : Common.THIRD_COLOUR + 3] = third_colour
    for column, value in (values or {}).items():
        row[column] = value
    return row


# Mean reflectivity (0 to 1), its spread over a surface, probability that an echo at normal incidence is lost.
_LIDAR = {
    Material.ROAD: (0.10, 0.04, 0.02),
    Material.WALK: (0.22, 0.06, 0.01),
    Material.CURB: (0.28, 0.06, 0.01),
    Material.GRASS: (0.30, 0.12, 0.03),
    Material.PLAZA: (0.25, 0.08, 0.01),
    Material.FACADE: (0.30, 0.10, 0.03),
    Material.ROOF: (0.20, 0.06, 0.02),
    Material.VEHICLE: (0.28, 0.18, 0.08),
    Material.BUS: (0.32, 0.15, 0.07),
    Material.BOXTRUCK: (0.45, 0.15, 0.03),
    Material.TIRE: (0.05, 0.02, 0.10),
    Material.METAL: (0.40, 0.20, 0.05),
    Material.BARK: (0.22, 0.06, 0.02),
    Material.LEAF: (0.38, 0.15, 0.06),
    Material.SKIN: (0.40, 0.10, 0.02),
    Material.SHIRT: (0.35, 0.20, 0.02),
    Material.PANTS: (0.25, 0.15, 0.03),
    Material.HAIR: (0.10, 0.05, 0.08),
    Material.POLE: (0.35, 0.10, 0.02),
    Material.SIGN: (0.95, 0.05, 0.00),
    Material.BARRIER: (0.35, 0.08, 0.01),
    Material.CONE: (0.60, 0.20, 0.01),
    Material.PLAIN1: (0.30, 0.10, 0.02),
    Material.PLAIN2: (0.30, 0.10, 0.02),
    Material.FENCE: (0.28, 0.08, 0.03),
    Material.HEDGE: (0.35, 0.12, 0.04),
    Material.LIGHTHEAD: (0.30, 0.10, 0.03),
    Material.VEST: (0.85, 0.10, 0.00),
    Material.AWNING: (0.35, 0.10, 0.02),
    Material.BILLBOARD: (0.50, 0.20, 0.01),
    Material.TILE: (0.18, 0.05, 0.02),
    Material.GLASS: (0.06, 0.04, 0.55),
    Material.DIRT: (0.24, 0.06, 0.02),
    Material.SHOE: (0.15, 0.10, 0.03),
}

LIDAR_REFLECTIVITY: NDArray[np.float32] = np.array([_LIDAR[material] for material in Material], np.float32)
"""float32 (materials, 3): mean reflectivity, spread, drop-out probability; rows in the order of `Material`."""
