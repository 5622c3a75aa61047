"""Oracle: what the datasets' own documents say of every class: a vehicle, hard ground, or neither, listed here."""

import json
import pkgutil
from importlib import import_module
from importlib.resources import files

import pytest
import torch

import lima.datasets
from lima.evaluate.corruptions.corrupted import KnownClasses
from lima.evaluate.corruptions.ground import GROUND, ground_echoes
from lima.evaluate.corruptions.incomplete_echo import VEHICLES, incomplete_echo
from tests.evaluate.corruptions.sweeps import draw, spinning

RIDERS_AND_WHEELS = {
    "bicyclist", "moving_bicyclist", "motorcyclist", "moving_motorcyclist", "rider", "wheeled_rider",
    "stroller", "wheelchair", "wheeled_device",
}  # fmt: skip
TOWED_SIGNS = {"message_board_trailer", "traffic_light_trailer"}
SOFT_GROUND = {"dirt", "grass", "mud", "puddle", "rubble", "rail_track", "terrain", "walkable", "water"}
OTHERS = {
    "ignored", "background", "other", "static", "dynamic", "object", "obstacle", "other_object", "other_structure",
    "animal", "dog", "human", "person", "moving_person", "pedestrian", "official_signaler",
    "female", "male", "kid", "crowd",
    "barrier", "bollard", "bridge", "building", "fence", "guard_rail", "manmade", "pole", "wall",
    "bench", "chair", "table", "electric_box", "garbage_can", "trashcan",
    "cone_stone", "construction_barrel", "construction_cone", "traffic_cone",
    "mobile_pedestrian_crossing_sign", "sign", "stop_sign", "traffic_light", "traffic_sign",
    "bush", "log", "plants", "sky", "tree", "tree_trunk", "trunk", "vegetation",
}  # fmt: skip
NEITHER = RIDERS_AND_WHEELS | TOWED_SIGNS | SOFT_GROUND | OTHERS


def class_names() -> dict[str, tuple[str, ...]]:
    """The class names of every dataset, by where they stand: all modules of datasets, and all label maps."""
    found = {}
    for module in pkgutil.iter_modules(lima.datasets.__path__):
        for name, value in vars(import_module(f"lima.datasets.{module.name}")).items():
            if name.endswith("CLASS_NAMES"):
                found[f"{module.name}.{name}"] = value
    maps = json.loads((files("lima.datasets") / "label_maps.json").read_text(encoding="utf-8"))
    return found | {f"label_maps.{name}": tuple(classes) for name, classes in maps.items()}


def test_the_classes_of_every_dataset_are_found() -> None:
    assert {
        "labels.CLASS_NAMES",
        "labels.BOX_CLASS_NAMES",
        "argoverse2_boxes.CLASS_NAMES",
        "pandaset_labels.CLASS_NAMES",
        "waymo_sweep.CLASS_NAMES",
        "label_maps.semantic_kitti",
        "label_maps.synth4d",
    } <= class_names().keys()


@pytest.mark.parametrize("dataset", class_names())
def test_every_class_is_a_vehicle_or_hard_ground_or_neither(dataset: str) -> None:
    for name in class_names()[dataset]:
        places = [
            words
            for words, names in (("VEHICLES", VEHICLES), ("GROUND", GROUND), ("NEITHER", NEITHER))
            if name in names
        ]
        assert len(places) == 1, f"{name} of {dataset} must be in one of the three lists, is in {places}"


def test_no_list_names_a_class_that_no_dataset_has() -> None:
    """A slip of the pen would take a class out of a corruption without a word."""
    assert {*VEHICLES, *GROUND, *NEITHER} == {name for names in class_names().values() for name in names}


@pytest.mark.parametrize("dataset", class_names())
def test_every_dataset_has_vehicles_to_lose(dataset: str) -> None:
    assert set(class_names()[dataset]) & set(VEHICLES)


@pytest.mark.parametrize("vehicle", ["regular_vehicle", "vehicular_trailer", "railed_vehicle"])
def test_argoverse_vehicles_lose_their_points(vehicle: str) -> None:
    sweep, known = spinning()
    named = KnownClasses(known.labels, ("ignored", "background", vehicle, "bollard"))
    assert len(incomplete_echo(sweep, named, "heavy", draw()).source) == len(
        incomplete_echo(sweep, known, "heavy", draw()).source
    )


@pytest.mark.parametrize("ground", ["lane_marker", "curb", "road_marking", "driveway"])
def test_paint_curbs_and_driveways_get_wet_with_the_road(ground: str) -> None:
    sweep, known = spinning()
    named = KnownClasses(known.labels, ("ignored", ground, "car", "road"))
    assert bool(ground_echoes(sweep, named).on[known.labels == 1].all())
    soft = KnownClasses(known.labels, ("ignored", "walkable", "car", "road"))
    assert torch.equal(ground_echoes(sweep, soft).on, known.labels == 3)
