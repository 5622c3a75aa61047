"""Oracle: an exporter made from TruckScenes's schema. No file of the real dataset was at hand."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from lima.data.between import interleaved
from lima.datasets import open_dataset
from lima.datasets.labels import BOX_CLASS_NAMES, class_of_category
from lima.datasets.splits import splits_of, truckscenes_splits
from lima.scene import Frame, Sequence
from tests.datasets.exporters import truckscenes as exporter
from tests.datasets.exporters.drive import Drive, hand_made_drive, inside, simulated_drive


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Drive:
    return simulated_drive(tmp_path_factory)


@pytest.fixture(scope="module")
def root(drive: Drive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exporter.export(drive, tmp_path_factory.mktemp("trucks"))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Few points, to damage."""
    return exporter.export(hand_made_drive(), tmp_path)


def only(root: Path) -> Sequence:
    (sequence,) = open_dataset(root).sequences()
    return sequence


def test_it_is_recognised_and_split_as_its_development_kit_does(root: Path) -> None:
    dataset = open_dataset(root)
    assert dataset.name == "TruckScenes v1.2-mini"
    assert dataset.split_names == ("train", "all")
    assert dataset.class_names == BOX_CLASS_NAMES
    assert [sequence.name for sequence in dataset.sequences("train")] == [exporter.SCENE]
    assert open_dataset(root / exporter.VERSION).name == dataset.name


def points_where_they_were_met(drive: Drive, index: int) -> tuple[np.ndarray, np.ndarray]:
    """All points of an instant in the world, LiDAR after LiDAR, and their intensities."""
    rows = np.concatenate([exporter.dealt(drive, index, channel) for channel in exporter.MOUNTS])
    return drive.instants[index].points_world[rows] + exporter.UTM_M, drive.instants[index].intensity[rows]


def check_points(frame: Frame, drive: Drive, index: int) -> None:
    points_world, intensity = points_where_they_were_met(drive, index)
    found = frame.sweep.world_from_lidar.apply(frame.sweep.points_lidar.double()).numpy()
    assert found.shape == points_world.shape
    assert np.abs(found - points_world).max() < 0.003  # poses are taken every tenth of a millisecond
    assert np.allclose(frame.sweep.intensity, intensity, atol=1e-6)
    assert frame.sweep.ring is None
    assert frame.sweep.timestamp_ns == exporter.time_us(drive, index) * 1000


def test_points_of_all_lidars_meet_where_they_were_measured(root: Path, drive: Drive) -> None:
    sequence = only(root)
    assert len(sequence) == len(exporter.KEYFRAMES)
    for place, index in enumerate(exporter.KEYFRAMES):
        check_points(sequence.frame(place), drive, index)


def test_without_their_own_times_they_would_not(root: Path, drive: Drive) -> None:
    """What the compensation is worth: with one pose for a whole turn, points are off by what the vehicle drives."""
    motion = exporter.Motion.of(drive)
    raw, _, _ = exporter._raw(drive, motion, 0, "LIDAR_LEFT")
    now = motion.at(exporter.time_us(drive, 0)) @ exporter.ego_from_lidar("LIDAR_LEFT")
    wanted = drive.instants[0].points_world[exporter.dealt(drive, 0, "LIDAR_LEFT")] + exporter.UTM_M
    assert np.abs(inside(raw, now) - wanted).max() > 0.05


def test_the_sweep_s_frame_stands_upright_between_the_lidars(root: Path) -> None:
    ego_from_lidar = only(root).frame(0).sweep.ego_from_lidar
    assert torch.equal(ego_from_lidar.rotation, torch.eye(3, dtype=torch.float64))
    places = [place for place, _ in exporter.MOUNTS.values()]
    assert np.allclose(ego_from_lidar.translation_m, np.mean(places, axis=0))


def test_images_have_their_own_times_and_places(root: Path, drive: Drive) -> None:
    for place, index in enumerate(exporter.KEYFRAMES):
        frame = only(root).frame(place)
        assert [image.name for image in frame.images] == sorted(exporter.CAMERAS)
        pictures = dict(zip(exporter.CAMERAS, drive.instants[index].pictures, strict=False))
        for image in frame.images:
            picture = pictures[image.name]
            assert np.allclose(image.ego_from_cam.matrix(), picture.ego_from_cam, atol=1e-9)
            wanted = picture.world_from_ego.copy()
            wanted[:3, 3] += exporter.UTM_M
            assert np.abs(image.world_from_ego.matrix().numpy() - wanted).max() < 0.01
            assert int((image.read_pixels().int() - torch.from_numpy(picture.pixels).permute(2, 0, 1)).abs().max()) < 90
            assert image.camera.fx_px == picture.intrinsics[0, 0]


def test_boxes_and_classes(root: Path, drive: Drive) -> None:
    for place, index in enumerate(exporter.KEYFRAMES):
        frame = only(root).frame(place)
        boxes, things = frame.read_boxes(), drive.instants[index].things
        found = {boxes.instances[row]: row for row in range(len(boxes))}
        assert len(boxes) == len(things)
        for thing in things:
            row = found[exporter.token("instance", thing.instance)]
            assert np.allclose(boxes.centres_m[row], thing.centre_m + exporter.UTM_M)
            assert np.allclose(boxes.sizes_m[row], thing.size_m)
            assert np.allclose(boxes.rotations[row], thing.rotation, atol=1e-9)
            assert boxes.categories[row] == thing.category
        labels = frame.read_labels()
        inside_any = boxes.contain(frame.sweep.world_from_lidar.apply(frame.sweep.points_lidar.double())).any(dim=0)
        assert bool((labels[~inside_any] == BOX_CLASS_NAMES.index("background")).all())


def test_sweeps_between_keyframes(root: Path, drive: Drive) -> None:
    (both,) = interleaved([only(root)], 9)
    (frame,) = both.before(1)
    check_points(frame, drive, 1)
    assert [image.name for image in frame.images] == sorted(exporter.CAMERAS)


def test_its_own_categories() -> None:
    assert class_of_category("vehicle.ego_trailer") == "trailer"
    assert {class_of_category(name) for name in ("vehicle.other", "vehicle.train", "static_object.traffic_sign")} == {
        "ignored"
    }


def test_splits_have_their_published_sizes(tmp_path: Path) -> None:
    splits = truckscenes_splits()
    sizes = {"train": 523, "val": 75, "test": 149, "mini_train": 8, "mini_val": 2}
    assert {split: len(scenes) for split, scenes in splits.items()} == sizes
    for first, second in itertools.combinations(("train", "val", "test"), 2):
        assert not splits[first] & splits[second]
    assert all(re.fullmatch(r"scene-[0-9a-f]{32}-\d+", scene) for scenes in splits.values() for scene in scenes)
    mini = sorted(splits["mini_train"] | splits["mini_val"])
    found = splits_of(tmp_path / "v1.2-mini", mini)
    assert (len(found["train"]), len(found["val"])) == (8, 2)


def change_pcd(root: Path, change) -> Path:
    path = min((root / "samples" / "LIDAR_RIGHT").iterdir())
    path.write_bytes(change(path.read_bytes()))
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data.replace(b"intensity timestamp", b"intensity stamp"), "has no timestamp, only x, y, z"),
        (lambda data: data[:-200], "truncated"),
        (lambda data: b"", "not a PCD file"),
    ],
)
def test_damaged_files_are_named(small: Path, change, words: str) -> None:
    path = change_pcd(small, change)
    with pytest.raises(ValueError, match=words) as caught:
        only(small).frame(0)
    assert str(caught.value).startswith(f"{path} (sample_data ")


def test_points_of_another_clock_are_refused(small: Path) -> None:
    path = small / exporter.VERSION / "sample_data.json"
    rows = json.loads(path.read_text())
    lost = next(row["filename"] for row in rows if "LIDAR_LEFT" in row["filename"] and row["is_key_frame"])
    content = (small / lost).read_bytes()
    head, data = content.split(b"DATA binary\n")
    record = np.frombuffer(data, dtype=[*((axis, "<f4") for axis in "xyz"), ("i", "<f4"), ("t", "<u8")]).copy()
    record["t"] *= 1000
    (small / lost).write_bytes(head + b"DATA binary\n" + record.tobytes())
    with pytest.raises(ValueError, match="microseconds, of the same clock"):
        only(small).frame(0)


def test_a_missing_file_is_named(small: Path) -> None:
    next((small / "samples" / "LIDAR_TOP_FRONT").iterdir()).unlink()
    with pytest.raises(FileNotFoundError, match="LIDAR_TOP_FRONT"):
        [only(small).frame(index) for index in range(2)]
