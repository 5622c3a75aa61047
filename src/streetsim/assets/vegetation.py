"""Trees, bushes and hedges."""

from __future__ import annotations

from functools import cache

import numpy as np

from streetsim.assets.asset import Asset, Shape, shape_of
from streetsim.assets.palette import BUSHES, CONIFER, LEAVES, draw_seed, pick
from streetsim.assets.solids import Solid, ball, box, leaves, tube
from streetsim.assets.template import Assembly
from streetsim.materials import Material, parameter_row
from streetsim.semantics import Semantic

TREE_KINDS = ("round", "tall", "conifer", "bare")
TREE_SHARES = (0.55, 0.25, 0.15, 0.05)
TREE_VARIANTS = 5
BUSH_VARIANTS = 8
LEAF_SHARES = (0.35, 0.25, 0.25, 0.1, 0.05)


def tree(rng: np.random.Generator, detail: float = 1.0) -> Asset:
    """A tree; `detail` multiplies the number of leaves, which become smaller as they become more."""
    kind = TREE_KINDS[int(rng.choice(len(TREE_KINDS), p=TREE_SHARES))]
    shape = tree_shape(kind, int(rng.integers(TREE_VARIANTS)), detail)
    leaf = np.array(CONIFER if kind == "conifer" else LEAVES[int(rng.choice(len(LEAVES), p=LEAF_SHARES))])
    leaf = leaf * rng.uniform(0.75, 1.25) * rng.uniform(0.9, 1.1, 3)
    bark = rng.uniform(0.15, 0.32) * np.array([1, 0.75, 0.55])
    return Asset(shape, parameter_row(leaf, leaf, draw_seed(rng), third_colour=bark))


@cache
def tree_shape(kind: str, variant: int, detail: float) -> Shape:
    rng = np.random.default_rng([601, TREE_KINDS.index(kind), variant])
    assembly = Assembly(Semantic.CROWN)
    if kind == "conifer":
        _add_conifer(assembly, rng, detail)
    else:
        _add_broadleaf(assembly, rng, kind, detail)
    return shape_of([assembly.template()])


def _add_conifer(assembly: Assembly, rng: np.random.Generator, detail: float) -> None:
    height, layers = rng.uniform(6, 12), 6
    assembly.add(tube((0, 0, 0), (0, 0, height * 0.9), 0.2, 0.05, 7), Material.BARK, Semantic.TRUNK)
    for layer in range(layers):
        z = 1.4 + (height - 1.4) * layer / layers
        radius = (1 - layer / 6.3) * rng.uniform(1.6, 2.3)
        count = int(90 * detail * (1 - 0.1 * layer))
        needles = leaves(rng, (0, 0, z), radius, count, 0.42 / detail**0.5, (1, 1, 0.35), 0.3)
        assembly.add(needles, Material.LEAF)


def _add_broadleaf(assembly: Assembly, rng: np.random.Generator, kind: str, detail: float) -> None:
    trunk_m, radius = rng.uniform(2.0, 3.4), rng.uniform(1.5, 2.7)
    lean_x, lean_y = rng.uniform(-0.25, 0.25, 2)
    top = (lean_x, lean_y, trunk_m + 0.6)
    assembly.add(tube((0, 0, -0.1), top, rng.uniform(0.13, 0.26), 0.1, 8), Material.BARK, Semantic.TRUNK)
    middle = np.array([lean_x, lean_y, trunk_m + radius * (0.75 if kind == "round" else 1.0)])
    branches = int(rng.integers(3, 6))
    for branch in range(branches):
        angle = 2 * np.pi * branch / branches + rng.uniform(0, 0.8)
        outward = np.array([0.55 * radius * np.cos(angle), 0.55 * radius * np.sin(angle), rng.uniform(-0.4, 0.6)])
        end = middle + outward
        start = (lean_x, lean_y, trunk_m * 0.85)
        assembly.add(tube(start, end, 0.07, 0.02, 5, caps=False), Material.BARK, Semantic.TRUNK)
        if kind == "bare":
            for _ in range(5):
                twig = end + rng.normal(0, 0.8, 3) + [0, 0, 0.5]
                assembly.add(tube(end, twig, 0.03, 0.01, 4, caps=False), Material.BARK, Semantic.TRUNK)
    if kind == "bare":
        return
    stretch = np.array([1, 1, 0.85]) if kind == "round" else np.array([0.75, 0.75, 1.5])
    assembly.add(ball(middle, radius * 0.52, 6, 9, stretch, 0.15, rng), Material.HEDGE)
    assembly.add(leaves(rng, middle, radius * 0.9, int(230 * detail), 0.30 / detail**0.5, stretch), Material.LEAF)
    for _ in range(int(rng.integers(3, 6))):
        outward = rng.standard_normal(3)
        outward /= np.linalg.norm(outward)
        outward[2] *= 0.6
        clump = middle + outward * radius * 0.6 * stretch
        assembly.add(leaves(rng, clump, radius * 0.55, int(75 * detail), 0.26 / detail**0.5), Material.LEAF)


def bush(rng: np.random.Generator) -> Asset:
    leaf = pick(BUSHES, rng)
    row = parameter_row(leaf, leaf, draw_seed(rng), third_colour=(0.2, 0.15, 0.1))
    return Asset(bush_shape(int(rng.integers(BUSH_VARIANTS))), row)


@cache
def bush_shape(variant: int) -> Shape:
    rng = np.random.default_rng([602, variant])
    radius = rng.uniform(0.4, 0.8)
    assembly = Assembly(Semantic.CROWN)
    assembly.add(ball((0, 0, radius * 0.65), radius * 0.6, 5, 8, (1.2, 1, 0.95), 0.1, rng), Material.HEDGE)
    assembly.add(leaves(rng, (0, 0, radius * 0.7), radius, 200, 0.14, (1.2, 1, 0.9), 0.7), Material.LEAF)
    return shape_of([assembly.template()])


def hedge(rng: np.random.Generator, length_m: float) -> Asset:
    """A clipped hedge along x."""
    height = rng.uniform(0.9, 1.5)
    assembly = Assembly(Semantic.CROWN)
    assembly.add(box((0, 0, height / 2), (length_m, 0.6, height)), Material.HEDGE)
    assembly.add(_leaves_on_box(rng, length_m, height), Material.LEAF)
    leaf = (0.08, 0.17, 0.04)
    return Asset(shape_of([assembly.template()]), parameter_row(leaf, leaf, draw_seed(rng)))


def _leaves_on_box(rng: np.random.Generator, length_m: float, height_m: float) -> Solid:
    """Leaves lying on the two long sides and the top of a hedge."""
    count = int(26 * length_m)
    loose = leaves(rng, (0, 0, 0), 1.0, count, 0.13, (1, 1, 1), 0.99)
    corners = loose.vertices_m.reshape(-1, 3, 3)
    face = rng.integers(0, 3, (count, 1))
    place = np.empty((count, 1, 3))
    place[..., 0] = rng.uniform(-length_m / 2, length_m / 2, (count, 1))
    place[..., 1] = np.select([face == 0, face == 1], [0.31, -0.31], rng.uniform(-0.3, 0.3, (count, 1)))
    place[..., 2] = np.where(face == 2, height_m + 0.02, rng.uniform(0.1, height_m, (count, 1)))
    return Solid((corners - corners.mean(1, keepdims=True) + place).reshape(-1, 3), loose.triangles)
