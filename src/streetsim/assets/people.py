"""People on foot: adults, children and construction workers, walking or standing."""

from __future__ import annotations

from functools import cache

import numpy as np

from streetsim.assets.asset import Asset, Shape, shape_of
from streetsim.assets.palette import SKIN, draw_seed, pick
from streetsim.assets.solids import Points, Solid, ball, box, loft, tube
from streetsim.assets.template import Assembly, Template
from streetsim.materials import Material, parameter_row
from streetsim.semantics import Semantic

VARIANTS = {"adult": 14, "child": 5, "worker": 4}
HEIGHTS_M = {"adult": (1.58, 1.88), "child": (1.0, 1.35), "worker": (1.68, 1.88)}
SEMANTICS = {"adult": Semantic.ADULT, "child": Semantic.CHILD, "worker": Semantic.WORKER}
CATEGORIES = {
    "adult": "human.pedestrian.adult",
    "child": "human.pedestrian.child",
    "worker": "human.pedestrian.construction_worker",
}
WALKING_PHASES = 8
STRIDE_RAD = 0.45
"""How far the legs swing."""


def pedestrian(rng: np.random.Generator, kind: str = "adult", walking: bool = True) -> Asset:
    """A person of the kind `adult`, `child` or `worker`, in clothes of their own."""
    shape = person_shape(kind, int(rng.integers(VARIANTS[kind])), walking)
    shirt = np.clip(rng.uniform(0.02, 0.7, 3) * rng.uniform(0.4, 1.1), 0.01, 0.8)
    trousers = rng.uniform(0.02, 0.3, 3) if rng.random() < 0.8 else rng.uniform(0.1, 0.6, 3)
    row = parameter_row(shirt, trousers, draw_seed(rng), third_colour=pick(SKIN, rng))
    return Asset(shape, row, CATEGORIES[kind])


@cache
def person_shape(kind: str, variant: int, walking: bool) -> Shape:
    """Person number `variant` of a kind: eight phases of two steps, or one standing."""
    if not walking:
        return shape_of([_posed(kind, variant, phase_rad=0.4, stride_rad=0.06)])
    phases = [_posed(kind, variant, 2 * np.pi * k / WALKING_PHASES + 0.4, STRIDE_RAD) for k in range(WALKING_PHASES)]
    return shape_of(phases)


def _posed(kind: str, variant: int, phase_rad: float, stride_rad: float) -> Template:
    rng = np.random.default_rng([401, list(VARIANTS).index(kind), variant])
    assembly = Assembly(SEMANTICS[kind])
    height_m = rng.uniform(*HEIGHTS_M[kind])
    is_worker = kind == "worker"
    add_person(
        assembly,
        rng,
        height_m,
        phase_rad,
        stride_rad,
        wears_vest=is_worker,
        carries_bag=not is_worker,
        wears_skirt=not is_worker and rng.random() < 0.2,
    )
    return assembly.template()


def add_person(
    assembly: Assembly,
    rng: np.random.Generator,
    height_m: float,
    phase_rad: float,
    stride_rad: float,
    seat_lean_m: float | None = None,
    wears_vest: bool = False,
    carries_bag: bool = False,
    wears_skirt: bool = False,
    offset_m: tuple[float, float, float] = (0, 0, 0),
    semantic: Semantic | None = None,
) -> None:
    """Adds a body; all that is drawn from `rng` is the same for every phase.

    Args:
        phase_rad: place in the gait, or of the pedals.
        stride_rad: how far the legs swing.
        seat_lean_m: None to stand; seated, how far the shoulders lean forward.
        offset_m: where the feet (or what would be the feet) are put.
    """
    scale = height_m / 1.72
    hip, shoulder, neck = 0.92 * scale, 1.42 * scale, 1.50 * scale
    half_width = rng.uniform(0.17, 0.215) * scale
    has_hat, has_sleeves, bag = rng.random() < 0.12, rng.random() < 0.5, rng.random()
    top = Material.VEST if wears_vest else Material.SHIRT
    lean = 0.0 if seat_lean_m is None else seat_lean_m
    angle = np.linspace(0, 2 * np.pi, 8, endpoint=False)

    def put(solid: Solid, material: Material) -> None:
        assembly.add(solid.moved(offset_m), material, semantic)

    def ring(z: float, half_y: float, half_x: float, x: float = 0.0) -> Points:
        return np.stack([x + half_x * np.cos(angle), half_y * np.sin(angle), np.full(8, z)], -1)

    torso = [
        ring(hip - 0.05 * scale, half_width * 0.85, 0.12 * scale),
        ring(hip + 0.22 * scale, half_width * 0.9, 0.12 * scale, lean * 0.3),
        ring(shoulder - 0.08 * scale, half_width * 1.12, 0.13 * scale, lean * 0.8),
        ring(shoulder + 0.04 * scale, half_width * 0.75, 0.09 * scale, lean),
    ]
    put(loft(torso), top)
    put(tube((lean, 0, shoulder), (lean + 0.02, 0, neck + 0.06 * scale), 0.055 * scale, sides=6), Material.SKIN)
    put(ball((lean + 0.03, 0, neck + 0.14 * scale), 0.115 * scale, 6, 8, (1.05, 0.85, 1.15)), Material.SKIN)
    if wears_vest or has_hat:
        hat = ball((lean + 0.02, 0, neck + 0.2 * scale), 0.135 * scale, 4, 8, (1.15, 1, 0.75))
        put(hat, Material.VEST if wears_vest else Material.PLAIN2)
    else:
        put(ball((lean - 0.01, 0, neck + 0.175 * scale), 0.122 * scale, 5, 8, (1.05, 0.95, 0.95)), Material.HAIR)
    for side in (1, -1):
        swing = np.sin(phase_rad) * stride_rad * side
        if seat_lean_m is None:
            leg = _walking_leg(side, swing, phase_rad, stride_rad, hip, scale)
        else:
            leg = _pedalling_leg(side, phase_rad, hip, scale)
        hip_joint, knee, foot = leg
        put(tube(hip_joint, knee, 0.085 * scale, 0.065 * scale, 6), Material.PANTS)
        put(tube(knee, foot, 0.062 * scale, 0.045 * scale, 6), Material.PANTS)
        shoe = (foot[0] + 0.06, foot[1], max(foot[2] - 0.02, 0.04))
        put(box(shoe, (0.25 * scale, 0.09 * scale, 0.08)), Material.SHOE)
        joint = np.array([lean, side * half_width * 1.15, shoulder - 0.02 * scale])
        if seat_lean_m is None:
            elbow = joint + np.array([-np.sin(swing) * 0.28, side * 0.05, -0.27]) * scale
            hand = elbow + np.array([0.10 - np.sin(swing) * 0.2, 0, -0.22]) * scale
        else:
            elbow = joint + np.array([0.2, side * 0.06, -0.2]) * scale
            hand = joint + np.array([0.42, side * 0.08, -0.3]) * scale
        put(tube(joint, elbow, 0.05 * scale, 0.045 * scale, 6), top)
        put(tube(elbow, hand, 0.042 * scale, 0.035 * scale, 6), top if has_sleeves else Material.SKIN)
    if carries_bag and bag < 0.25:
        put(box((-0.2 * scale, 0, 1.2 * scale), (0.16, 0.3, 0.4)), Material.PLAIN2)
    elif carries_bag and bag < 0.4:
        put(box((0.02, half_width + 0.12, 0.75 * scale), (0.28, 0.1, 0.3)), Material.PLAIN2)
    if wears_skirt:
        hem = ring(hip - 0.42 * scale, half_width * 1.25, 0.22 * scale)
        put(loft([hem, ring(hip + 0.05 * scale, half_width * 0.9, 0.13 * scale)]), Material.PANTS)


def _walking_leg(
    side: int, swing: float, phase_rad: float, stride_rad: float, hip: float, scale: float
) -> tuple[Points, Points, Points]:
    """Hip joint, knee and ankle of one leg; the knee bends while the leg comes forward."""
    y = side * 0.095 * scale
    joint = np.array([0, y, hip])
    knee = np.array([np.sin(swing) * 0.44 * scale, y, hip - np.cos(swing) * 0.44 * scale])
    shin = swing - max(0.0, -np.cos(phase_rad) * side) * stride_rad * 1.2
    foot = knee + np.array([np.sin(shin) * 0.44 * scale, 0, -np.cos(shin) * 0.44 * scale])
    foot[2] = max(foot[2], 0.06)
    return joint, knee, foot


def _pedalling_leg(side: int, phase_rad: float, hip: float, scale: float) -> tuple[Points, Points, Points]:
    y = side * 0.095 * scale
    lift = 0.12 * np.sin(phase_rad) * side
    joint = np.array([0, y, hip])
    return (
        joint,
        np.array([0.38 * scale, 1.3 * y, hip - 0.12 - lift]),
        np.array([0.25 * scale, 1.3 * y, hip - 0.55 - lift]),
    )
