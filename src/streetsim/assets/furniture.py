"""What stands along a street: lamps, poles, bins, benches, shelters, bollards, boxes, fences."""

from __future__ import annotations

import numpy as np

from streetsim.assets.asset import Asset, shape_of
from streetsim.assets.palette import BINS, LAMP_POSTS, draw_seed, pick
from streetsim.assets.solids import ball, box, tube
from streetsim.assets.template import Assembly
from streetsim.materials import BillboardColumn, Material, parameter_row
from streetsim.semantics import Semantic


def lamp(rng: np.random.Generator) -> Asset:
    """A street lamp whose arm points along x; some carry banners."""
    height = rng.uniform(6, 8.5)
    assembly = Assembly(Semantic.POLE)
    assembly.add(tube((0, 0, 0), (0, 0, height), 0.1, 0.06), Material.POLE)
    assembly.add(tube((0, 0, 0), (0, 0, 0.8), 0.15, 0.14), Material.POLE)
    assembly.add(tube((0, 0, height), (1.8, 0, height + 0.35), 0.05, sides=6), Material.POLE)
    assembly.add(box((2.0, 0, height + 0.35), (0.7, 0.25, 0.1)), Material.PLAIN2)
    if rng.random() < 0.3:
        for y in (0.4, -0.4):
            assembly.add(box((0, y, height * 0.55), (0.05, 0.6, 1.3)), Material.PLAIN2, Semantic.SIGN)
    row = parameter_row(pick(LAMP_POSTS, rng), rng.uniform(0.05, 0.7, 3), draw_seed(rng))
    return Asset(shape_of([assembly.template()]), row)


def utility_pole(rng: np.random.Generator) -> Asset:
    height = rng.uniform(8, 10)
    assembly = Assembly(Semantic.POLE)
    assembly.add(tube((0, 0, 0), (0, 0, height), 0.16, 0.11), Material.BARK)
    assembly.add(box((0, 0, height - 0.8), (0.12, 2.2, 0.12)), Material.BARK)
    assembly.add(tube((0.25, 0, height - 2.3), (0.25, 0, height - 1.5), 0.22), Material.METAL)
    row = parameter_row((0.3, 0.2, 0.12), (0.2, 0.2, 0.2), draw_seed(rng), third_colour=(0.24, 0.17, 0.11))
    return Asset(shape_of([assembly.template()]), row)


def bin_(rng: np.random.Generator) -> Asset:
    assembly = Assembly(Semantic.PUSHABLE)
    assembly.add(tube((0, 0, 0), (0, 0, 0.95), 0.26, 0.3), Material.PLAIN1)
    assembly.add(tube((0, 0, 0.95), (0, 0, 1.05), 0.31, 0.2), Material.PLAIN2)
    row = parameter_row(pick(BINS, rng), (0.05, 0.05, 0.05), draw_seed(rng))
    return Asset(shape_of([assembly.template()]), row, "movable_object.pushable_pullable")


def hydrant(rng: np.random.Generator) -> Asset:
    assembly = Assembly(Semantic.FURNITURE)
    assembly.add(tube((0, 0, 0), (0, 0, 0.6), 0.12, 0.11), Material.PLAIN1)
    assembly.add(ball((0, 0, 0.62), 0.13, 4, 8), Material.PLAIN1)
    assembly.add(tube((0, -0.22, 0.42), (0, 0.22, 0.42), 0.07, sides=6), Material.PLAIN1)
    return Asset(shape_of([assembly.template()]), parameter_row((0.6, 0.05, 0.03), (0.8, 0.8, 0.1), draw_seed(rng)))


def bench(rng: np.random.Generator) -> Asset:
    """A bench along y; who sits on it looks along x."""
    assembly = Assembly(Semantic.FURNITURE)
    assembly.add(box((0, 0, 0.45), (0.45, 1.6, 0.06)), Material.FENCE)
    assembly.add(box((-0.22, 0, 0.75), (0.05, 1.6, 0.4)), Material.FENCE)
    for y in (0.65, -0.65):
        assembly.add(box((0, y, 0.22), (0.4, 0.06, 0.44)), Material.METAL)
    row = parameter_row((0.3, 0.18, 0.09), rng.uniform(0.05, 0.5, 3), draw_seed(rng))
    return Asset(shape_of([assembly.template()]), row)


def cabinet(rng: np.random.Generator) -> Asset:
    """A switch box, its long side along y."""
    assembly = Assembly(Semantic.FURNITURE)
    assembly.add(box((0, 0, 0.65), (0.45, 0.9, 1.3)), Material.PLAIN1)
    assembly.add(box((0, 0, 1.32), (0.5, 0.95, 0.06)), Material.PLAIN2)
    row = parameter_row((0.25, 0.3, 0.27), (0.15, 0.15, 0.15), draw_seed(rng))
    return Asset(shape_of([assembly.template()]), row)


def bollard(rng: np.random.Generator) -> Asset:
    assembly = Assembly(Semantic.POLE)
    assembly.add(tube((0, 0, 0), (0, 0, 0.9), 0.08), Material.PLAIN1)
    assembly.add(tube((0, 0, 0.7), (0, 0, 0.8), 0.085), Material.PLAIN2)
    return Asset(shape_of([assembly.template()]), parameter_row((0.1, 0.1, 0.1), (0.8, 0.75, 0.7), draw_seed(rng)))


def mailbox(rng: np.random.Generator) -> Asset:
    assembly = Assembly(Semantic.FURNITURE)
    assembly.add(box((0, 0, 0.65), (0.5, 0.5, 1.1)), Material.PLAIN1)
    assembly.add(tube((0, -0.25, 1.2), (0, 0.25, 1.2), 0.25, sides=10), Material.PLAIN1)
    colour = (0.03, 0.08, 0.35) if rng.random() < 0.5 else (0.7, 0.5, 0.03)
    return Asset(shape_of([assembly.template()]), parameter_row(colour, rng.uniform(0.05, 0.5, 3), draw_seed(rng)))


def shelter(rng: np.random.Generator) -> Asset:
    """A bus stop, open towards x, with a poster at its side."""
    assembly = Assembly(Semantic.FURNITURE)
    assembly.add(box((0, 0, 2.45), (1.6, 4.0, 0.1)), Material.PLAIN1)
    assembly.add(box((-0.7, 0, 1.25), (0.04, 3.8, 2.0)), Material.GLASS)
    assembly.add(box((0, 1.9, 1.25), (1.4, 0.12, 2.0)), Material.BILLBOARD)
    assembly.add(box((-0.35, -0.2, 0.45), (0.4, 2.2, 0.06)), Material.FENCE)
    for y in (1.9, -1.9):
        for x in (0.7, -0.7):
            assembly.add(tube((x, y, 0), (x, y, 2.4), 0.05, sides=6), Material.METAL)
    row = parameter_row(
        rng.uniform(0.1, 0.6, 3),
        rng.uniform(0.1, 0.9, 3),
        draw_seed(rng),
        values={
            BillboardColumn.BASE_Z: 0.3,
            BillboardColumn.HEIGHT: 1.9,
            BillboardColumn.DISC_U: 0.0,
            BillboardColumn.DISC_RADIUS_SQUARED: 0.15,
        },
    )
    return Asset(shape_of([assembly.template()]), row)


def advertising_column(rng: np.random.Generator) -> Asset:
    assembly = Assembly(Semantic.FURNITURE)
    assembly.add(tube((0, 0, 0), (0, 0, 2.6), 0.65, sides=14), Material.BILLBOARD)
    assembly.add(tube((0, 0, 2.6), (0, 0, 3.1), 0.8, 0.1, 14), Material.PLAIN2)
    row = parameter_row(
        rng.uniform(0.1, 0.8, 3),
        rng.uniform(0.1, 0.6, 3),
        draw_seed(rng),
        values={
            BillboardColumn.BASE_Z: 0.0,
            BillboardColumn.HEIGHT: 2.6,
            BillboardColumn.DISC_U: 0.0,
            BillboardColumn.DISC_RADIUS_SQUARED: 0.1,
        },
    )
    return Asset(shape_of([assembly.template()]), row)


def billboard(rng: np.random.Generator) -> Asset:
    """A large poster on a mast, its face towards x."""
    assembly = Assembly(Semantic.POLE)
    assembly.add(tube((0, 0, 0), (0, 0, 3.0), 0.15), Material.POLE)
    assembly.add(box((0, 0, 4.4), (0.25, 5.5, 2.8)), Material.BILLBOARD, Semantic.SIGN)
    row = parameter_row(
        rng.uniform(0.1, 0.8, 3),
        rng.uniform(0.1, 0.9, 3),
        draw_seed(rng),
        values={
            BillboardColumn.BASE_Z: 3.0,
            BillboardColumn.HEIGHT: 2.8,
            BillboardColumn.DISC_U: rng.uniform(-1.5, 1.5),
            BillboardColumn.DISC_RADIUS_SQUARED: 0.6,
        },
    )
    return Asset(shape_of([assembly.template()]), row)


def wooden_fence(rng: np.random.Generator, length_m: float) -> Asset:
    """Boards along x."""
    colour = (0.4, 0.3, 0.2) if rng.random() < 0.5 else (0.6, 0.6, 0.58)
    return _panel(rng, length_m, height_m=1.15, thickness_m=0.06, colour=colour)


def garden_wall(rng: np.random.Generator, length_m: float) -> Asset:
    """A low wall along x."""
    return _panel(rng, length_m, height_m=0.8, thickness_m=0.25, colour=(0.35, 0.33, 0.3))


def _panel(
    rng: np.random.Generator, length_m: float, height_m: float, thickness_m: float, colour: tuple[float, float, float]
) -> Asset:
    assembly = Assembly(Semantic.FENCE)
    assembly.add(box((0, 0, height_m / 2), (length_m, thickness_m, height_m)), Material.FENCE)
    return Asset(shape_of([assembly.template()]), parameter_row(colour, seed=draw_seed(rng)))
