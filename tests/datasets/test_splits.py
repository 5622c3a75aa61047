"""Oracle: the lists of the official nuscenes-devkit, and their published sizes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lima.datasets.splits import official_splits, splits_of


def test_sizes_and_disjointness() -> None:
    splits = official_splits()
    sizes = {"train": 700, "val": 150, "test": 150, "mini_train": 8, "mini_val": 2}
    assert {split: len(scenes) for split, scenes in splits.items()} == sizes
    assert len(splits["train"] | splits["val"] | splits["test"]) == 1000
    assert splits["mini_train"] | splits["mini_val"] <= splits["train"] | splits["val"]


def test_they_are_the_devkit_s() -> None:
    devkit = pytest.importorskip("nuscenes.utils.splits", reason="the official nuscenes-devkit is not installed")
    official = devkit.create_splits_scenes()
    assert {split: set(scenes) for split, scenes in official_splits().items()} == {
        split: set(official[split]) for split in official_splits()
    }


def test_the_folder_s_name_decides_which_lists(tmp_path: Path) -> None:
    mini, full = tmp_path / "v1.0-mini", tmp_path / "v1.0-trainval"
    scenes = ["scene-0553", "scene-0061", "scene-0103"]  # 0553 and 0103 are validation scenes, 0553 is in mini_train
    assert splits_of(mini, scenes) == {"train": ["scene-0553", "scene-0061"], "val": ["scene-0103"], "all": scenes}
    assert splits_of(full, scenes) == {"train": ["scene-0061"], "val": ["scene-0553", "scene-0103"], "all": scenes}
    more = [*scenes, "scene-0523"]  # no mini scene, so this is no mini dataset whatever its folder is called
    assert splits_of(mini, more)["val"] == ["scene-0553", "scene-0103", "scene-0523"]


def test_the_order_is_that_of_the_tables(tmp_path: Path) -> None:
    scenes = ["scene-0003", "scene-0002", "scene-0012", "scene-0001"]
    assert splits_of(tmp_path, scenes) == {
        "train": ["scene-0002", "scene-0001"],
        "val": ["scene-0003", "scene-0012"],
        "all": scenes,
    }


def test_splits_without_scenes_are_left_out(tmp_path: Path) -> None:
    assert splits_of(tmp_path, ["town-a", "town-b"]) == {"all": ["town-a", "town-b"]}


def test_lists_of_one_s_own_go_first(tmp_path: Path) -> None:
    lists = {"train": ["scene-0103"], "val": ["scene-0061"], "night": ["scene-0061", "scene-0103"], "none": []}
    (tmp_path / "splits.json").write_text(json.dumps(lists))
    assert splits_of(tmp_path, ["scene-0061", "scene-0103"]) == {
        "train": ["scene-0103"],
        "val": ["scene-0061"],
        "night": ["scene-0061", "scene-0103"],
        "all": ["scene-0061", "scene-0103"],
    }
