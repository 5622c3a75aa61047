"""Four kinds of town: how their streets are laid out and what stands beside them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from streetsim.assets import palette
from streetsim.assets.buildings import BuildingStyle
from streetsim.materials import WallStyle

Range = tuple[float, float]


class Interior(Enum):
    """What a block is filled with between its buildings."""

    GRASS = "grass"
    PLAZA = "plaza"
    DIRT = "dirt"
    PARK = "park"


@dataclass(frozen=True)
class TownPreset:
    """Ranges are drawn from evenly; shares are probabilities; lengths in metres.

    Attributes:
        streets: number of streets in each of the two directions.
        spacing_m: distance between neighbouring streets, from kerb line to centre line.
        lanes: lanes per direction are drawn from these.
        parking_share, median_share, yellow_line_share: how likely a street has them.
        sidewalk_m, verge_m: width of the pavement, and of the grass between it and the kerb (0 for none).
        kerb_radius_m: of the street corners.
        bend_m: amplitude of the waves that bend the straight grid.
        hill_m: amplitude of the hills.
        setback_m: distance from the pavement to the buildings.
        interiors: drawn from for every block.
        tree_step_m: distance between street trees.
        paving: styles of the pavement's texture.
        building_height_m, buildings: drawn from for every building.
        shop_share, pitched_roof_share: how likely a building has shops, or a pitched roof.
        pedestrians, vehicles: number around a short drive.
        asphalt: range of the reflectance of the road.
        has_zebras: whether crossings are painted.
    """

    streets: int
    spacing_m: Range
    lanes: tuple[int, ...]
    parking_share: float
    median_share: float
    yellow_line_share: float
    sidewalk_m: Range
    verge_m: float
    kerb_radius_m: float
    bend_m: float
    hill_m: float
    setback_m: Range
    interiors: tuple[Interior, ...]
    tree_step_m: float
    paving: tuple[int, ...]
    building_height_m: Range
    buildings: tuple[BuildingStyle, ...]
    shop_share: float
    pitched_roof_share: float
    pedestrians: int
    vehicles: int
    asphalt: Range
    has_zebras: bool

    @property
    def has_gardens(self) -> bool:
        """Whether houses have front gardens with hedges and fences."""
        return Interior.PLAZA not in self.interiors


PRESETS = {
    "downtown": TownPreset(
        streets=5,
        spacing_m=(64, 96),
        lanes=(1, 2, 2),
        parking_share=0.7,
        median_share=0.3,
        yellow_line_share=0.6,
        sidewalk_m=(3.2, 4.6),
        verge_m=0.0,
        kerb_radius_m=5.0,
        bend_m=2.0,
        hill_m=0.0,
        setback_m=(0.2, 0.8),
        interiors=(Interior.PLAZA, Interior.PLAZA, Interior.PLAZA, Interior.PLAZA, Interior.PARK),
        tree_step_m=11,
        paving=(0, 1),
        building_height_m=(10, 30),
        buildings=(
            BuildingStyle("tower", WallStyle.GLASS, palette.DARK_GLASS),
            BuildingStyle("tower", WallStyle.CONCRETE, palette.CONCRETE),
            BuildingStyle("tower", WallStyle.PLASTER, palette.PLASTER),
            BuildingStyle("tower", WallStyle.BRICK, palette.BRICK),
            BuildingStyle("tower", WallStyle.BRICK, palette.BRICK),
        ),
        shop_share=0.65,
        pitched_roof_share=0.0,
        pedestrians=60,
        vehicles=24,
        asphalt=(0.06, 0.10),
        has_zebras=True,
    ),
    "residential": TownPreset(
        streets=5,
        spacing_m=(62, 92),
        lanes=(1,),
        parking_share=0.75,
        median_share=0.0,
        yellow_line_share=0.5,
        sidewalk_m=(1.6, 2.2),
        verge_m=1.6,
        kerb_radius_m=4.0,
        bend_m=6.0,
        hill_m=0.0,
        setback_m=(4, 7),
        interiors=(*(Interior.GRASS,) * 7, Interior.PARK),
        tree_step_m=9,
        paving=(0, 0, 2),
        building_height_m=(5.5, 9),
        buildings=(
            BuildingStyle("house", WallStyle.SIDING, palette.PAINTED_WOOD),
            BuildingStyle("house", WallStyle.BRICK, palette.BRICK),
            BuildingStyle("house", WallStyle.PLASTER, palette.PLASTER),
            BuildingStyle("house", WallStyle.SIDING, palette.PAINTED_WOOD),
        ),
        shop_share=0.05,
        pitched_roof_share=0.9,
        pedestrians=30,
        vehicles=16,
        asphalt=(0.09, 0.14),
        has_zebras=True,
    ),
    "industrial": TownPreset(
        streets=5,
        spacing_m=(80, 104),
        lanes=(1, 2),
        parking_share=0.4,
        median_share=0.2,
        yellow_line_share=1.0,
        sidewalk_m=(1.8, 2.4),
        verge_m=2.2,
        kerb_radius_m=8.0,
        bend_m=3.0,
        hill_m=0.0,
        setback_m=(6, 12),
        interiors=(Interior.GRASS, Interior.PLAZA, Interior.DIRT),
        tree_step_m=18,
        paving=(0,),
        building_height_m=(6, 12),
        buildings=(
            BuildingStyle("shed", WallStyle.CONCRETE, palette.SHEET_METAL),
            BuildingStyle("shed", WallStyle.SIDING, palette.SHEET_METAL),
            BuildingStyle("shed", WallStyle.BRICK, palette.BRICK),
            BuildingStyle("tower", WallStyle.CONCRETE, palette.CONCRETE),
        ),
        shop_share=0.05,
        pitched_roof_share=0.15,
        pedestrians=16,
        vehicles=20,
        asphalt=(0.10, 0.16),
        has_zebras=False,
    ),
    "euro": TownPreset(
        streets=6,
        spacing_m=(58, 84),
        lanes=(1, 1, 1, 2),
        parking_share=0.5,
        median_share=0.05,
        yellow_line_share=0.0,
        sidewalk_m=(1.9, 2.6),
        verge_m=0.0,
        kerb_radius_m=6.0,
        bend_m=7.0,
        hill_m=1.1,
        setback_m=(2.0, 5.0),
        interiors=(*(Interior.GRASS,) * 7, Interior.PARK),
        tree_step_m=10,
        paving=(1, 1, 2),
        building_height_m=(6, 10.5),
        buildings=(
            BuildingStyle("house", WallStyle.PLASTER, palette.PLASTER),
            BuildingStyle("house", WallStyle.PLASTER, palette.PLASTER),
            BuildingStyle("house", WallStyle.BRICK, palette.BRICK),
            BuildingStyle("tower", WallStyle.PLASTER, palette.PLASTER),
        ),
        shop_share=0.12,
        pitched_roof_share=0.95,
        pedestrians=26,
        vehicles=16,
        asphalt=(0.12, 0.17),
        has_zebras=True,
    ),
}

TOWNS: tuple[str, ...] = tuple(PRESETS)


def town_preset(name: str) -> TownPreset:
    if name not in PRESETS:
        raise ValueError(f"town {name!r} is unknown; choose one of {', '.join(TOWNS)}")
    return PRESETS[name]
