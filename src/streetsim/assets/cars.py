"""Passenger cars, vans, pickups, police cars and ambulances."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cache

import numpy as np

from streetsim.assets.asset import Asset, VehicleBody, shape_of
from streetsim.assets.palette import CAR_PAINTS, TAXI, draw_seed, pick
from streetsim.assets.solids import Points, box, loft, profile_along_x, wheel
from streetsim.assets.template import Assembly
from streetsim.materials import Material, VehicleColumn, parameter_row
from streetsim.semantics import Semantic

VARIANTS = 4
"""Bodies per kind; each is modelled once and used for many cars."""


@dataclass(frozen=True)
class CarForm:
    """Proportions of a body: metres, and places along it as fractions of the length from its middle."""

    length_m: float
    width_m: float
    height_m: float
    belt_m: float
    windscreen_foot: float
    windscreen_top: float
    rear_window_top: float
    rear_window_foot: float
    body_kind: int
    share: float


FORMS = {
    "sedan": CarForm(4.6, 1.82, 1.45, 0.92, 0.20, 0.02, -0.24, -0.37, 0, 0.26),
    "hatchback": CarForm(4.0, 1.76, 1.50, 0.93, 0.23, 0.06, -0.38, -0.475, 0, 0.20),
    "suv": CarForm(4.7, 1.92, 1.75, 1.08, 0.22, 0.08, -0.40, -0.475, 1, 0.20),
    "wagon": CarForm(4.7, 1.84, 1.50, 0.93, 0.20, 0.03, -0.40, -0.475, 1, 0.10),
    "van": CarForm(5.2, 2.00, 2.10, 1.15, 0.34, 0.22, -0.46, -0.485, 3, 0.10),
    "pickup": CarForm(5.4, 1.95, 1.80, 1.05, 0.22, 0.10, -0.10, -0.13, 0, 0.06),
    "coupe": CarForm(4.4, 1.84, 1.34, 0.86, 0.18, -0.02, -0.22, -0.42, 0, 0.08),
}
"""The value `share` is how often a kind is drawn."""


def car(rng: np.random.Generator) -> Asset:
    """A car of any kind and colour; a few are taxis."""
    kinds = list(FORMS)
    kind = kinds[int(rng.choice(len(kinds), p=[form.share for form in FORMS.values()]))]
    body = car_body(kind, int(rng.integers(VARIANTS)), Semantic.CAR)
    paint = np.clip(pick(CAR_PAINTS, rng) * rng.uniform(0.85, 1.1), 0.01, 0.85)
    if rng.random() < 0.06:
        paint = np.array(TAXI)
    row = parameter_row(
        paint,
        rng.uniform(0.02, 0.6, 3),
        draw_seed(rng),
        values={**body.columns, VehicleColumn.DECORATED: float(rng.random() < 0.15)},
    )
    return Asset(body.shape, row, "vehicle.car")


def police_car(rng: np.random.Generator) -> Asset:
    """A white car with a blue stripe and a light bar."""
    body = car_body("sedan", int(rng.integers(VARIANTS)), Semantic.POLICE_CAR)
    row = parameter_row(
        (0.75, 0.75, 0.75), (0.02, 0.06, 0.45), draw_seed(rng), values={**body.columns, VehicleColumn.DECORATED: 1.0}
    )
    return Asset(body.shape, row, "vehicle.emergency.police")


def ambulance(rng: np.random.Generator) -> Asset:
    """A white van with a red stripe and a light bar."""
    body = car_body("van", int(rng.integers(VARIANTS)), Semantic.AMBULANCE)
    row = parameter_row(
        (0.80, 0.80, 0.78), (0.60, 0.03, 0.03), draw_seed(rng), values={**body.columns, VehicleColumn.DECORATED: 1.0}
    )
    return Asset(body.shape, row, "vehicle.emergency.ambulance")


@cache
def car_body(kind: str, variant: int, semantic: Semantic) -> VehicleBody:
    """The body number `variant` of a kind; police cars and ambulances carry a light bar on the roof."""
    form = FORMS[kind]
    rng = np.random.default_rng([list(FORMS).index(kind), variant])
    growth = rng.uniform(0.96, 1.05)
    length = form.length_m * growth
    width = form.width_m * (1 + (growth - 1) * 0.5)
    height = form.height_m * (1 + (growth - 1) * 0.4)
    half = width / 2 * 0.985
    belt = form.belt_m
    is_low = height < 1.6
    wheel_radius, clearance = (0.33, 0.18) if is_low else (0.37, 0.24)
    hood = belt - (0.02 if kind == "van" else 0.06)
    foot, top = form.windscreen_foot * length, form.windscreen_top * length
    rear_top, rear_foot = form.rear_window_top * length, form.rear_window_foot * length

    assembly = Assembly(semantic)
    # x, width factor, lower edge, upper edge: from the tail to the nose
    sections = [
        (-length / 2, 0.86, 0.36, belt - 0.22),
        (-length / 2 + 0.1, 0.94, 0.26, belt - 0.04),
        (-length / 2 + 0.75, 1.0, clearance, belt + 0.01),
        (0.0, 1.0, clearance, belt),
        (foot, 1.0, clearance, hood + 0.02),
        (length / 2 - 0.55, 0.98, clearance, hood - 0.07),
        (length / 2 - 0.12, 0.92, 0.25, hood - 0.2),
        (length / 2, 0.84, 0.34, hood - 0.32),
    ]
    assembly.add(
        loft([profile_along_x(x, _body_outline(half * factor, low, high)) for x, factor, low, high in sections]),
        Material.VEHICLE,
    )
    cabin = [
        (rear_foot, 0.93, belt + 0.03),
        (rear_top, 0.97, height - 0.02),
        ((rear_top + top) / 2, 1.0, height),
        (top, 0.98, height - 0.03),
        (foot, 0.95, belt + 0.03),
    ]
    assembly.add(
        loft([profile_along_x(x, _cabin_outline(half, factor, belt - 0.03, high)) for x, factor, high in cabin]),
        Material.VEHICLE,
    )
    front_axle, rear_axle = 0.31 * length, -0.30 * length
    for x in (front_axle, rear_axle):
        for y in (half - 0.11, -half + 0.11):
            assembly.add(wheel((x, y, wheel_radius), wheel_radius, 0.24), Material.TIRE)
    for side in (1, -1):
        assembly.add(box((foot - 0.12, side * (half + 0.06), belt + 0.07), (0.14, 0.14, 0.13)), Material.PLAIN1)
    if form.body_kind == 1 and variant % 2 == 0:
        for side in (1, -1):
            rail = ((rear_top + top) / 2, side * half * 0.62, height + 0.03)
            assembly.add(box(rail, ((top - rear_top) * 0.8, 0.05, 0.05)), Material.METAL)
    if semantic is not Semantic.CAR:
        assembly.add(box((top - 0.35, 0, height + 0.06), (0.25, width * 0.6, 0.12)), Material.PLAIN2)
    columns: dict[IntEnum, float] = {
        VehicleColumn.LENGTH: length,
        VehicleColumn.WIDTH: width,
        VehicleColumn.HEIGHT: height,
        VehicleColumn.BELT_HEIGHT: belt,
        VehicleColumn.WINDSCREEN_FOOT_X: foot,
        VehicleColumn.WINDSCREEN_TOP_X: top,
        VehicleColumn.REAR_WINDOW_TOP_X: rear_top,
        VehicleColumn.REAR_WINDOW_FOOT_X: rear_foot,
        VehicleColumn.WHEEL_RADIUS: wheel_radius,
        VehicleColumn.FRONT_AXLE_X: front_axle,
        VehicleColumn.REAR_AXLE_X: rear_axle,
        VehicleColumn.BODY_KIND: form.body_kind,
    }
    return VehicleBody(shape_of([assembly.template(centred=True)]), columns)


def _body_outline(half_width: float, low: float, high: float) -> Points:
    """Section of the lower body in y and z."""
    middle = low + 0.45 * (high - low)
    right = [(0.92, low), (1.0, low + 0.12), (1.0, middle), (0.97, high - 0.06), (0.9, high)]
    return _mirrored(right, half_width)


def _cabin_outline(half_width: float, factor: float, low: float, high: float) -> Points:
    """Section of the cabin in y and z, narrowing towards the roof."""
    return _mirrored([(0.95 * factor, low), (0.80 * factor, high - 0.05), (0.68 * factor, high)], half_width)


def _mirrored(right_side: list[tuple[float, float]], half_width: float) -> Points:
    """A closed outline from the points of its right side (fraction of the half width, z), from below to above."""
    side = np.array(right_side)
    left = side[::-1] * [half_width, 1]
    return np.concatenate([side * [-half_width, 1], left])
