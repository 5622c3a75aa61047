"""Oracle: a drive written as Waymo's components by an exporter that knows only the schema and its definition of range
images. Points come back to within half a column."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lima.datasets import open_dataset
from lima.datasets.waymo import CAMERAS, Waymo
from lima.datasets.waymo_sweep import CLASS_NAMES
from lima.scene import Dataset, Frame, Sequence
from streetsim.semantics import Semantic
from tests.datasets.exporters import waymo as exporter
from tests.datasets.exporters.drive import Drive, hand_made_drive, inside, simulated_drive, velocity_by_hand


@pytest.fixture(scope="module", params=["hand-made", pytest.param("simulated", marks=pytest.mark.slow)])
def drive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Drive:
    if request.param == "hand-made":
        return with_real_directions(hand_made_drive(400))
    made = simulated_drive(tmp_path_factory)
    five = tuple(replace(each, pictures=each.pictures[:5]) for each in made.instants)
    return replace(made, instants=five, columns=1327)  # not the simulator's, so that points fall anywhere in a column


def with_real_directions(drive: Drive) -> Drive:
    """Points that lie on the beams, seen from a vehicle that turns, tilts and moves while the LiDAR goes round."""
    rng = np.random.default_rng(11)
    instants = []
    for instant in drive.instants:
        count = len(instant.points_world)
        away, azimuth = rng.uniform(3, 60, count), rng.uniform(-np.pi, np.pi, count)
        elevation = drive.elevations_rad[instant.ring]
        local = np.stack([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
        sway = np.array([0.05, 0.03, 0.06, 1.0, 0.5, 0.2]) * np.sin(azimuth[:, None] + np.arange(6))
        fired_from = instant.fired_from + sway
        worlds = []
        for point, pose in zip((local * away).T, fired_from, strict=True):
            worlds.append(turned(pose[:3]) @ inside(point[None], drive.ego_from_lidar)[0] + pose[3:])
        instants.append(replace(instant, points_world=np.array(worlds), fired_from=fired_from))
    return replace(drive, instants=tuple(instants), columns=1800)


def turned(roll_pitch_yaw: np.ndarray) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    return Rotation.from_euler("ZYX", roll_pitch_yaw[::-1]).as_matrix()


@pytest.fixture(scope="module")
def root(drive: Drive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("wáymo open")
    exporter.write_segment(root, drive, labelled=(0, 1))
    return root


def frames(root: Path) -> list[Frame]:
    (sequence,) = open_dataset(root).sequences()
    return [sequence.frame(index) for index in range(len(sequence))]


def sources(drive: Drive, index: int) -> np.ndarray:
    """Which points of the drive are in the range images, in the order of returns and pixels."""
    pictures = exporter.range_images(drive, drive.instants[index])
    return np.concatenate([picture["source"][picture["source"] >= 0] for picture in pictures])


def test_it_is_a_dataset_of_segments(root: Path, drive: Drive) -> None:
    dataset = open_dataset(root)
    assert isinstance(dataset, Dataset)
    assert dataset.name == "Waymo Open Dataset v2"
    assert len(dataset.class_names) == 23
    assert dataset.split_names == ("train", "all")
    (sequence,) = dataset.sequences("train")
    assert isinstance(sequence, Sequence)
    assert list(sequence.timestamps_ns) == [instant.time_ns for instant in drive.instants]
    assert list(sequence.tokens) == [f"{exporter.SEGMENT}/{instant.time_ns // 1000}" for instant in drive.instants]
    alone = open_dataset(root / "training")
    assert alone.split_names == ("train", "all")
    assert len(alone.sequences()) == 1


def as_measured(drive: Drive, index: int, points_world: np.ndarray) -> np.ndarray:
    """Points that were measured with those of the drive, in the LiDAR's frame of their own moment."""
    fired_from = drive.instants[index].fired_from[sources(drive, index)]
    local = []
    for point, pose in zip(points_world, fired_from, strict=True):
        in_vehicle = turned(pose[:3]).T @ (point - pose[3:])
        local.append(drive.ego_from_lidar[:3, :3].T @ (in_vehicle - drive.ego_from_lidar[:3, 3]))
    return np.array(local)


def test_points_are_those_of_the_drive_to_half_a_column(root: Path, drive: Drive) -> None:
    """The range of a pixel is exact, its direction is the middle of the pixel: what is lost is lost along the row."""
    for index, (frame, instant) in enumerate(zip(frames(root), drive.instants, strict=True)):
        sweep, source = frame.sweep, sources(drive, index)
        assert len(sweep.points_lidar) == len(source) > 0.98 * len(instant.points_world)
        read_world = sweep.world_from_lidar.apply(sweep.points_lidar.double()).numpy()
        read = as_measured(drive, index, read_world)
        true = as_measured(drive, index, instant.points_world[source])
        range_m = np.linalg.norm(true, axis=1)
        error_m = np.abs(np.linalg.norm(read, axis=1) - range_m)
        of_first = int((exporter.range_images(drive, instant)[0]["source"] >= 0).sum())
        assert error_m[:of_first].max() < 1e-4  # the poses of pixels are in single precision
        assert error_m.max() < 5e-3  # a second return is given the pose of the first
        assert np.all(np.linalg.norm(read - true, axis=1) <= range_m * np.pi / drive.columns * 1.05 + 0.01)
        assert torch.equal(sweep.ring, torch.from_numpy(instant.ring[source]))
        assert np.abs(sweep.world_from_ego.matrix().numpy() - instant.world_from_ego).max() < 1e-12
        assert np.abs(sweep.ego_from_lidar.matrix().numpy() - drive.ego_from_lidar).max() < 1e-12
        assert np.abs(sweep.intensity.numpy() - instant.intensity[source].clip(max=0.999)).max() < 1e-5


def test_columns_are_met_in_their_middle(root: Path, drive: Drive) -> None:
    """A shift by half a column, or a turn the other way round, would show in the mean."""
    sweep, source = frames(root)[0].sweep, sources(drive, 0)
    read = as_measured(drive, 0, sweep.world_from_lidar.apply(sweep.points_lidar.double()).numpy())
    true = as_measured(drive, 0, drive.instants[0].points_world[source])
    turn = np.angle(np.exp(1j * (np.arctan2(read[:, 1], read[:, 0]) - np.arctan2(true[:, 1], true[:, 0]))))
    column = 2 * np.pi / drive.columns
    assert np.abs(turn).max() < 0.6 * column
    assert abs(turn.mean()) < 0.1 * column
    assert turn.std() == pytest.approx(column / np.sqrt(12), rel=0.15)  # even between the edges


def test_without_the_poses_of_pixels_points_would_be_wrong(root: Path, drive: Drive) -> None:
    """The vehicle moves during the turn: the correction has something to correct."""
    instant = drive.instants[1]
    moved_m = np.linalg.norm(instant.fired_from[:, 3:] - instant.world_from_ego[:3, 3], axis=1)
    assert moved_m.max() > 0.1


def test_one_return_can_be_chosen(root: Path, drive: Drive) -> None:
    first = Waymo(root, returns="first").sequences()[0].frame(1)
    both = open_dataset(root).sequences()[0].frame(1)
    kept = int((exporter.range_images(drive, drive.instants[1])[0]["source"] >= 0).sum())
    assert len(first.sweep.points_lidar) == kept
    assert torch.equal(both.sweep.points_lidar[:kept], first.sweep.points_lidar)
    assert torch.equal(both.read_labels()[:kept], first.read_labels())


def test_labels_are_those_of_the_drive(root: Path, drive: Drive) -> None:
    for index, (frame, instant) in enumerate(zip(frames(root), drive.instants, strict=True)):
        if index == 2:
            assert frame.read_labels is None  # the exporter labels the first two
            continue
        semantic = instant.semantic[sources(drive, index)]
        wanted = [exporter.CLASS_OF_SEMANTIC.get(Semantic(value), 0) for value in semantic]
        assert frame.read_labels().tolist() == wanted
    assert CLASS_NAMES[exporter.CLASS_OF_SEMANTIC[Semantic.CAR]] == "car"
    assert CLASS_NAMES[exporter.CLASS_OF_SEMANTIC[Semantic.ROAD]] == "road"
    assert CLASS_NAMES[exporter.CLASS_OF_SEMANTIC[Semantic.SIDEWALK]] == "sidewalk"


def test_images_and_cameras_are_those_of_the_drive(root: Path, drive: Drive) -> None:
    for frame, instant in zip(frames(root), drive.instants, strict=True):
        here = [name for name, number in CAMERAS.items() if exporter.CAMERAS[number] < len(instant.pictures)]
        assert [image.name for image in frame.images] == here
        for image in frame.images:
            picture = instant.pictures[exporter.CAMERAS[CAMERAS[image.name]]]
            assert abs(image.timestamp_ns - picture.time_ns) <= 500  # seconds in double precision
            pixels = image.read_pixels().permute(1, 2, 0).numpy().astype(int)
            assert np.abs(pixels - picture.pixels).mean() < 2.5  # JPEG
            assert np.abs(image.camera.matrix().numpy() - picture.intrinsics).max() < 1e-9
            assert np.abs(image.world_from_ego.matrix().numpy() - picture.world_from_ego).max() < 1e-12
            assert np.abs(image.ego_from_cam.matrix().numpy() - picture.ego_from_cam).max() < 1e-9


def test_boxes_are_those_of_the_drive(root: Path, drive: Drive) -> None:
    for index, (frame, instant) in enumerate(zip(frames(root), drive.instants, strict=True)):
        boxes = frame.read_boxes()
        assert boxes.instances == tuple(f"thing-{thing.instance}" for thing in instant.things)
        for box, thing in enumerate(instant.things):
            assert np.abs(boxes.centres_m[box].numpy() - thing.centre_m).max() < 1e-6
            assert np.abs(boxes.rotations[box].numpy() - thing.rotation).max() < 1e-6  # the drive's things are upright
            assert boxes.sizes_m[box].tolist() == thing.size_m.tolist()
            wanted = velocity_by_hand(drive, index, thing.instance)
            assert np.allclose(boxes.velocities_mps[box], wanted, atol=1e-4, equal_nan=True)
            assert boxes.categories[box] == {"v": "vehicle", "h": "pedestrian", "m": "sign"}[thing.category[0]]


def test_points_lie_in_the_boxes_of_their_thing(root: Path, drive: Drive) -> None:
    frame, instant = frames(root)[1], drive.instants[1]
    if len(instant.points_world) < 1000:
        pytest.skip("points made by hand lie anywhere")
    cars = [box for box, thing in enumerate(instant.things) if thing.category == "vehicle.car"]
    points = frame.sweep.world_from_lidar.apply(frame.sweep.points_lidar.double())
    near = frame.read_boxes().contain(points)[cars].any(dim=0)
    assert int(near.sum()) > 50
    assert float((frame.read_labels()[near] == CLASS_NAMES.index("car")).float().mean()) > 0.7


def test_all_lidars_can_be_chosen(tmp_path: Path) -> None:
    """The other four see what the top one sees, through an even fan of beams, made for the frame's pose."""
    drive = with_real_directions(hand_made_drive(400))
    exporter.write_segment(tmp_path, drive, other_lidars=True)
    top = open_dataset(tmp_path).sequences()[0].frame(1)
    every = Waymo(tmp_path, lidars="all").sequences()[0].frame(1)
    count = len(top.sweep.points_lidar)
    assert torch.equal(every.sweep.points_lidar[:count], top.sweep.points_lidar)
    assert every.sweep.ring is None
    labels = every.read_labels()
    assert torch.equal(labels[:count], top.read_labels())
    assert not bool(labels[count:].any())
    # each of the four gives all points again, to half a column and half a beam of the fan
    pictures = exporter.range_images(drive, drive.instants[1], made_for_frame=True)
    source = np.concatenate([picture["source"][picture["source"] >= 0] for picture in pictures])
    assert len(every.sweep.points_lidar) == count + 4 * len(source)
    read = every.sweep.world_from_lidar.apply(every.sweep.points_lidar[count : count + len(source)].double()).numpy()
    true = drive.instants[1].points_world[source]
    range_m = np.linalg.norm(true - drive.instants[1].world_from_ego[:3, 3] - drive.ego_from_lidar[:3, 3], axis=1)
    fan_rad = np.ptp(drive.elevations_rad) / len(drive.elevations_rad)
    tilted = 0.3  # the vehicle's tilt takes some points beyond the fan
    within = np.linalg.norm(read - true, axis=1) <= range_m * (np.pi / drive.columns + fan_rad / 2) + 0.01
    assert within.mean() > 1 - tilted


def test_lenses_are_taken_out(tmp_path: Path) -> None:
    """A picture whose red grows along its width, drawn through the lens by looking up every pixel by iteration."""
    k1, k2, p1, p2, k3 = lens = (-0.4, 0.1, 0.002, -0.001, 0.01)
    drive = hand_made_drive()
    picture = drive.instants[0].pictures[0]
    height, width, focal = 48, 64, 60.0
    intrinsics = np.array([[focal, 0, 31.5], [0, focal, 23.5], [0, 0, 1]])
    pinhole = np.zeros((height, width, 3))
    pinhole[..., 0] = np.arange(width) * 3 + 20
    pinhole[..., 1] = np.arange(height)[:, None] * 4 + 20
    v, u = np.mgrid[:height, :width].astype(float)
    bent = np.stack([(u - 31.5) / focal, (v - 23.5) / focal], axis=-1)
    straight = bent.copy()
    for _ in range(50):
        x, y = straight[..., 0], straight[..., 1]
        r2 = x * x + y * y
        radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
        dx, dy = 2 * p1 * x * y + p2 * (r2 + 2 * x * x), p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
        straight = (bent - np.stack([dx, dy], axis=-1)) / radial[..., None]
    seen = np.stack([straight[..., 0] * focal + 31.5, straight[..., 1] * focal + 23.5], axis=-1)
    drawn = np.zeros_like(pinhole)
    drawn[..., 0], drawn[..., 1] = seen[..., 0] * 3 + 20, seen[..., 1] * 4 + 20
    pictures = (replace(picture, pixels=drawn.round().clip(0, 255).astype(np.uint8), intrinsics=intrinsics),)
    instants = tuple(replace(instant, pictures=pictures) for instant in drive.instants)
    exporter.write_segment(tmp_path, replace(drive, instants=instants), distortion=lens)
    (image,) = open_dataset(tmp_path).sequences()[0].frame(0).images
    read = image.read_pixels().permute(1, 2, 0).numpy().astype(float)
    inner = (slice(4, -4), slice(4, -4))
    assert np.abs(read - pinhole)[inner][..., :2].max() < 4  # JPEG and rounding
    assert np.abs(drawn - pinhole)[inner][..., :2].max() > 12  # what it would be otherwise


def test_components_that_are_not_there_are_done_without(tmp_path: Path) -> None:
    folder = exporter.write_segment(tmp_path, hand_made_drive())
    for component in ("camera_image", "camera_calibration", "lidar_box", "lidar_segmentation"):
        (folder / component / f"{exporter.SEGMENT}.parquet").unlink()
    frame = open_dataset(tmp_path).sequences()[0].frame(1)
    assert frame.images == ()
    assert frame.read_labels is None
    assert frame.read_boxes is None


def test_splits_are_folders(tmp_path: Path) -> None:
    drive = hand_made_drive()
    for split, name in (("training", "a"), ("training", "b"), ("validation", "c"), ("testing", "d")):
        exporter.write_segment(tmp_path, drive, split, name)
    dataset = open_dataset(tmp_path)
    assert dataset.split_names == ("train", "val", "test", "all")
    names = [[each.name for each in dataset.sequences(split)] for split in ("train", "val", "test", None)]
    assert names == [["a", "b"], ["c"], ["d"], ["a", "b", "c", "d"]]


def test_frames_can_be_sent_to_other_processes(root: Path) -> None:
    sequence = pickle.loads(pickle.dumps(open_dataset(root).sequences()[0]))
    frame: Frame = pickle.loads(pickle.dumps(sequence.frame(1)))
    assert len(frame.read_labels()) == len(frame.sweep.points_lidar)
    assert frame.images[0].read_pixels().shape[0] == 3


def test_frames_may_be_asked_for_in_any_order(root: Path) -> None:
    sequence = open_dataset(root).sequences()[0]
    forward = [sequence.frame(index).sweep.points_lidar for index in (0, 1, 2)]
    backward = [sequence.frame(index).sweep.points_lidar for index in (2, 0, 1)]
    assert all(torch.equal(forward[index], points) for index, points in zip((2, 0, 1), backward, strict=True))
