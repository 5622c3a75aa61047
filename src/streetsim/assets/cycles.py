"""Bicycles and motorcycles, with and without riders."""

from __future__ import annotations

from functools import cache

import numpy as np

from streetsim.assets.asset import Asset, Shape, shape_of
from streetsim.assets.palette import CAR_PAINTS, SKIN, draw_seed, pick
from streetsim.assets.people import add_person
from streetsim.assets.solids import ball, box, hoop, tube, wheel
from streetsim.assets.template import Assembly, Template
from streetsim.materials import Material, VehicleColumn, parameter_row
from streetsim.semantics import Semantic

VARIANTS = 5
PEDALLING_PHASES = 4


def bicycle(rng: np.random.Generator, has_rider: bool) -> Asset:
    shape = bicycle_shape(int(rng.integers(VARIANTS)), has_rider)
    row = parameter_row(
        rng.uniform(0.03, 0.7, 3),
        rng.uniform(0.02, 0.3, 3),
        draw_seed(rng),
        third_colour=pick(SKIN, rng),
        values={
            VehicleColumn.WHEEL_RADIUS: 0.34,
            VehicleColumn.FRONT_AXLE_X: 0.52,
            VehicleColumn.REAR_AXLE_X: -0.52,
            VehicleColumn.DECORATED: 1.0,
        },
    )
    return Asset(shape, row, "vehicle.bicycle")


def motorcycle(rng: np.random.Generator, has_rider: bool) -> Asset:
    shape = motorcycle_shape(int(rng.integers(VARIANTS)), has_rider)
    row = parameter_row(
        pick(CAR_PAINTS, rng),
        rng.uniform(0.02, 0.25, 3),
        draw_seed(rng),
        third_colour=pick(SKIN, rng),
        values={
            VehicleColumn.WHEEL_RADIUS: 0.31,
            VehicleColumn.FRONT_AXLE_X: 0.68,
            VehicleColumn.REAR_AXLE_X: -0.65,
            VehicleColumn.DECORATED: 1.0,
        },
    )
    return Asset(shape, row, "vehicle.motorcycle")


@cache
def bicycle_shape(variant: int, has_rider: bool) -> Shape:
    phases = range(PEDALLING_PHASES if has_rider else 1)
    return shape_of([_bicycle(variant, has_rider, 2 * np.pi * phase / PEDALLING_PHASES) for phase in phases])


def _bicycle(variant: int, has_rider: bool, phase_rad: float) -> Template:
    rng = np.random.default_rng([501, variant])
    assembly = Assembly(Semantic.BICYCLE)
    for x in (0.52, -0.52):
        assembly.add(hoop((x, 0, 0.34), 0.318, 0.022, 18, 4), Material.TIRE)
        for spoke in range(4):
            angle = spoke * np.pi / 4
            reach = np.array([0.31 * np.cos(angle), 0, 0.31 * np.sin(angle)])
            hub = np.array([x, 0, 0.34])
            assembly.add(tube(hub - reach, hub + reach, 0.006, sides=3, caps=False), Material.METAL)
    rear, pedals, saddle = (-0.52, 0, 0.34), (-0.08, 0, 0.3), (-0.2, 0, 0.85)
    head, front = (0.4, 0, 0.85), (0.52, 0, 0.34)
    for start, end in ((rear, pedals), (pedals, saddle), (pedals, head), (saddle, head), (rear, saddle), (head, front)):
        assembly.add(tube(start, end, 0.022, sides=5), Material.PLAIN1)
    assembly.add(box((-0.22, 0, 0.93), (0.26, 0.13, 0.07)), Material.TIRE)
    assembly.add(tube((0.38, -0.28, 1.0), (0.38, 0.28, 1.0), 0.018, sides=5), Material.TIRE)
    assembly.add(tube(head, (0.38, 0, 1.0), 0.02, sides=5), Material.METAL)
    if rng.random() < 0.4:
        assembly.add(box((-0.55, 0, 0.78), (0.35, 0.25, 0.2)), Material.PLAIN2)
    if has_rider:
        add_person(
            assembly,
            rng,
            height_m=rng.uniform(1.62, 1.82),
            phase_rad=phase_rad,
            stride_rad=0.3,
            seat_lean_m=0.28,
            offset_m=(-0.2, 0, 0.06),
            semantic=Semantic.BICYCLIST,
        )
    return assembly.template(centred=not has_rider)


@cache
def motorcycle_shape(variant: int, has_rider: bool) -> Shape:
    rng = np.random.default_rng([502, variant])
    assembly = Assembly(Semantic.MOTORCYCLE)
    for x in (0.68, -0.65):
        assembly.add(hoop((x, 0, 0.32), 0.25, 0.07, 16, 6), Material.TIRE)
        assembly.add(wheel((x, 0, 0.32), 0.2, 0.06, 10), Material.METAL)
    assembly.add(box((-0.02, 0, 0.45), (0.6, 0.3, 0.35)), Material.METAL)
    assembly.add(ball((0.15, 0, 0.82), 0.26, 6, 8, (1.1, 0.6, 0.55)), Material.PLAIN1)
    assembly.add(box((-0.42, 0, 0.8), (0.7, 0.26, 0.12)), Material.TIRE)
    assembly.add(box((-0.75, 0, 0.72), (0.3, 0.2, 0.18)), Material.PLAIN1)
    assembly.add(tube((0.68, 0, 0.31), (0.42, 0, 1.0), 0.06, sides=6), Material.METAL)
    assembly.add(tube((0.4, -0.36, 1.02), (0.4, 0.36, 1.02), 0.025, sides=5), Material.TIRE)
    assembly.add(ball((0.58, 0, 0.85), 0.13, 5, 7), Material.PLAIN1)
    assembly.add(box((0.66, 0, 0.88), (0.05, 0.18, 0.16)), Material.GLASS)
    assembly.add(box((0.02, 0.22, 0.3), (1.0, 0.1, 0.1)), Material.METAL)
    if has_rider:
        lean, foot_x = 0.22, -0.35
        add_person(
            assembly,
            rng,
            height_m=rng.uniform(1.68, 1.82),
            phase_rad=1.2,
            stride_rad=0.1,
            seat_lean_m=lean,
            offset_m=(foot_x, 0, 0.0),
            semantic=Semantic.MOTORCYCLIST,
        )
        assembly.add(ball((foot_x + lean + 0.03, 0, 1.66), 0.16, 6, 8), Material.PLAIN2, Semantic.MOTORCYCLIST)
    return shape_of([assembly.template()])
