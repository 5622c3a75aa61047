"""Construction vehicles: excavators on tracks and wheel loaders."""

from __future__ import annotations

from functools import cache

import numpy as np

from streetsim.assets.asset import Asset, Shape, shape_of
from streetsim.assets.palette import draw_seed
from streetsim.assets.solids import box, loft, tube, wheel
from streetsim.assets.template import Assembly
from streetsim.materials import Material, VehicleColumn, parameter_row
from streetsim.semantics import Semantic

VARIANTS = 4


def construction_vehicle(rng: np.random.Generator) -> Asset:
    shape = excavator(int(rng.integers(VARIANTS))) if rng.random() < 0.6 else wheel_loader(int(rng.integers(VARIANTS)))
    row = parameter_row(
        (0.72, 0.45, 0.02),
        (0.08, 0.08, 0.08),
        draw_seed(rng),
        values={
            VehicleColumn.DECORATED: 0.5,
            VehicleColumn.WHEEL_RADIUS: 0.7,
            VehicleColumn.FRONT_AXLE_X: 1.4,
            VehicleColumn.REAR_AXLE_X: -1.4,
        },
    )
    return Asset(shape, row, "vehicle.construction")


@cache
def excavator(variant: int) -> Shape:
    rng = np.random.default_rng([301, variant])
    assembly = Assembly(Semantic.CONSTRUCTION)
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    track_x = 1.75 * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.5
    track_z = 0.42 + 0.42 * np.sin(angle)
    for y in (0.95, -0.95):
        rings = [np.stack([track_x, np.full(12, side), track_z], -1) for side in (y - 0.25, y + 0.25)]
        assembly.add(loft(rings), Material.TIRE)
    assembly.add(box((-0.3, 0, 1.35), (3.0, 2.3, 0.9)), Material.PLAIN1)
    assembly.add(box((-1.4, 0, 1.9), (0.9, 2.2, 0.5)), Material.PLAIN2)
    assembly.add(box((0.55, 0.65, 2.2), (1.2, 0.9, 1.2), taper=0.85), Material.GLASS)
    assembly.add(box((0.55, 0.65, 2.84), (1.05, 0.8, 0.08)), Material.PLAIN1)
    lift_rad = rng.uniform(0.5, 0.9)
    foot = np.array([1.0, -0.2, 1.7])
    elbow = foot + 2.6 * np.array([np.cos(lift_rad), 0, np.sin(lift_rad)])
    hand = elbow + 2.0 * np.array([0.75, 0, -0.75])
    assembly.add(tube(foot, elbow, 0.24, 0.2, 6), Material.PLAIN1)
    assembly.add(tube(elbow, hand, 0.18, 0.14, 6), Material.PLAIN1)
    assembly.add(box(hand + np.array([-0.1, 0, -0.25]), (0.7, 0.9, 0.6)), Material.METAL)
    return shape_of([assembly.template(centred=True)])


@cache
def wheel_loader(variant: int) -> Shape:
    rng = np.random.default_rng([302, variant])
    assembly = Assembly(Semantic.CONSTRUCTION)
    for x in (1.4, -1.4):
        for y in (0.85, -0.85):
            assembly.add(wheel((x, y, 0.7), 0.7, 0.5, 16), Material.TIRE)
    assembly.add(box((-1.3, 0, 1.35), (2.4, 1.5, 1.0), taper=0.92), Material.PLAIN1)
    assembly.add(box((0.9, 0, 1.0), (2.2, 0.9, 0.6)), Material.PLAIN2)
    assembly.add(box((0.1, 0, 2.1), (1.2, 1.3, 1.3), taper=0.9), Material.GLASS)
    assembly.add(box((0.1, 0, 2.8), (1.3, 1.3, 0.08)), Material.PLAIN1)
    bucket_z = rng.uniform(0.5, 1.6)
    for y in (0.45, -0.45):
        assembly.add(tube((1.2, y, 1.5), (3.0, y, bucket_z + 0.1), 0.14, sides=6), Material.PLAIN1)
    assembly.add(box((3.3, 0, bucket_z), (0.9, 2.3, 0.8), taper=1.15), Material.METAL)
    return shape_of([assembly.template(centred=True)])
