"""Oracle: a drive written as an Argoverse 2 log by an exporter that knows only the format's description; and a recorded
log, whose annotators counted the points in their boxes."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from lima.datasets import open_dataset
from lima.datasets.argoverse2 import CAMERAS, RING_OF_LASER, Argoverse2
from lima.datasets.argoverse2_boxes import CATEGORIES, CLASS_NAMES
from lima.scene import Dataset, Frame, Sequence
from tests.datasets.exporters import argoverse2 as exporter
from tests.datasets.exporters.drive import Drive, hand_made_drive, inside, simulated_drive, velocity_by_hand
from tests.shared import shared_folder

RECORDED = "7fab2350-7eaf-3b7e-a39d-6937a4c1bede"


@pytest.fixture(scope="module", params=["hand-made", pytest.param("simulated", marks=pytest.mark.slow)])
def drive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Drive:
    return hand_made_drive() if request.param == "hand-made" else simulated_drive(tmp_path_factory)


@pytest.fixture(scope="module")
def root(drive: Drive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("av2 Größe")  # a space and letters of more than a byte
    exporter.write_log(root, drive)
    return root


def frames(root: Path) -> list[Frame]:
    (sequence,) = open_dataset(root).sequences("val")
    return [sequence.frame(index) for index in range(len(sequence))]


def test_it_is_a_dataset_of_logs(root: Path, drive: Drive) -> None:
    dataset = open_dataset(root)
    assert isinstance(dataset, Dataset)
    assert dataset.name == "Argoverse 2"
    assert dataset.split_names == ("val", "all")
    (sequence,) = dataset.sequences()
    assert isinstance(sequence, Sequence)
    assert list(sequence.timestamps_ns) == [instant.time_ns for instant in drive.instants]
    assert list(sequence.tokens) == [f"{exporter.LOG}/{instant.time_ns}" for instant in drive.instants]
    assert [frame.token for frame in frames(root)] == list(sequence.tokens)


def test_it_opens_from_every_level(root: Path) -> None:
    log = root / "sensor" / "val" / exporter.LOG
    for level in (root, root / "sensor", root / "sensor" / "val", log):
        dataset = open_dataset(level)
        assert dataset.split_names == ("val", "all")
        assert [sequence.name for sequence in dataset.sequences("val")] == [exporter.LOG]


def test_points_are_those_of_the_drive(root: Path, drive: Drive) -> None:
    """Up to half precision, in which the format keeps them."""
    for frame, instant in zip(frames(root), drive.instants, strict=True):
        sweep = frame.sweep
        ego = inside(instant.points_world, np.linalg.inv(instant.world_from_ego))
        read_ego = sweep.ego_from_lidar.apply(sweep.points_lidar.double()).numpy()
        assert np.abs(read_ego - ego.astype(np.float16)).max() < 2e-5
        assert np.all(np.abs(read_ego - ego) <= np.spacing(np.abs(ego).astype(np.float16)) * 0.5 + 2e-5)
        read_world = sweep.world_from_lidar.apply(sweep.points_lidar.double()).numpy()
        assert np.abs(read_world - instant.points_world).max() < 0.06
        assert np.abs(sweep.ego_from_lidar.matrix().numpy() - drive.ego_from_lidar).max() < 1e-9
        assert np.abs(sweep.world_from_ego.matrix().numpy() - instant.world_from_ego).max() < 1e-9
        assert np.abs(sweep.intensity.numpy() - instant.intensity).max() <= 0.5 / 255 + 1e-6
        assert torch.equal(sweep.ring, RING_OF_LASER[torch.from_numpy(instant.ring)])


def test_rings_number_all_beams() -> None:
    assert sorted(RING_OF_LASER.tolist()) == list(range(64))


def test_the_image_nearest_in_time_is_taken(root: Path, drive: Drive) -> None:
    """The exporter writes a black image 50 ms before and after every picture."""
    for frame, instant in zip(frames(root), drive.instants, strict=True):
        assert [image.name for image in frame.images] == list(CAMERAS[: len(instant.pictures)])
        for image, picture in zip(frame.images, instant.pictures, strict=True):
            assert image.timestamp_ns == picture.time_ns
            pixels = image.read_pixels().permute(1, 2, 0).numpy().astype(int)
            assert np.abs(pixels - picture.pixels).mean() < 2.5  # JPEG
            assert np.abs(image.world_from_ego.matrix().numpy() - picture.world_from_ego).max() < 1e-9
            assert np.abs(image.ego_from_cam.matrix().numpy() - picture.ego_from_cam).max() < 1e-9
            assert np.abs(image.camera.matrix().numpy() - picture.intrinsics).max() < 1e-9


def test_boxes_are_those_of_the_drive(root: Path, drive: Drive) -> None:
    for index, (frame, instant) in enumerate(zip(frames(root), drive.instants, strict=True)):
        boxes = frame.read_boxes()
        assert boxes.instances == tuple(f"track-{thing.instance}" for thing in instant.things)
        for box, thing in enumerate(instant.things):
            assert np.abs(boxes.centres_m[box].numpy() - thing.centre_m).max() < 1e-6
            assert np.abs(boxes.rotations[box].numpy() - thing.rotation).max() < 1e-6
            assert boxes.sizes_m[box].tolist() == thing.size_m.tolist()
            assert boxes.categories[box] == exporter.CATEGORIES[thing.category]
            wanted = velocity_by_hand(drive, index, thing.instance)
            assert np.allclose(boxes.velocities_mps[box], wanted, atol=1e-4, equal_nan=True)


def test_points_in_boxes_have_their_class(root: Path, drive: Drive) -> None:
    """One point and one box at a time, for some of the points."""
    frame, instant = frames(root)[1], drive.instants[1]
    labels = frame.read_labels()
    boxes = frame.read_boxes()
    points = frame.sweep.world_from_lidar.apply(frame.sweep.points_lidar.double()).numpy()
    assert labels.shape == (len(points),)
    step = max(1, len(points) // 400)
    for row in [*range(0, len(points), step), *np.flatnonzero(labels.numpy() < len(CLASS_NAMES) - 1)[:200].tolist()]:
        wanted, smallest = "background", np.inf
        for thing, category in zip(instant.things, boxes.categories, strict=True):
            local = thing.rotation.T @ (points[row] - thing.centre_m)
            volume = float(np.prod(thing.size_m))
            if (np.abs(local) <= thing.size_m / 2).all() and volume < smallest:
                wanted, smallest = category.lower(), volume
        assert CLASS_NAMES[int(labels[row])] == wanted
    assert ("ignored", *(name.lower() for name in CATEGORIES), "background") == CLASS_NAMES
    assert len(CATEGORIES) == 30


def test_logs_without_annotations_have_no_labels(tmp_path: Path) -> None:
    exporter.write_log(tmp_path, hand_made_drive(), split="test", annotated=False)
    (sequence,) = open_dataset(tmp_path).sequences("test")
    frame = sequence.frame(0)
    assert frame.read_labels is None
    assert frame.read_boxes is None


def test_logs_without_images_have_none(tmp_path: Path) -> None:
    folder = exporter.write_log(tmp_path, hand_made_drive())
    (folder / "sensors" / "cameras").rename(tmp_path / "elsewhere")
    assert open_dataset(tmp_path).sequences()[0].frame(0).images == ()


def test_a_camera_that_misses_an_image_is_left_out(tmp_path: Path) -> None:
    drive = hand_made_drive()
    folder = exporter.write_log(tmp_path, drive)
    for shift_ns in (-50_000_000, 0, 50_000_000):
        time_ns = drive.instants[1].pictures[1].time_ns + shift_ns
        (folder / "sensors" / "cameras" / exporter.RING[1] / f"{time_ns}.jpg").unlink()
    sequence = open_dataset(tmp_path).sequences()[0]
    assert [len(sequence.frame(index).images) for index in range(3)] == [2, 1, 2]


def test_splits_are_folders_or_a_list(tmp_path: Path) -> None:
    drive = hand_made_drive()
    for split, log in (("train", "a"), ("train", "b"), ("val", "c")):
        exporter.write_log(tmp_path, drive, split, log)
    dataset = open_dataset(tmp_path)
    assert dataset.split_names == ("train", "val", "all")
    assert [sequence.name for sequence in dataset.sequences("train")] == ["a", "b"]
    assert [sequence.name for sequence in dataset.sequences()] == ["a", "b", "c"]
    (tmp_path / "splits.json").write_text('{"mine": ["c", "a"]}')
    dataset = open_dataset(tmp_path)
    assert dataset.split_names == ("mine", "all")
    assert [sequence.name for sequence in dataset.sequences("mine")] == ["a", "c"]


def test_gaps_are_refused_or_split_at(tmp_path: Path) -> None:
    drive = hand_made_drive()
    last = replace(drive.instants[2], time_ns=drive.instants[2].time_ns + 1_000_000_000)
    exporter.write_log(tmp_path, replace(drive, instants=(*drive.instants[:2], last)))
    with pytest.raises(ValueError, match=r"1\.10 s between .*--at-gap split"):
        open_dataset(tmp_path).sequences()
    parts = open_dataset(tmp_path, at_gap="split").sequences()
    assert [len(part) for part in parts] == [2, 1]


def test_frames_can_be_sent_to_other_processes(root: Path) -> None:
    sequence = pickle.loads(pickle.dumps(open_dataset(root).sequences()[0]))
    frame: Frame = pickle.loads(pickle.dumps(sequence.frame(1)))
    assert len(frame.read_labels()) == len(frame.sweep.points_lidar)
    assert frame.images[0].read_pixels().shape[0] == 3


def recorded() -> Path:
    return shared_folder("data/av2")


def test_recorded_boxes_hold_the_points_that_were_counted() -> None:
    """num_interior_pts, every one: says that points, poses, boxes and their frames fit."""
    root = recorded()
    (sequence,) = open_dataset(root).sequences("val")
    assert len(sequence) == 2
    table = pd.read_feather(root / "sensor" / "val" / RECORDED / "annotations.feather")
    for index in range(2):
        frame = sequence.frame(index)
        counted = table[table.timestamp_ns == frame.sweep.timestamp_ns]
        assert len(counted) > 70
        points = frame.sweep.world_from_lidar.apply(frame.sweep.points_lidar.double())
        boxes = frame.read_boxes()
        assert boxes.instances == tuple(counted.track_uuid)
        held = boxes.contain(points)
        assert held.sum(dim=1).tolist() == counted.num_interior_pts.tolist()
        assert torch.equal(frame.read_labels() != CLASS_NAMES.index("background"), held.any(dim=0))


def test_recorded_rings_rise() -> None:
    """Median elevation of every ring with enough points far away, in the LiDAR's frame."""
    frame = open_dataset(recorded()).sequences()[0].frame(0)
    points, ring = frame.sweep.points_lidar, frame.sweep.ring
    distance = points[:, :2].norm(dim=1)
    elevation = torch.rad2deg(torch.atan2(points[:, 2], distance))
    medians = [
        float(elevation[(ring == number) & (distance > 8)].median())
        for number in range(64)
        if int(((ring == number) & (distance > 8)).sum()) > 50
    ]
    assert len(medians) > 55
    assert np.diff(medians).min() > -0.7  # the lower LiDAR is tilted a little, so neighbours may change places
    assert np.corrcoef(np.arange(len(medians)), medians)[0, 1] > 0.9


def test_recorded_poses_and_boxes_are_plausible() -> None:
    sequence = open_dataset(recorded()).sequences()[0]
    first, second = sequence.frame(0), sequence.frame(1)
    moved_m = (second.sweep.world_from_ego.translation_m - first.sweep.world_from_ego.translation_m).norm()
    assert 0 <= float(moved_m) < 3
    assert first.images == ()
    speed_mps = first.read_boxes().velocities_mps.norm(dim=1)
    assert float(speed_mps[torch.isfinite(speed_mps)].max()) < 40
    assert float(first.sweep.intensity.max()) <= 1


def test_pyarrow_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exporter.write_log(tmp_path, hand_made_drive())
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'lima-lidar\[parquet\]'"):
        Argoverse2(tmp_path)
