"""Cones and barriers."""

from __future__ import annotations

import numpy as np

from streetsim.assets.asset import Asset, shape_of
from streetsim.assets.palette import draw_seed
from streetsim.assets.solids import Points, box, loft, tube
from streetsim.assets.template import Assembly
from streetsim.materials import Common, ConeColumn, Material, parameter_row
from streetsim.semantics import Semantic

BARRIER_KINDS = ("jersey", "plastic", "fence")
STRIPED = 1.0


def cone(rng: np.random.Generator) -> Asset:
    height = rng.uniform(0.7, 0.95)
    assembly = Assembly(Semantic.CONE)
    assembly.add(tube((0, 0, 0.05), (0, 0, height), 0.17, 0.035, 10), Material.CONE)
    assembly.add(box((0, 0, 0.025), (0.42, 0.42, 0.05)), Material.CONE)
    row = parameter_row((0.85, 0.2, 0.02), (1, 1, 1), draw_seed(rng), values={ConeColumn.HEIGHT: height})
    return Asset(shape_of([assembly.template()]), row, "movable_object.trafficcone")


def barrier(rng: np.random.Generator, kind: str) -> Asset:
    """A concrete block (`jersey`), a water-filled `plastic` block or a striped `fence`; its long side along y."""
    length = rng.uniform(1.8, 2.2)
    assembly = Assembly(Semantic.BARRIER)
    style, colour = 0.0, (0.42, 0.41, 0.39)
    if kind == "jersey":
        assembly.add(loft([_jersey_section(y) for y in (length / 2, -length / 2)]), Material.BARRIER)
        style = STRIPED if rng.random() < 0.3 else 0.0
    elif kind == "plastic":
        assembly.add(box((0, 0, 0.3), (0.45, length, 0.6), taper=0.95), Material.BARRIER)
        assembly.add(box((0, 0, 0.8), (0.25, length * 0.96, 0.4)), Material.BARRIER)
        colour = (0.75, 0.16, 0.03) if rng.random() < 0.5 else (0.75, 0.75, 0.72)
    elif kind == "fence":
        assembly.add(box((0, 0, 0.9), (0.05, length, 0.28)), Material.BARRIER)
        assembly.add(box((0, 0, 0.5), (0.05, length, 0.2)), Material.BARRIER)
        for y in (-length / 2 + 0.1, length / 2 - 0.1):
            assembly.add(box((0, y, 0.52), (0.06, 0.06, 1.04)), Material.METAL)
            assembly.add(box((0, y, 0.03), (0.6, 0.1, 0.06)), Material.METAL)
        style, colour = STRIPED, (0.7, 0.7, 0.68)
    else:
        raise ValueError(f"barrier kind {kind!r} is none of {', '.join(BARRIER_KINDS)}")
    row = parameter_row(colour, (0, 0, 0), draw_seed(rng), values={Common.STYLE: style})
    return Asset(shape_of([assembly.template()]), row, "movable_object.barrier")


def _jersey_section(y_m: float) -> Points:
    right = np.array([(0.3, 0), (0.3, 0.1), (0.12, 0.35), (0.08, 0.85)])
    outline = np.concatenate([right * [-1, 1], right[::-1]])
    return np.stack([outline[:, 0], np.full(len(outline), y_m), outline[:, 1]], -1)
