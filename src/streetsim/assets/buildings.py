"""Buildings: towers, houses and sheds, with roofs, balconies, awnings and garages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streetsim.assets.asset import Asset, shape_of
from streetsim.assets.palette import ROOF_TILES, WINDOW_FRAMES, draw_seed, pick
from streetsim.assets.solids import Solid, box, loft, profile_along_x
from streetsim.assets.template import Assembly
from streetsim.materials import Colour, FacadeColumn, GroundFloor, Material, WallStyle, parameter_row
from streetsim.semantics import Semantic


@dataclass(frozen=True)
class BuildingStyle:
    """What a town builds: `kind` is tower, house or shed; walls in one of the colours of the palette."""

    kind: str
    wall: WallStyle
    palette: tuple[Colour, ...]


@dataclass(frozen=True)
class Plan:
    """Outer measures and storeys of one building, around the origin: x along the street, y across."""

    length_x_m: float
    length_y_m: float
    height_m: float
    storey_m: float
    bay_m: float

    @property
    def storeys(self) -> int:
        return int(self.height_m / self.storey_m)


def building(
    rng: np.random.Generator,
    length_x_m: float,
    length_y_m: float,
    height_m: float,
    style: BuildingStyle,
    is_pitched: bool,
    ground_floor: GroundFloor,
    balcony_share: float,
) -> Asset:
    """A building of about the wished height: whole storeys, and a parapet or a pitched roof on top.

    Args:
        ground_floor: doors, shops, or the same as above.
        balcony_share: how likely a building of three or more storeys has balconies.
    """
    storey_m, bay_m = rng.uniform(2.9, 3.5), rng.uniform(2.0, 3.6)
    wall_m = max(1, round(height_m / storey_m)) * storey_m + (0.25 if is_pitched else 0.9)
    plan = Plan(length_x_m, length_y_m, wall_m, storey_m, bay_m)
    assembly = Assembly(Semantic.BUILDING)
    assembly.add(box((0, 0, wall_m / 2), (length_x_m, length_y_m, wall_m)), Material.FACADE)
    if is_pitched:
        _add_pitched_roof(assembly, plan, rng)
    else:
        _add_flat_roof(assembly, plan, rng)
    if ground_floor is GroundFloor.SHOPS:
        _add_awnings(assembly, plan, rng)
    if plan.storeys >= 3 and rng.random() < balcony_share:
        _add_balconies(assembly, plan, rng)
    if style.kind == "house" and rng.random() < 0.5:
        garage_x = length_x_m / 2 + 1.7
        assembly.add(box((garage_x, 0, 1.25), (3.4, min(5.2, length_y_m), 2.5)), Material.PLAIN1)
        assembly.add(box((garage_x, 0, 2.55), (3.6, min(5.6, length_y_m + 0.4), 0.1)), Material.ROOF)
    return Asset(shape_of([assembly.template()]), _parameters(plan, style, is_pitched, ground_floor, rng))


def _parameters(
    plan: Plan, style: BuildingStyle, is_pitched: bool, ground_floor: GroundFloor, rng: np.random.Generator
) -> NDArray[np.float64]:
    is_glass = style.wall is WallStyle.GLASS
    return parameter_row(
        np.clip(pick(style.palette, rng) * rng.uniform(0.8, 1.15), 0.02, 0.8),
        pick(WINDOW_FRAMES, rng),
        draw_seed(rng),
        third_colour=pick(ROOF_TILES, rng) if is_pitched else (0.2, 0.2, 0.2),
        values={
            FacadeColumn.STOREY_HEIGHT: plan.storey_m,
            FacadeColumn.BAY_WIDTH: plan.bay_m,
            FacadeColumn.WINDOW_WIDTH_FRACTION: 0.94 if is_glass else rng.uniform(0.42, 0.68),
            FacadeColumn.WINDOW_HEIGHT_FRACTION: 0.82 if is_glass else rng.uniform(0.45, 0.62),
            FacadeColumn.WALL: style.wall,
            FacadeColumn.GROUND_FLOOR: ground_floor,
            FacadeColumn.CORNICE: float(rng.random() < 0.4),
            FacadeColumn.TRANSOM: float(rng.random() < 0.5),
            FacadeColumn.SURROUND: float(rng.random() < 0.45),
            FacadeColumn.LENGTH_X: plan.length_x_m,
            FacadeColumn.LENGTH_Y: plan.length_y_m,
            FacadeColumn.HEIGHT: plan.height_m,
        },
    )


def _add_pitched_roof(assembly: Assembly, plan: Plan, rng: np.random.Generator) -> None:
    """A gable roof whose ridge runs along the longer side, perhaps with a chimney."""
    rise, overhang = min(plan.length_x_m, plan.length_y_m) * rng.uniform(0.3, 0.48), 0.45
    eaves = plan.height_m - 0.05
    assembly.add(_gable(plan, rise, overhang, eaves), Material.TILE)
    if rng.random() < 0.7:
        centre = (plan.length_x_m * rng.uniform(-0.3, 0.3), plan.length_y_m * 0.12, plan.height_m + rise * 0.7)
        assembly.add(box(centre, (0.7, 0.7, rise * 0.9)), Material.PLAIN1)


def _gable(plan: Plan, rise: float, overhang: float, eaves: float) -> Solid:
    if plan.length_x_m >= plan.length_y_m:
        half = plan.length_y_m / 2 + overhang
        outline = [(-half, eaves), (0, eaves + rise), (half, eaves)]
        end = plan.length_x_m / 2 + overhang
        return loft([profile_along_x(x, outline) for x in (-end, end)])
    half = plan.length_x_m / 2 + overhang
    outline_xz = np.array([(half, eaves), (0, eaves + rise), (-half, eaves)])
    end = plan.length_y_m / 2 + overhang
    return loft([np.stack([outline_xz[:, 0], np.full(3, y), outline_xz[:, 1]], -1) for y in (-end, end)])


def _add_flat_roof(assembly: Assembly, plan: Plan, rng: np.random.Generator) -> None:
    """Roofing felt and up to two boxes of machinery."""
    top = plan.height_m
    assembly.add(box((0, 0, top + 0.02), (plan.length_x_m - 0.5, plan.length_y_m - 0.5, 0.04)), Material.ROOF)
    for _ in range(int(rng.integers(0, 3))):
        centre = (rng.uniform(-0.3, 0.3) * plan.length_x_m, rng.uniform(-0.3, 0.3) * plan.length_y_m, top + 0.7)
        assembly.add(box(centre, (rng.uniform(1.5, 3), rng.uniform(1.5, 3), 1.4)), Material.PLAIN2)


def _add_awnings(assembly: Assembly, plan: Plan, rng: np.random.Generator) -> None:
    """Slanting awnings over some shops on both long sides."""
    shops = max(1, int(plan.length_x_m / 5))
    width = plan.length_x_m / shops
    for side in (1, -1):
        if rng.random() > 0.8:
            continue
        y = side * (plan.length_y_m / 2 + 0.55)
        for shop in range(shops):
            if rng.random() < 0.6:
                centre = (-plan.length_x_m / 2 + (shop + 0.5) * width, y, plan.storey_m - 0.95)
                awning = box(centre, (width * 0.8, 1.1, 0.06))
                awning.vertices_m[:, 2] -= 0.3 * (np.abs(awning.vertices_m[:, 1]) - plan.length_y_m / 2)
                assembly.add(awning, Material.AWNING)


def _add_balconies(assembly: Assembly, plan: Plan, rng: np.random.Generator) -> None:
    """Slabs with railings in some columns of bays, on both long sides."""
    bays = max(1, int(plan.length_x_m / plan.bay_m))
    width = plan.length_x_m / bays
    for bay in range(bays):
        if rng.random() > 0.4:
            continue
        x = -plan.length_x_m / 2 + (bay + 0.5) * width
        railing = Material.METAL if bay % 2 else Material.PLAIN1
        for storey in range(1, plan.storeys):
            z = storey * plan.storey_m
            for side in (1, -1):
                y = side * (plan.length_y_m / 2 + 0.5)
                assembly.add(box((x, y, z + 0.08), (width * 0.85, 1.0, 0.12)), Material.PLAIN1)
                assembly.add(box((x, y + side * 0.48, z + 0.6), (width * 0.85, 0.04, 0.9)), railing)
