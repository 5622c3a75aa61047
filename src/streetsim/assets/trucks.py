"""Trucks with five kinds of cargo body, and trailers."""

from __future__ import annotations

from enum import IntEnum
from functools import cache

import numpy as np

from streetsim.assets.asset import Asset, VehicleBody, shape_of
from streetsim.assets.palette import CAR_PAINTS, draw_seed, pick
from streetsim.assets.solids import Points, box, loft, profile_along_x, wheel
from streetsim.assets.template import Assembly
from streetsim.materials import Material, VehicleColumn, parameter_row
from streetsim.semantics import Semantic

TRUCK_VARIANTS = 15
TRAILER_VARIANTS = 5
CARGO_BODIES = ("box", "flatbed", "box", "tanker", "dump")
WHEEL_RADIUS_M = 0.48
CAB_LENGTH_M = 2.0


def truck(rng: np.random.Generator) -> Asset:
    body = truck_body(int(rng.integers(TRUCK_VARIANTS)))
    cargo_colour = rng.uniform(0.1, 0.8, 3) if rng.random() < 0.6 else np.array([0.78, 0.78, 0.76])
    values = {**body.columns, VehicleColumn.DECORATED: float(rng.random() < 0.75)}
    return Asset(
        body.shape, parameter_row(pick(CAR_PAINTS, rng), cargo_colour, draw_seed(rng), values=values), "vehicle.truck"
    )


def trailer(rng: np.random.Generator) -> Asset:
    """A semi-trailer: standing on its legs, or behind a truck."""
    body = trailer_body(int(rng.integers(TRAILER_VARIANTS)))
    wall = np.array([0.75, 0.75, 0.73]) if rng.random() < 0.5 else rng.uniform(0.1, 0.7, 3)
    values = {**body.columns, VehicleColumn.DECORATED: 1.0}
    return Asset(
        body.shape, parameter_row(rng.uniform(0.05, 0.7, 3), wall, draw_seed(rng), values=values), "vehicle.trailer"
    )


@cache
def truck_body(variant: int) -> VehicleBody:
    rng = np.random.default_rng([101, variant])
    kind = CARGO_BODIES[variant % len(CARGO_BODIES)]
    length, width = rng.uniform(6.5, 9.5), rng.uniform(2.3, 2.5)
    cab_height, cargo_height = rng.uniform(2.5, 2.9), rng.uniform(3.0, 3.6)
    half, front = width / 2, length / 2
    cargo_back, cargo_front = -length / 2, front - CAB_LENGTH_M - 0.15
    assembly = Assembly(Semantic.TRUCK)
    _add_cab(assembly, front, half, cab_height)
    assembly.add(box((-0.3, 0, 0.72), (length - 1.0, width * 0.4, 0.3)), Material.TIRE)
    if kind == "box":
        _add_box_body(assembly, cargo_back, cargo_front, width, 1.0, cargo_height)
    elif kind == "tanker":
        _add_tank(assembly, cargo_back, cargo_front, half, cargo_height)
    else:
        _add_flatbed(assembly, cargo_back, cargo_front, width, 0.5 if kind == "flatbed" else 1.1, rng)
    front_axle, rear_axle = front - 1.05, cargo_back + 1.5
    axles = [front_axle, rear_axle] + ([rear_axle + 1.15] if length > 8 else [])
    for x in axles:
        for y in (half - 0.17, -half + 0.17):
            assembly.add(wheel((x, y, WHEEL_RADIUS_M), WHEEL_RADIUS_M, 0.32, 16), Material.TIRE)
    assembly.add(box((cargo_back + 0.1, 0, 0.6), (0.12, width * 0.95, 0.2)), Material.PLAIN2)
    for side in (1, -1):
        assembly.add(box((front - 0.25, side * (half + 0.1), 1.9), (0.1, 0.18, 0.5)), Material.TIRE)
    columns: dict[IntEnum, float] = {
        VehicleColumn.LENGTH: length,
        VehicleColumn.WIDTH: width,
        VehicleColumn.HEIGHT: cab_height,
        VehicleColumn.BELT_HEIGHT: 1.55,
        VehicleColumn.WINDSCREEN_FOOT_X: front - 0.02,
        VehicleColumn.WINDSCREEN_TOP_X: front - 0.35,
        VehicleColumn.REAR_WINDOW_TOP_X: front - CAB_LENGTH_M + 0.1,
        VehicleColumn.REAR_WINDOW_FOOT_X: front - CAB_LENGTH_M + 0.05,
        VehicleColumn.WHEEL_RADIUS: WHEEL_RADIUS_M,
        VehicleColumn.FRONT_AXLE_X: front_axle,
        VehicleColumn.REAR_AXLE_X: rear_axle,
        VehicleColumn.CARGO_BACK_X: cargo_back,
        VehicleColumn.CARGO_FRONT_X: cargo_front,
        VehicleColumn.CARGO_FLOOR_Z: 1.0,
        VehicleColumn.CARGO_TOP_Z: cargo_height,
    }
    return VehicleBody(shape_of([assembly.template()]), columns)


@cache
def trailer_body(variant: int) -> VehicleBody:
    rng = np.random.default_rng([102, variant])
    length, width, height = rng.uniform(7, 11.5), 2.45, rng.uniform(3.2, 3.9)
    half = width / 2
    assembly = Assembly(Semantic.TRAILER)
    _add_box_body(assembly, -length / 2, length / 2, width, 1.05, height)
    assembly.add(box((0, 0, 0.9), (length, 0.9, 0.3)), Material.TIRE)
    axles = (-length / 2 + 1.2, -length / 2 + 2.4)
    for x in axles:
        for y in (half - 0.17, -half + 0.17):
            assembly.add(wheel((x, y, WHEEL_RADIUS_M), WHEEL_RADIUS_M, 0.3), Material.TIRE)
    for y in (0.6, -0.6):
        assembly.add(box((length / 2 - 2, y, 0.5), (0.12, 0.12, 1.0)), Material.METAL)
    columns: dict[IntEnum, float] = {
        VehicleColumn.LENGTH: length,
        VehicleColumn.WIDTH: width,
        VehicleColumn.HEIGHT: height,
        VehicleColumn.WHEEL_RADIUS: WHEEL_RADIUS_M,
        VehicleColumn.FRONT_AXLE_X: axles[0],
        VehicleColumn.REAR_AXLE_X: axles[1],
        VehicleColumn.CARGO_BACK_X: -length / 2,
        VehicleColumn.CARGO_FRONT_X: length / 2,
        VehicleColumn.CARGO_FLOOR_Z: 1.05,
        VehicleColumn.CARGO_TOP_Z: height,
    }
    return VehicleBody(shape_of([assembly.template()]), columns)


def _add_cab(assembly: Assembly, front: float, half: float, height: float) -> None:
    def outline(factor: float, low: float, high: float) -> Points:
        wide, narrow = half * factor, half * factor * 0.92
        return np.array(
            [(-wide, low), (-wide, high - 0.1), (-narrow, high), (narrow, high), (wide, high - 0.1), (wide, low)]
        )

    sections = [
        (front - CAB_LENGTH_M, outline(1.0, 0.6, height)),
        (front - 0.5, outline(1.0, 0.55, height)),
        (front - 0.12, outline(0.97, 0.45, height - (0.25 if height < 2.7 else 0.6))),
        (front, outline(0.95, 0.5, 1.4)),
    ]
    assembly.add(loft([profile_along_x(x, section) for x, section in sections]), Material.VEHICLE)


def _add_box_body(assembly: Assembly, back: float, front: float, width: float, floor: float, top: float) -> None:
    centre = ((back + front) / 2, 0, (floor + top) / 2)
    assembly.add(box(centre, (front - back, width, top - floor)), Material.BOXTRUCK)


def _add_tank(assembly: Assembly, back: float, front: float, half: float, top: float) -> None:
    angle = np.linspace(0, 2 * np.pi, 14, endpoint=False)[::-1]
    section = np.stack([half * 0.95 * np.cos(angle), 1.05 + (top - 1.05) / 2 * (1 + np.sin(angle))], -1)
    ends = [(back, 0.85), (back + 0.25, 1.0), (front - 0.25, 1.0), (front, 0.85)]
    assembly.add(loft([profile_along_x(x, section * [factor, 1]) for x, factor in ends]), Material.METAL)


def _add_flatbed(
    assembly: Assembly, back: float, front: float, width: float, wall: float, rng: np.random.Generator
) -> None:
    """A bed with walls of the height `wall`, loaded with some boxes."""
    middle, length, half = (back + front) / 2, front - back, width / 2
    assembly.add(box((middle, 0, 1.02), (length, width, 0.12)), Material.PLAIN1)
    for y in (half - 0.04, -half + 0.04):
        assembly.add(box((middle, y, 1.05 + wall / 2), (length, 0.08, wall)), Material.PLAIN2)
    assembly.add(box((back + 0.04, 0, 1.05 + wall / 2), (0.08, width, wall)), Material.PLAIN2)
    assembly.add(box((front - 0.05, 0, 1.05 + wall * 0.7), (0.1, width, wall * 1.4)), Material.PLAIN1)
    for _ in range(int(rng.integers(1, 4))):
        size = (rng.uniform(0.6, 1.4), rng.uniform(0.6, 1.2), rng.uniform(0.5, 1.0))
        place = (rng.uniform(back + 0.9, front - 0.9), rng.uniform(-0.45, 0.45), 1.08 + size[2] / 2)
        assembly.add(box(place, size), Material.FENCE)
