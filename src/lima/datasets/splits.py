"""Which scenes are for training and which for validation: lists by name, never by chance."""

from __future__ import annotations

import json
from collections.abc import Sequence as Series
from importlib.resources import files
from pathlib import Path

from lima.datasets.scan_files import read_text

ALL = "all"


def official_splits() -> dict[str, frozenset[str]]:
    """nuScenes's own lists: train 700 scenes, val 150, test 150, mini_train 8, mini_val 2."""
    lists = json.loads((files("lima.datasets") / "nuscenes_splits.json").read_text(encoding="utf-8"))
    return {split: frozenset(f"scene-{number:04d}" for number in numbers) for split, numbers in lists.items()}


def truckscenes_splits() -> dict[str, frozenset[str]]:
    """TruckScenes's own lists (truckscenes-devkit 1.2): train 523 scenes, val 75, test 149, mini 8 and 2."""
    lists = json.loads((files("lima.datasets") / "truckscenes_splits.json").read_text(encoding="utf-8"))
    return {
        split: frozenset(f"scene-{drive}-{number}" for drive, numbers in drives.items() for number in numbers)
        for split, drives in lists.items()
    }


def splits_of(folder: Path, scenes: Series[str]) -> dict[str, list[str]]:
    """The splits of a version folder, each with its scenes in the order given. "all" holds every scene.

    `splits.json` in the folder ({"train": [scene names], "val": [...]}, nuscenes-devkit's place for one's own splits)
    goes before the official lists of nuScenes and TruckScenes, which share no names. Of those, the mini lists are taken
    for a folder named mini whose scenes they know (there "train" and "val" mean mini_train and mini_val), else train,
    val and test. A split without scenes here is left out. Raises ValueError where splits.json names scenes that do not
    exist.
    """
    own = folder / "splits.json"
    if own.is_file():
        lists = _own_splits(own, scenes)
    else:
        trucks = truckscenes_splits()
        official = {split: scenes | trucks[split] for split, scenes in official_splits().items()}
        mini = {"train": official["mini_train"], "val": official["mini_val"]}
        is_mini = "mini" in folder.name and set(scenes) <= mini["train"] | mini["val"]
        lists = mini if is_mini else {split: official[split] for split in ("train", "val", "test")}
    found = {split: [scene for scene in scenes if scene in members] for split, members in lists.items()}
    return {split: members for split, members in found.items() if members} | {ALL: list(scenes)}


def _own_splits(path: Path, scenes: Series[str]) -> dict[str, frozenset[str]]:
    try:
        lists = json.loads(read_text(path, "lists of scenes"))
    except json.JSONDecodeError as problem:
        raise ValueError(f"{path} is not JSON ({problem}); it must be like {{'train': ['scene-0001'], …}}") from None
    if not isinstance(lists, dict) or not all(isinstance(members, list) for members in lists.values()):
        raise ValueError(
            f"{path} must map names of splits to lists of scene names, like {{'train': ['scene-0001'], …}}"
        )
    for split, members in lists.items():
        unknown = set(members).difference(scenes)
        if unknown:
            raise ValueError(f"{path} lists {sorted(unknown)[0]!r} in {split!r}, but scene.json has no such scene")
    return {split: frozenset(members) for split, members in lists.items()}
