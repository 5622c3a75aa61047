"""Oracle: a drive written as PandaSet's files by pandas, by an exporter that knows only the devkit's description."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lima.datasets import open_dataset
from lima.datasets.pandaset import CAMERAS, LIDAR_POSITION_M, PandaSet
from lima.datasets.pandaset_labels import CLASS_NAMES, CLASS_OF_LABEL
from lima.scene import Dataset, Frame, Sequence
from streetsim.semantics import Semantic
from tests.datasets.exporters import pandaset as exporter
from tests.datasets.exporters.drive import Drive, hand_made_drive, inside, simulated_drive, velocity_by_hand

# ScaLR's classes, 1 … 17, and PandaSet's labels, 1 … 42, as published with it
PUBLISHED_CLASSES = [
    "road", "traffic_sign", "barrier", "pedestrian", "vegetation", "road_marking", "sidewalk", "manmade",
    "traffic_cone", "car", "motorcycle", "truck", "bus", "bicycle", "other_vehicle", "ground", "driveway",
]  # fmt: skip
PUBLISHED_MAP = [
    0, 0, 0, 0, 5, 16, 1, 6, 6, 6, 7, 17, 10, 12, 12, 12, 15, 11, 15, 15, 15, 0, 13, 0, 0, 14, 15, 15, 15, 4, 4, 0, 0,
    9, 3, 2, 9, 2, 3, 0, 8, 8,
]  # fmt: skip


@pytest.fixture(scope="module", params=["hand-made", pytest.param("simulated", marks=pytest.mark.slow)])
def drive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Drive:
    made = hand_made_drive() if request.param == "hand-made" else simulated_drive(tmp_path_factory)
    six = tuple(replace(instant, pictures=instant.pictures[:6]) for instant in made.instants)
    return replace(made, instants=six)


@pytest.fixture(scope="module")
def root(drive: Drive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("panda 大熊猫")
    exporter.write_drive(root, drive)
    return root


def frames(root: Path) -> list[Frame]:
    (sequence,) = open_dataset(root).sequences()
    return [sequence.frame(index) for index in range(len(sequence))]


def test_it_is_a_dataset_of_drives(root: Path, drive: Drive) -> None:
    dataset = open_dataset(root)
    assert isinstance(dataset, Dataset)
    assert dataset.name == "PandaSet"
    assert dataset.class_names == ("ignored", *PUBLISHED_CLASSES)
    assert dataset.split_names == ("train", "all")
    (sequence,) = dataset.sequences("train")
    assert isinstance(sequence, Sequence)
    assert list(sequence.tokens) == ["002/00", "002/01", "002/02"]
    times_ns = np.array(sequence.timestamps_ns) - np.array([instant.time_ns for instant in drive.instants])
    assert np.abs(times_ns).max() <= 500  # seconds in double precision
    assert open_dataset(root / "002").sequences()[0].name == "002"


def test_the_published_map_is_taken() -> None:
    assert len(exporter.LABELS) == 42
    assert [CLASS_NAMES.index(CLASS_OF_LABEL[name]) for name in exporter.LABELS] == PUBLISHED_MAP


def test_points_are_those_of_the_drive(root: Path, drive: Drive) -> None:
    for frame, instant in zip(frames(root), drive.instants, strict=True):
        sweep = frame.sweep
        read_world = sweep.world_from_lidar.apply(sweep.points_lidar.double()).numpy()
        assert np.abs(read_world - instant.points_world).max() < 2e-5
        assert np.abs(sweep.intensity.numpy() - instant.intensity).max() <= 0.5 / 255 + 1e-6
        # the vehicle's frame is x forward, y left, as the drive's own is
        assert np.abs(sweep.world_from_ego.matrix().numpy() - instant.world_from_ego).max() < 1e-6
        assert sweep.ego_from_lidar.translation_m.tolist() == list(LIDAR_POSITION_M)
        assert sweep.ring is None


@pytest.mark.parametrize(("lidars", "forward"), [("pandar64", False), ("pandar_gt", True)])
def test_one_lidar_can_be_chosen(root: Path, drive: Drive, lidars: str, forward: bool) -> None:
    dataset = PandaSet(root, lidars=lidars)
    assert dataset.name == f"PandaSet {lidars}"
    compared = 0
    for index, instant in enumerate(drive.instants):
        chosen = exporter.forward_lidar(drive, index) == forward
        frame = dataset.sequences()[0].frame(index)
        read_world = frame.sweep.world_from_lidar.apply(frame.sweep.points_lidar.double()).numpy()
        assert np.abs(read_world - instant.points_world[chosen]).max() < 2e-5
        assert frame.read_labels().tolist() == wanted_labels(instant.semantic[chosen])
        compared += int(chosen.sum())
    assert compared > 0


def wanted_labels(semantic: np.ndarray) -> list[int]:
    class_of = {
        each: PUBLISHED_MAP[exporter.LABELS.index(exporter.LABEL_OF_SEMANTIC[each])]
        for each in map(Semantic, range(32))
    }
    return [class_of[Semantic(value)] for value in semantic]


def test_labels_are_those_of_the_drive(root: Path, drive: Drive) -> None:
    for frame, instant in zip(frames(root), drive.instants, strict=True):
        labels = frame.read_labels()
        assert labels.dtype == torch.int64
        assert labels.tolist() == wanted_labels(instant.semantic)


def test_images_and_cameras_are_those_of_the_drive(root: Path, drive: Drive) -> None:
    """A camera's pose in the world is its own; only how it is shared out between vehicle and mount is ours."""
    for frame, instant in zip(frames(root), drive.instants, strict=True):
        assert [image.name for image in frame.images] == list(CAMERAS[: len(instant.pictures)])
        for image, picture in zip(frame.images, instant.pictures, strict=True):
            assert abs(image.timestamp_ns - picture.time_ns) <= 500
            pixels = image.read_pixels().permute(1, 2, 0).numpy().astype(int)
            assert np.abs(pixels - picture.pixels).mean() < 2.5  # JPEG
            assert np.abs(image.camera.matrix().numpy() - picture.intrinsics).max() < 1e-9
            world_from_cam = picture.world_from_ego @ picture.ego_from_cam
            assert np.abs(image.world_from_cam.matrix().numpy() - world_from_cam).max() < 1e-6


def test_cameras_keep_their_place_in_the_vehicle(root: Path, drive: Drive) -> None:
    """The vehicle's pose is taken at the camera's own time, between two sweeps."""
    frame, instant = frames(root)[1], drive.instants[1]
    for image, picture in zip(frame.images, instant.pictures, strict=True):
        assert np.abs(image.ego_from_cam.matrix().numpy() - picture.ego_from_cam).max() < 0.03


def test_boxes_are_those_of_the_drive(root: Path, drive: Drive) -> None:
    """Of moving things that both LiDARs see, the one for the main LiDAR."""
    for index, (frame, instant) in enumerate(zip(frames(root), drive.instants, strict=True)):
        boxes = frame.read_boxes()
        things = [thing for thing in instant.things if thing.instance % 3 != 2]  # the exporter's sensor_id is 1
        assert boxes.instances == tuple(f"thing-{thing.instance}" for thing in things)
        for box, thing in enumerate(things):
            assert np.abs(boxes.centres_m[box].numpy() - thing.centre_m).max() < 1e-9
            assert np.abs(boxes.rotations[box].numpy() - thing.rotation).max() < 1e-6
            assert np.abs(boxes.sizes_m[box].numpy() - thing.size_m).max() < 1e-12
            assert boxes.categories[box] == thing.category
            wanted = velocity_by_hand(drive, index, thing.instance)
            assert np.allclose(boxes.velocities_mps[box], wanted, atol=1e-3, equal_nan=True)
    of_forward = PandaSet(root, lidars="pandar_gt").sequences()[0].frame(1).read_boxes()
    assert of_forward.instances == tuple(
        f"thing-{thing.instance}" for thing in drive.instants[1].things if thing.instance % 3 != 1
    )


def test_points_lie_in_the_boxes_of_their_thing(root: Path, drive: Drive) -> None:
    """Classes of points against boxes: says that boxes are turned the right way."""
    frame, instant = frames(root)[1], drive.instants[1]
    if len(instant.points_world) < 1000:
        pytest.skip("points made by hand lie anywhere")
    cars = [box for box, name in enumerate(frame.read_boxes().categories) if name == "vehicle.car"]
    points = frame.sweep.world_from_lidar.apply(frame.sweep.points_lidar.double())
    near = frame.read_boxes().contain(points)[cars].any(dim=0)
    is_car = frame.read_labels() == CLASS_NAMES.index("car")
    assert int(near.sum()) > 50
    assert float(is_car[near].float().mean()) > 0.7


def test_splits_are_scalr_s(tmp_path: Path) -> None:
    """Labelled drives north of 37.6 degrees are for training; drives without labels belong to neither."""
    drive = hand_made_drive()
    for name, latitude_deg, labelled in (("001", 37.7, True), ("054", 37.4, True), ("077", 37.7, False)):
        exporter.write_drive(tmp_path, drive, name, latitude_deg, labelled)
    dataset = open_dataset(tmp_path)
    assert dataset.split_names == ("train", "val", "all")
    assert [[each.name for each in dataset.sequences(split)] for split in ("train", "val", "all")] == [
        ["001"], ["054"], ["001", "054", "077"],
    ]  # fmt: skip
    assert dataset.sequences()[2].frame(0).read_labels is None


def test_drives_without_boxes_or_images_have_none(tmp_path: Path) -> None:
    folder = exporter.write_drive(tmp_path, hand_made_drive(), boxed=False)
    (folder / "camera").rename(tmp_path / "elsewhere")
    (folder / "camera").mkdir()
    frame = open_dataset(tmp_path).sequences()[0].frame(0)
    assert frame.read_boxes is None
    assert frame.images == ()


def test_unpacked_tables_are_read_too(tmp_path: Path) -> None:
    import gzip

    folder = exporter.write_drive(tmp_path, hand_made_drive())
    for file in folder.rglob("*.pkl.gz"):
        file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
        file.unlink()
    frame = open_dataset(tmp_path).sequences()[0].frame(1)
    assert len(frame.read_labels()) == 60
    assert len(frame.read_boxes()) > 0


def test_labels_may_be_texts(tmp_path: Path) -> None:
    """As the devkit's documentation says; the files hold numbers."""
    folder = exporter.write_drive(tmp_path, hand_made_drive())
    file = folder / "annotations" / "semseg" / "00.pkl.gz"
    frame = open_dataset(tmp_path).sequences()[0].frame(0)
    before = frame.read_labels()
    exporter.write_pickle({"class": [str(number) for number in _classes(file)]}, file)
    assert torch.equal(frame.read_labels(), before)


def _classes(file: Path) -> list[int]:
    import pandas as pd

    return pd.read_pickle(file)["class"].tolist()


def test_own_splits_go_first(tmp_path: Path) -> None:
    exporter.write_drive(tmp_path, hand_made_drive())
    (tmp_path / "splits.json").write_text(json.dumps({"val": ["002"]}))
    assert open_dataset(tmp_path).split_names == ("val", "all")


def test_frames_can_be_sent_to_other_processes(root: Path) -> None:
    sequence = pickle.loads(pickle.dumps(open_dataset(root).sequences()[0]))
    frame: Frame = pickle.loads(pickle.dumps(sequence.frame(1)))
    assert len(frame.read_labels()) == len(frame.sweep.points_lidar)
    assert frame.images[0].read_pixels().shape[0] == 3


def test_the_lidar_s_frame_is_above_the_road(root: Path, drive: Drive) -> None:
    """Height 0 is that of the LiDAR, as in other sets: the road lies below."""
    frame, instant = frames(root)[0], drive.instants[0]
    ego = inside(instant.points_world, np.linalg.inv(instant.world_from_ego))
    assert np.abs(frame.sweep.points_lidar[:, 2].numpy() - (ego[:, 2] - LIDAR_POSITION_M[2])).max() < 1e-4
