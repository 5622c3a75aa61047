"""What stands between kerb and gardens: trees, lamps, street furniture, signs, parked cycles, hedges and fences."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from streetsim.assets import furniture
from streetsim.assets.asset import Asset
from streetsim.assets.cycles import bicycle, motorcycle
from streetsim.assets.signs import sign
from streetsim.assets.vegetation import bush, hedge
from streetsim.materials import SignKind
from streetsim.town.blocks import KERB_M, SIDEWALK_Z_M, Block, Side
from streetsim.town.plots import Nearness, add_tree
from streetsim.town.presets import TownPreset
from streetsim.town.stage import Stage

FURNISHED_WITHIN_M = 70.0
FINE_LEAVES_WITHIN_M = 22.0
KERB_ZONE_M = 0.85
"""Width of the strip along the kerb that furniture may take; people walk beyond it."""
CORNER_CLEARANCE_M = 4.0
WIDE_SIDEWALK_M = 2.6
SIGNS = (SignKind.NO_ENTRY, SignKind.WARNING, SignKind.DIRECTION, SignKind.SPEED_LIMIT)

# How likely each thing stands in a gap between two trees; the rest of the gaps stay empty.
FURNITURE: tuple[tuple[str, float], ...] = (
    ("hydrant", 0.10),
    ("bin", 0.16),
    ("cabinet", 0.05),
    ("mailbox", 0.06),
    ("bench", 0.08),
    ("sign", 0.13),
    ("bollards", 0.06),
    ("shelter", 0.04),
    ("advertising column", 0.04),
    ("bicycles", 0.06),
    ("motorcycle", 0.05),
)

MAKERS: dict[str, Callable[[np.random.Generator], Asset]] = {
    "hydrant": furniture.hydrant,
    "bin": furniture.bin_,
    "cabinet": furniture.cabinet,
    "mailbox": furniture.mailbox,
    "bench": furniture.bench,
    "shelter": furniture.shelter,
    "advertising column": furniture.advertising_column,
}


def add_kerbside(
    stage: Stage, blocks: Sequence[Block], preset: TownPreset, near: Nearness, rng: np.random.Generator
) -> None:
    for block in blocks:
        for side in block.sides(0.0):
            _add_side(stage, block, side, preset, near, rng)


def furniture_depth_m(block: Block) -> float:
    """Middle of the strip for furniture, from the kerb line inwards."""
    return KERB_M + (block.verge_m / 2 if block.verge_m else KERB_ZONE_M / 2)


def _add_side(
    stage: Stage, block: Block, side: Side, preset: TownPreset, near: Nearness, rng: np.random.Generator
) -> None:
    depth = furniture_depth_m(block)
    has_trees = rng.random() < (0.8 if preset.tree_step_m < 15 else 0.4)
    has_lamps = rng.random() < 0.7
    has_poles = not has_lamps and rng.random() < 0.7
    clearance = block.corner_radius_m + CORNER_CLEARANCE_M
    u, number = clearance + rng.uniform(0, 3), 0
    while u < side.length_m - clearance:
        s, t = side.at(u, depth)
        distance = near(s, t)
        if distance < FURNISHED_WITHIN_M:
            if number % 3 == 0 and has_lamps:
                stage.place(furniture.lamp(rng), s, t, side.outward_yaw_rad, SIDEWALK_Z_M, is_slender=True)
            elif number % 3 == 0 and has_poles:
                stage.place(furniture.utility_pole(rng), s, t, side.along_yaw_rad, SIDEWALK_Z_M, is_slender=True)
            elif has_trees and rng.random() < 0.75:
                has_room = block.verge_m > 0 or block.sidewalk_m > WIDE_SIDEWALK_M
                detail = 2.0 if distance < FINE_LEAVES_WITHIN_M else 1.0
                add_tree(stage, s, t, rng, detail, widen=1.0 if has_room else 0.75)
            _add_furniture(stage, block, side, u, rng)
            if preset.has_gardens:
                _add_garden(stage, block, side, u, rng)
        u += preset.tree_step_m * rng.uniform(0.6, 0.9)
        number += 1


def _add_furniture(stage: Stage, block: Block, side: Side, u: float, rng: np.random.Generator) -> None:
    """Perhaps something in the gap after u."""
    names = [name for name, _ in FURNITURE]
    shares = np.array([share for _, share in FURNITURE])
    choice = int(np.searchsorted(np.cumsum(shares), rng.random()))
    if choice == len(names):
        return
    name = names[choice]
    depth = furniture_depth_m(block)
    place_u = u + rng.uniform(1.5, 4)
    along, outward = side.along_yaw_rad, side.outward_yaw_rad
    if name in ("shelter", "advertising column") and block.sidewalk_m < WIDE_SIDEWALK_M:
        return
    if name == "bicycles":
        for number in range(int(rng.integers(1, 4))):
            lean = rng.uniform(-0.08, 0.08)
            s, t = side.at(place_u + 0.85 * number, block.interior_depth_m + 1.1)
            stage.place(bicycle(rng, has_rider=False), s, t, outward + lean, SIDEWALK_Z_M, "cycle.without_rider")
    elif name == "motorcycle":
        s, t = side.at(place_u, depth)
        yaw = along + rng.uniform(-0.1, 0.1)
        stage.place(motorcycle(rng, has_rider=False), s, t, yaw, SIDEWALK_Z_M, "cycle.without_rider")
    elif name == "bollards":
        for number in range(4):
            stage.place(furniture.bollard(rng), *side.at(place_u + 1.2 * number, depth), along, SIDEWALK_Z_M)
    elif name == "sign":
        # Signs on this side of the street face the traffic that passes along it.
        kind = SIGNS[int(rng.integers(len(SIGNS)))]
        yaw = along + np.pi if rng.random() < 0.8 else along
        stage.place(sign(rng, kind), *side.at(place_u, depth), yaw, SIDEWALK_Z_M, is_slender=True)
    elif name in ("shelter", "advertising column"):
        stage.place(MAKERS[name](rng), *side.at(place_u, block.interior_depth_m - 0.9), outward, SIDEWALK_Z_M)
    else:
        stage.place(MAKERS[name](rng), *side.at(place_u, depth), outward, SIDEWALK_Z_M)


def _add_garden(stage: Stage, block: Block, side: Side, u: float, rng: np.random.Generator) -> None:
    """Perhaps a hedge, fence or wall at the inner edge of the pavement, and bushes behind it."""
    depth = block.interior_depth_m + 0.6
    choice = rng.random()
    panel = None
    if choice < 0.25:
        panel = hedge(rng, 5.5)
    elif choice < 0.45:
        panel = furniture.wooden_fence(rng, 6.0)
    elif choice < 0.6:
        panel = furniture.garden_wall(rng, 6.0)
    if panel is not None:
        stage.place(panel, *side.at(u, depth), side.along_yaw_rad, SIDEWALK_Z_M)
    for _ in range(2):
        if rng.random() < 0.5:
            s, t = side.at(u + rng.uniform(-3, 3), depth + rng.uniform(0.9, 2))
            stage.place(bush(rng), s, t, rng.uniform(0, 2 * np.pi), SIDEWALK_Z_M)
