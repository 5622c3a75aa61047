"""Oracle: folders made by hand, the simulator's exact answers, and SemanticKITTI's own configuration, typed again."""

from __future__ import annotations

import logging
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from lima.datasets import open_dataset
from lima.datasets.label_maps import label_map
from lima.datasets.scan_dataset import ScanDataset
from lima.datasets.semantic_kitti import SEMANTIC_KITTI
from lima.scene import Dataset, Frame, Sequence
from streetsim.config import SimulateConfig
from streetsim.semantics import KITTI_FROM_SEMANTIC, KITTI_MOVING_FROM_SEMANTIC, NUSCENES_FROM_SEMANTIC
from streetsim.simulate import simulate
from tests.conftest import shared_between_workers
from tests.datasets import kitti_hand_made as made
from tests.shared import shared_folder

# REFERENCE: 0,1,52,99->0; 10,252->1; 11->2; 15->3; 18,258->4; 13,16,20,256,257,259->5; 30,254->6; 31,253->7; 32,255->8;
# 40,60->9; 44->10; 48->11; 49->12; 50->13; 51->14; 70->15; 71->16; 72->17; 80->18; 81->19
CLASS_OF_ID = {
    0: 0, 1: 0, 52: 0, 99: 0, 10: 1, 252: 1, 11: 2, 15: 3, 18: 4, 258: 4, 13: 5, 16: 5, 20: 5, 256: 5, 257: 5, 259: 5,
    30: 6, 254: 6, 31: 7, 253: 7, 32: 8, 255: 8, 40: 9, 60: 9, 44: 10, 48: 11, 49: 12, 50: 13, 51: 14, 70: 15, 71: 16,
    72: 17, 80: 18, 81: 19,
}  # fmt: skip
MOVING = {252: 20, 253: 21, 254: 22, 255: 23, 256: 24, 257: 24, 259: 24, 258: 25}
CLASSES = (
    "ignored", "car", "bicycle", "motorcycle", "truck", "other_vehicle", "person", "bicyclist", "motorcyclist", "road",
    "parking", "sidewalk", "other_ground", "building", "fence", "vegetation", "trunk", "terrain", "pole",
    "traffic_sign",
)  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.write_odometry(tmp_path_factory.mktemp("mit Lücken und 日本語"))


@pytest.fixture(scope="session")
def simulated_kitti(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One drive of four frames with two cameras of 310 x 94 pixels, and exact/. Do not write into it."""
    folder, lock = shared_between_workers(tmp_path_factory, "simulated_kitti")
    with lock:
        simulate(
            folder,
            SimulateConfig(
                scenes=1,
                keyframes=4,
                format="kitti",
                rig="kitti",
                town=("euro",),
                weather=("overcast",),
                image_width_px=310,
                image_height_px=94,
                samples_per_pixel=0,
                seed=5,
            ),
        )
    return folder


def some_points(count: int = 500) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(3).uniform(-30, 30, (count, 3)))


def through(matrix: np.ndarray, points: torch.Tensor) -> torch.Tensor:
    return points @ torch.from_numpy(matrix[:3, :3]).T + torch.from_numpy(matrix[:3, 3].copy())


def test_it_is_a_dataset_of_sequences(root: Path) -> None:
    dataset = open_dataset(root)
    assert isinstance(dataset, Dataset)
    assert (dataset.name, dataset.class_names) == ("SemanticKITTI", CLASSES)
    assert dataset.split_names == ("train", "val", "all")  # 00 is for training, 08 for validation
    assert [sequence.name for sequence in dataset.sequences("train")] == ["00"]
    assert [sequence.name for sequence in dataset.sequences("val")] == ["08"]
    for every in (None, "all"):
        assert [sequence.name for sequence in dataset.sequences(every)] == ["00", "08"]
    sequence = dataset.sequences("val")[0]
    assert isinstance(sequence, Sequence)
    assert list(sequence.tokens) == [f"08/{scan:06d}" for scan in range(made.SCANS)]
    assert list(sequence.timestamps_ns) == [500_000_000 * scan for scan in range(made.SCANS)]


@pytest.mark.parametrize("below", ["sequences", "dataset/sequences", "."])
def test_sequences_are_found_where_people_have_them(below: str, root: Path, tmp_path: Path) -> None:
    (tmp_path / below).parent.mkdir(exist_ok=True)
    shutil.copytree(root / "sequences", tmp_path / below, dirs_exist_ok=True)
    assert [sequence.name for sequence in open_dataset(tmp_path).sequences()] == ["00", "08"]


def test_every_number_arrives(root: Path) -> None:
    for drive, sequence in enumerate(open_dataset(root).sequences()):
        for scan in range(len(sequence)):
            frame = sequence.frame(scan)
            assert (frame.token, frame.index, frame.sequence) == (sequence.tokens[scan], scan, sequence.name)
            written = torch.from_numpy(made.points(drive, scan))
            assert torch.equal(frame.sweep.points_lidar, written[:, :3])
            assert torch.equal(frame.sweep.intensity, written[:, 3])
            assert frame.read_labels().tolist() == [CLASS_OF_ID[int(i)] for i in made.label_ids(drive, scan)]
            assert [image.name for image in frame.images] == ["image_2", "image_3"]
            for image in frame.images:
                assert torch.equal(image.read_pixels(), torch.from_numpy(made.pixels(scan)).permute(2, 0, 1))


def test_points_meet_pixels_as_the_matrices_say(root: Path) -> None:
    """P Tr x, as KITTI's readme has it, with nothing of ours."""
    points = some_points()
    frame = open_dataset(root).sequences()[0].frame(2)
    for image, baseline_m in zip(frame.images, (0.0, 0.54), strict=True):
        homogeneous = np.concatenate([points.numpy(), np.ones((len(points), 1))], axis=1)
        pixel = homogeneous @ made.CAM0_FROM_LIDAR.T @ np.vstack([made.projection(baseline_m), [0, 0, 0, 1]]).T
        ours, depth_m = image.camera.project(
            (image.world_from_cam.inverse() @ frame.sweep.world_from_lidar).apply(points)
        )
        ahead = depth_m > 0.5
        assert int(ahead.sum()) > 100
        assert np.allclose(depth_m, pixel[:, 2], atol=1e-9)
        assert np.allclose(ours[ahead], (pixel[:, :2] / pixel[:, 2:3])[ahead], atol=1e-6)


def test_poses_of_the_camera_become_poses_of_the_lidar(root: Path) -> None:
    points = some_points()
    sequence = open_dataset(root).sequences()[1]
    for scan in range(len(sequence)):
        sweep = sequence.frame(scan).sweep
        wanted = through(made.world_from_lidar(scan), points)
        assert torch.allclose(sweep.world_from_lidar.apply(points), wanted, atol=1e-9)


def test_poses_may_lie_in_kitti_s_folder_of_poses(tmp_path: Path) -> None:
    root = made.write_odometry(tmp_path, ("00",))
    (root / "poses").mkdir()
    (root / "sequences" / "00" / "poses.txt").rename(root / "poses" / "00.txt")
    sweep = open_dataset(root).sequences()[0].frame(3).sweep
    assert torch.allclose(sweep.world_from_lidar.matrix(), torch.from_numpy(made.world_from_lidar(3)), atol=1e-9)


def test_poses_with_times_are_the_lidar_s_own(tmp_path: Path) -> None:
    root = made.write_odometry(tmp_path, ("00",))
    (root / "sequences" / "00" / "poses.txt").write_text(
        "# time x y z qx qy qz qw\n0.0 0 0 0 0 0 0 1\n2.0 4 0 0 0 0 0 1\n"
    )
    with pytest.raises(ValueError, match=r"poses\.txt has no pose for 0\.500000000 s"):
        open_dataset(root).sequences()
    rows = "".join(f"{0.5 * scan:.1f} {scan} 0 0 0 0 0 1\n" for scan in range(made.SCANS))
    (root / "sequences" / "00" / "poses.txt").write_text(rows)
    sequence = open_dataset(root).sequences()[0]
    assert [sequence.frame(scan).sweep.world_from_lidar.translation_m.tolist() for scan in range(4)] == [
        [0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0],
    ]  # fmt: skip


def test_a_part_of_a_sequence_keeps_its_poses(tmp_path: Path) -> None:
    """Scans 1 and 3 of a full calibration: lines go by the numbers of the scans."""
    root = made.write_odometry(tmp_path, ("05",))
    for scan in (0, 2):
        (root / "sequences" / "05" / "velodyne" / f"{scan:06d}.bin").unlink()
    sequence = open_dataset(root, at_gap="split").sequences()
    assert [list(part.tokens) for part in sequence] == [["05/000001", "05/000003"]]
    sweep = sequence[0].frame(1).sweep
    assert sweep.timestamp_ns == 1_500_000_000
    assert torch.allclose(sweep.world_from_lidar.matrix(), torch.from_numpy(made.world_from_lidar(3)), atol=1e-9)


def test_scans_without_times_are_a_tenth_of_a_second_apart(tmp_path: Path) -> None:
    root = made.write_odometry(tmp_path, ("00",))
    (root / "sequences" / "00" / "times.txt").unlink()
    assert list(open_dataset(root).sequences()[0].timestamps_ns) == [0, 100_000_000, 200_000_000, 300_000_000]


def test_without_labels_or_images_there_are_none(tmp_path: Path) -> None:
    root = made.write_odometry(tmp_path, ("11",), images=())
    shutil.rmtree(root / "sequences" / "11" / "labels")
    dataset = open_dataset(root)
    assert dataset.split_names == ("test", "all")
    frame = dataset.sequences("test")[0].frame(0)
    assert frame.images == ()
    assert frame.read_labels is None


def test_grey_images_serve_where_there_is_no_colour(tmp_path: Path) -> None:
    frame = open_dataset(made.write_odometry(tmp_path, ("00",), images=("image_0", "image_1"))).sequences()[0].frame(0)
    assert [image.name for image in frame.images] == ["image_0", "image_1"]


def test_intensities_up_to_255_are_scaled(tmp_path: Path) -> None:
    root = made.write_odometry(tmp_path, ("00",))
    bright = made.points(0, 0)
    bright[:, 3] *= 255
    bright.tofile(root / "sequences" / "00" / "velodyne" / "000000.bin")
    frame = open_dataset(root).sequences()[0].frame(0)
    assert torch.allclose(frame.sweep.intensity, torch.from_numpy(made.points(0, 0)[:, 3]), atol=1e-6)


def test_without_poses_it_is_refused(tmp_path: Path) -> None:
    root = made.write_odometry(tmp_path)
    (root / "sequences" / "08" / "poses.txt").unlink()
    dataset = open_dataset(root)
    assert len(dataset.sequences("train")) == 1
    with pytest.raises(ValueError, match=r"08/poses\.txt is missing.*compute them with: lima odometry "):
        dataset.sequences("val")
    assert isinstance(dataset, ScanDataset)
    (drive,) = dataset.drives("val")  # but the points are there for whoever computes the poses
    assert not drive.has_poses
    assert torch.equal(drive.scan(1).points_lidar, torch.from_numpy(made.points(1, 1)[:, :3]))
    with pytest.raises(ValueError, match="lima odometry"):
        drive.frame(0)


def test_gaps_are_said_or_split_at(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = made.write_odometry(tmp_path, ("00",))
    (root / "sequences" / "00" / "times.txt").write_text("0\n0.1\n1.2\n1.3\n")
    with pytest.raises(ValueError, match=r"00 has 1\.10 s between 00/000001 and 00/000002.*--at-gap split"):
        open_dataset(root).sequences()
    with caplog.at_level(logging.WARNING):
        parts = open_dataset(root, at_gap="split").sequences()
    assert [part.name for part in parts] == ["00 part 1", "00 part 2"]
    assert [token for part in parts for token in part.tokens] == [f"00/{scan:06d}" for scan in range(4)]
    assert "split there" in caplog.text


def test_one_s_own_splits_go_before_the_official_ones(root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    (copy / "splits.json").write_text('{"train": ["08"], "street": ["00", "08"]}')
    dataset = open_dataset(copy)
    assert dataset.split_names == ("train", "street", "all")
    assert [sequence.name for sequence in dataset.sequences("train")] == ["08"]
    (copy / "splits.json").write_text('{"train": ["03"]}')
    with pytest.raises(ValueError, match=r"splits\.json lists '03' in 'train', but .* has no such drive"):
        open_dataset(copy)


def test_the_learning_map_is_the_official_one() -> None:
    ours = label_map("semantic_kitti")
    assert ours.class_names == CLASSES
    assert {label: int(ours.class_of_id[label]) for label in ours.ids} == CLASS_OF_ID


def test_moving_things_can_be_kept_apart(root: Path) -> None:
    dataset = ScanDataset(SEMANTIC_KITTI, root, labels="semantic_kitti_moving")
    assert len(dataset.class_names) == 26
    assert dataset.class_names[20:] == (
        "moving_car", "moving_bicyclist", "moving_person", "moving_motorcyclist", "moving_other_vehicle",
        "moving_truck",
    )  # fmt: skip
    wanted = CLASS_OF_ID | MOVING
    labels = dataset.sequences("train")[0].frame(0).read_labels()
    assert labels.tolist() == [wanted[int(label)] for label in made.label_ids(0, 0)]
    assert 20 in labels
    ours = label_map("semantic_kitti_moving")
    assert {label: int(ours.class_of_id[label]) for label in ours.ids} == wanted
    with pytest.raises(ValueError, match="has label maps semantic_kitti, semantic_kitti_moving, not 'coarse'"):
        ScanDataset(SEMANTIC_KITTI, root, labels="coarse")


def test_frames_can_be_sent_to_other_processes(root: Path) -> None:
    sequence = pickle.loads(pickle.dumps(open_dataset(root).sequences()[1]))
    frame: Frame = pickle.loads(pickle.dumps(sequence.frame(1)))
    assert frame.token == "08/000001"
    assert frame.read_labels().shape == (made.POINTS,)
    assert frame.images[0].read_pixels().shape == (3, made.HEIGHT_PX, made.WIDTH_PX)


def general_classes() -> dict[int, set[int]]:
    """Of every id of SemanticKITTI the nuScenes classes that the simulator's exact answers may name it by."""
    found: dict[int, set[int]] = {}
    for ids in (KITTI_FROM_SEMANTIC, KITTI_MOVING_FROM_SEMANTIC):
        for label, general in zip(ids.tolist(), NUSCENES_FROM_SEMANTIC.tolist(), strict=True):
            found.setdefault(CLASS_OF_ID[label], set()).add(general)
    return found


def test_simulated_points_fall_on_their_class(simulated_kitti: Path) -> None:
    """Through our poses and cameras to the pixel; what lies there the simulator knows."""
    general = general_classes()
    sequence = open_dataset(simulated_kitti).sequences()[0]
    agree = total = cars = 0
    for index in range(len(sequence)):
        frame = sequence.frame(index)
        labels = frame.read_labels()
        exact = np.load(simulated_kitti / "exact" / "00" / f"{index:03d}.npz")
        for image in frame.images:
            cam_from_lidar = image.world_from_cam.inverse() @ frame.sweep.world_from_lidar
            uv, depth_m = image.camera.project(cam_from_lidar.apply(frame.sweep.points_lidar))
            seen = image.camera.sees(uv, depth_m)
            seen &= torch.from_numpy(exact["seen"][exact["cameras"].tolist().index(image.name)])
            column, row = uv[seen].round().long().unbind(dim=1)
            there_m = exact[f"{image.name}_depth_cm"][row, column] / 100
            shown = np.abs(there_m - depth_m[seen].numpy()) < 0.5 + 0.02 * depth_m[seen].numpy()
            classes = exact[f"{image.name}_class"][row, column][shown]
            ours = labels[seen][torch.from_numpy(shown)].tolist()
            agree += sum(int(there) in general[label] for there, label in zip(classes, ours, strict=True))
            total += len(ours)
            cars += ours.count(1)
    assert total > 20_000
    assert cars > 100
    assert agree / total > 0.99


def test_simulated_files_arrive_as_they_are(simulated_kitti: Path) -> None:
    sequence = open_dataset(simulated_kitti).sequences("train")[0]
    folder = simulated_kitti / "sequences" / "00"
    assert np.allclose(np.array(sequence.timestamps_ns) * 1e-9, np.loadtxt(folder / "times.txt"))
    for index in range(len(sequence)):
        frame = sequence.frame(index)
        rows = np.fromfile(folder / "velodyne" / f"{index:06d}.bin", np.float32).reshape(-1, 4)
        assert np.array_equal(frame.sweep.points_lidar, rows[:, :3])
        assert np.array_equal(frame.sweep.intensity, rows[:, 3])
        ids = np.fromfile(folder / "labels" / f"{index:06d}.label", np.uint32) & 0xFFFF
        assert frame.read_labels().tolist() == [CLASS_OF_ID[label] for label in ids.tolist()]


def nearest_m(places: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """From some of the places the distance to the nearest of the others."""
    some = places[:: max(1, len(places) // 400)]
    return torch.cdist(some, others).min(dim=1).values


def test_standing_things_stay_where_they_are(simulated_kitti: Path) -> None:
    """Buildings of the last frame meet those of the first in the world, and do not where the LiDAR stood."""
    sequence = open_dataset(simulated_kitti).sequences()[0]
    first, last = sequence.frame(0), sequence.frame(len(sequence) - 1)
    wall = CLASSES.index("building")
    walls = [frame.sweep.points_lidar[frame.read_labels() == wall] for frame in (first, last)]
    places = [frame.sweep.world_from_lidar.apply(points) for frame, points in zip((first, last), walls, strict=True)]
    assert float(nearest_m(places[1], places[0]).median()) < 0.3
    assert float(nearest_m(walls[1], walls[0]).median()) > 1.4 * float(nearest_m(places[1], places[0]).median())


def test_the_recorded_sequence_opens() -> None:
    dataset = open_dataset(shared_folder("data/semantic-kitti"))
    assert (dataset.name, dataset.split_names) == ("SemanticKITTI", ("train", "all"))
    (sequence,) = dataset.sequences("train")
    assert list(sequence.tokens) == ["00/000000", "00/000001", "00/000002"]
    frames = [sequence.frame(index) for index in range(3)]
    assert [len(frame.sweep.points_lidar) for frame in frames] == [124668, 124605, 124478]  # of the label files
    labels = frames[0].read_labels()
    assert len(labels) == 124668
    ground = frames[0].sweep.points_lidar[labels == CLASSES.index("road"), 2]
    assert -1.9 < float(ground.median()) < -1.5  # the LiDAR sits 1.73 m above the ground
    # the road meets itself in the world, and a car that drives forward moves along x
    assert 1.2 < float(frames[2].sweep.world_from_lidar.translation_m[0]) < 1.6
    walls = [frame.sweep.points_lidar[frame.read_labels() == CLASSES.index("building")] for frame in frames]
    places = [frame.sweep.world_from_lidar.apply(points) for frame, points in zip(frames, walls, strict=True)]
    assert float(nearest_m(places[2], places[0]).median()) < 0.6 * float(nearest_m(walls[2], walls[0]).median())


def test_scans_named_by_something_else_than_their_number_go_by_their_place(tmp_path: Path) -> None:
    root = made.write_odometry(tmp_path, ("00",), images=())
    sequence = root / "sequences" / "00"
    before = [frame.sweep for frame in map(open_dataset(root).sequences()[0].frame, range(made.SCANS))]
    (sequence / "times.txt").unlink()
    for folder in ("velodyne", "labels"):
        for scan, path in enumerate(sorted((sequence / folder).iterdir())):
            path.rename(path.with_stem(f"{made.FIRST_S + scan}000000000"))
    (drive,) = open_dataset(root).sequences()
    assert list(drive.timestamps_ns) == [0, 100_000_000, 200_000_000, 300_000_000]
    for index, sweep in enumerate(before):
        found = drive.frame(index).sweep
        assert torch.equal(found.points_lidar, sweep.points_lidar)
        assert torch.equal(found.world_from_ego.matrix(), sweep.world_from_ego.matrix())
