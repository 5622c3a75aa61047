"""Oracle: a dataset made by hand, and the official nuscenes-devkit on it and on a recorded drive."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lima.datasets import open_dataset
from lima.datasets.labels import BOX_CLASS_NAMES, CLASS_NAMES, CLASS_OF_CATEGORY
from lima.datasets.nuscenes import NuScenes
from lima.scene import Dataset, Frame, Sequence
from tests.datasets import hand_made
from tests.shared import shared_folder

LABEL_OF_ID = {0: 0, 1: 0, 2: 7, 17: 4, 26: 13}  # REFERENCE: 2 pedestrian 7, 17 car 4, 26 sidewalk 13, the rest 0


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hand_made.write_dataset(tmp_path_factory.mktemp("hand-made"))


@pytest.fixture(scope="module", params=["hand-made", "recorded"])
def both_roots(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "recorded":
        return shared_folder("data/nuscenes-scene-0523")
    return hand_made.write_dataset(tmp_path_factory.mktemp("oracle"))


def devkit(root: Path):
    nuscenes = pytest.importorskip("nuscenes.nuscenes", reason="the official nuscenes-devkit is not installed")
    return nuscenes.NuScenes(version="v1.0-mini", dataroot=str(root), verbose=False)


def test_it_is_a_dataset_of_sequences(root: Path) -> None:
    dataset = open_dataset(root)
    assert isinstance(dataset, Dataset)
    assert dataset.name == "nuScenes v1.0-mini"
    assert dataset.class_names == CLASS_NAMES
    assert len(CLASS_NAMES) == 17
    assert dataset.split_names == ("train", "val", "all")  # scene-0061 is mini_train, scene-0103 mini_val
    assert [sequence.name for sequence in dataset.sequences("train")] == ["scene-0061"]
    assert [sequence.name for sequence in dataset.sequences("val")] == ["scene-0103"]
    for every in (None, "all"):
        assert [sequence.name for sequence in dataset.sequences(every)] == ["scene-0061", "scene-0103"]
    assert all(isinstance(sequence, Sequence) for sequence in dataset.sequences())


def test_frames_follow_in_the_lidar_s_time(root: Path) -> None:
    for scene, sequence in enumerate(open_dataset(root).sequences()):
        assert list(sequence.tokens) == [hand_made.sample_token(scene, keyframe) for keyframe in range(4)]
        first_ns = (hand_made.FIRST_US + 60_000_000 * scene) * 1000
        assert list(sequence.timestamps_ns) == [first_ns + 500_000_000 * keyframe for keyframe in range(4)]
        for index in range(len(sequence)):
            frame = sequence.frame(index)
            assert (frame.token, frame.index, frame.sequence) == (sequence.tokens[index], index, sequence.name)
            assert frame.sweep.timestamp_ns == sequence.timestamps_ns[index]


def test_a_frame_has_what_the_files_hold(root: Path) -> None:
    for scene, sequence in enumerate(open_dataset(root).sequences()):
        for keyframe in range(4):
            frame = sequence.frame(keyframe)
            written = torch.from_numpy(hand_made.points(scene, keyframe))
            assert torch.equal(frame.sweep.points_lidar, written[:, :3])
            assert torch.equal(frame.sweep.intensity, written[:, 3] / 255)
            assert torch.equal(frame.sweep.ring, written[:, 4].long())
            assert [image.name for image in frame.images] == ["CAM_FRONT", "CAM_BACK"]
            for image in frame.images:
                wanted = torch.from_numpy(hand_made.pixels(scene, keyframe)).permute(2, 0, 1)
                assert int((image.read_pixels().int() - wanted.int()).abs().max()) <= 3  # JPEG
                assert (image.camera.fx_px, image.camera.fy_px) == (40, 41)
                assert (image.camera.cx_px, image.camera.cy_px) == (31.5, 23.5)
            wanted = [LABEL_OF_ID[int(label)] for label in hand_made.label_ids(scene, keyframe)]
            assert frame.read_labels().tolist() == wanted


def test_absent_sensors_are_left_out(tmp_path: Path) -> None:
    def lose_one_image(tables: hand_made.Tables) -> None:
        lost = hand_made.data_token(0, 2, "CAM_FRONT")
        tables["sample_data"] = [row for row in tables["sample_data"] if row["token"] != lost]

    sequence = open_dataset(hand_made.write_dataset(tmp_path, lose_one_image)).sequences()[0]
    assert [len(sequence.frame(index).images) for index in range(4)] == [2, 2, 1, 2]
    assert sequence.frame(2).images[0].name == "CAM_BACK"


def test_further_cameras_come_after_nuscenes_six(tmp_path: Path) -> None:
    def rename_cameras(tables: hand_made.Tables) -> None:
        for row in tables["sensor"]:
            row["channel"] = {"CAM_FRONT": "CAM_A", "CAM_BACK": "CAM_BACK_LEFT"}.get(row["channel"], row["channel"])

    frame = open_dataset(hand_made.write_dataset(tmp_path, rename_cameras)).sequences()[0].frame(0)
    assert [image.name for image in frame.images] == ["CAM_BACK_LEFT", "CAM_A"]


def test_frames_can_be_sent_to_other_processes(root: Path) -> None:
    sequence = pickle.loads(pickle.dumps(open_dataset(root).sequences()[1]))
    frame: Frame = pickle.loads(pickle.dumps(sequence.frame(1)))
    assert frame.token == hand_made.sample_token(1, 1)
    assert frame.read_labels().shape == (400,)
    assert frame.images[0].read_pixels().shape == (3, hand_made.HEIGHT_PX, hand_made.WIDTH_PX)


def some_frames(root: Path) -> list[Frame]:
    return [s.frame(i) for s in open_dataset(root).sequences() for i in {0, len(s) // 2, len(s) - 1}]


def test_points_meet_pixels_where_the_devkit_puts_them(both_roots: Path) -> None:
    official = devkit(both_roots)
    from nuscenes.utils.geometry_utils import view_points

    for frame in some_frames(both_roots)[:4]:
        data = official.get("sample", frame.token)["data"]
        for image in frame.images:
            points_cam, calibration = points_in_camera(official, data["LIDAR_TOP"], data[image.name])
            cam_from_lidar = image.world_from_cam.inverse() @ frame.sweep.world_from_lidar
            ours = cam_from_lidar.apply(frame.sweep.points_lidar.double())
            assert torch.allclose(ours, torch.from_numpy(points_cam.T), atol=1e-4)
            uv, _ = image.camera.project(ours)
            theirs = view_points(ours.numpy().T, np.array(calibration["camera_intrinsic"]), normalize=True)[:2].T
            in_front = ours[:, 2] > 1
            assert torch.allclose(uv[in_front], torch.from_numpy(theirs)[in_front], atol=1e-6)


def points_in_camera(official, lidar_token: str, camera_token: str):
    """The steps of nuscenes-devkit's `map_pointcloud_to_image`, made of its own parts."""
    from nuscenes.utils.data_classes import LidarPointCloud
    from pyquaternion import Quaternion

    lidar, camera = official.get("sample_data", lidar_token), official.get("sample_data", camera_token)
    cloud = LidarPointCloud.from_file(str(Path(official.dataroot) / lidar["filename"]))
    calibration = official.get("calibrated_sensor", lidar["calibrated_sensor_token"])
    cloud.rotate(Quaternion(calibration["rotation"]).rotation_matrix)
    cloud.translate(np.array(calibration["translation"]))
    pose = official.get("ego_pose", lidar["ego_pose_token"])
    cloud.points = cloud.points.astype(np.float64)  # in float32 the world is only known to a tenth of a millimetre
    cloud.rotate(Quaternion(pose["rotation"]).rotation_matrix)
    cloud.translate(np.array(pose["translation"]))
    pose = official.get("ego_pose", camera["ego_pose_token"])
    cloud.translate(-np.array(pose["translation"]))
    cloud.rotate(Quaternion(pose["rotation"]).rotation_matrix.T)
    calibration = official.get("calibrated_sensor", camera["calibrated_sensor_token"])
    cloud.translate(-np.array(calibration["translation"]))
    cloud.rotate(Quaternion(calibration["rotation"]).rotation_matrix.T)
    return cloud.points[:3], calibration


def test_boxes_and_velocities_are_the_devkit_s(both_roots: Path) -> None:
    official = devkit(both_roots)
    compared = 0
    for frame in some_frames(both_roots):
        names = official.get("sample", frame.token)["anns"]
        boxes = frame.read_boxes()
        assert len(boxes) == len(names)
        for box, name in enumerate(names):
            theirs = official.get_box(name)
            assert boxes.centres_m[box].tolist() == theirs.center.tolist()
            assert boxes.sizes_m[box].tolist() == theirs.wlh[[1, 0, 2]].tolist()
            assert np.allclose(boxes.rotations[box], theirs.rotation_matrix, atol=1e-9)
            velocity = official.box_velocity(name)
            assert np.allclose(boxes.velocities_mps[box], velocity, atol=1e-4, equal_nan=True)  # their times are floats
            annotation = official.get("sample_annotation", name)
            assert boxes.categories[box] == annotation["category_name"]
            assert boxes.instances[box] == annotation["instance_token"]
            compared += int(np.isfinite(velocity).all())
    assert compared > 0


@pytest.mark.parametrize("gap_us", [900_000, 1_200_000, 2_400_000])
def test_velocities_across_a_gap_are_the_devkit_s(gap_us: int, tmp_path: Path) -> None:
    """Central differences may span 3 s, one-sided ones 1.5 s; beyond that there is no velocity."""

    def late_and_cut(tables: hand_made.Tables) -> None:
        for row in (*tables["sample"], *tables["sample_data"]):
            if 2 * hand_made.STEP_US <= row["timestamp"] - hand_made.FIRST_US < 10 * hand_made.STEP_US:
                row["timestamp"] += gap_us
        (car,) = (row for row in tables["sample_annotation"] if row["token"] == hand_made.token("annotation", 0, 0, 1))
        car["prev"] = ""

    root = hand_made.write_dataset(tmp_path, late_and_cut)
    official, known = devkit(root), []
    for sequence in open_dataset(root, at_gap="split").sequences("train"):
        for index in range(len(sequence)):
            frame = sequence.frame(index)
            wanted = [official.box_velocity(name) for name in official.get("sample", frame.token)["anns"]]
            assert np.allclose(frame.read_boxes().velocities_mps, wanted, atol=1e-4, equal_nan=True)
            known.append(bool(np.isfinite(wanted[0]).all()))
    assert (
        known
        == {900_000: [True] * 4, 1_200_000: [True, False, True, True], 2_400_000: [True, False, False, True]}[gap_us]
    )


def test_points_in_boxes_are_the_devkit_s(both_roots: Path) -> None:
    official = devkit(both_roots)
    from nuscenes.utils.geometry_utils import points_in_box

    frame = some_frames(both_roots)[1]
    points_world = frame.sweep.world_from_lidar.apply(frame.sweep.points_lidar.double())
    boxes = frame.read_boxes()
    ours = boxes.contain(points_world)
    for box, name in enumerate(official.get("sample", frame.token)["anns"]):
        theirs = points_in_box(official.get_box(name), points_world.numpy().T)
        assert int((ours[box].numpy() != theirs).sum()) == 0


def test_the_recorded_boxes_hold_the_points_that_their_annotators_counted() -> None:
    """Our points in our boxes, all through the world, against `num_lidar_pts`: says that poses and boxes are right."""
    root = shared_folder("data/nuscenes-scene-0523")
    rows = json.loads((root / "v1.0-mini" / "sample_annotation.json").read_text())
    (sequence,) = open_dataset(root).sequences()
    for index in (0, 17, 39):
        frame = sequence.frame(index)
        points_world = frame.sweep.world_from_lidar.apply(frame.sweep.points_lidar.double())
        counted = [row["num_lidar_pts"] for row in rows if row["sample_token"] == frame.token]
        assert frame.read_boxes().contain(points_world).sum(dim=1).tolist() == counted


def test_simulated_drives_read_as_recorded_ones(simulated_nuscenes: Path) -> None:
    dataset = open_dataset(simulated_nuscenes)
    assert dataset.split_names == ("train", "val", "all")
    official = devkit(simulated_nuscenes)
    vehicle_points = near_own_box = 0
    for sequence in dataset.sequences():
        for index in range(len(sequence)):
            frame = sequence.frame(index)
            names = official.get("sample", frame.token)["anns"]
            boxes, labels = frame.read_boxes(), frame.read_labels()
            assert [len(image.read_pixels()) for image in frame.images] == [3] * 6
            points_world = frame.sweep.world_from_lidar.apply(frame.sweep.points_lidar.double())
            inside = boxes.contain(points_world)
            wanted = [official.get("sample_annotation", name)["num_lidar_pts"] for name in names]
            assert inside.sum(dim=1).tolist() == wanted
            near = replace(boxes, sizes_m=boxes.sizes_m + 1.0).contain(points_world)
            classes = torch.tensor([CLASS_NAMES.index(CLASS_OF_CATEGORY[name]) for name in boxes.categories])
            of_vehicles = (labels == CLASS_NAMES.index("car")) | (labels == CLASS_NAMES.index("truck"))
            vehicle_points += int(of_vehicles.sum())
            near_own_box += int((of_vehicles & (near & (classes[:, None] == labels)).any(dim=0)).sum())
    assert vehicle_points > 1000
    assert near_own_box > 0.97 * vehicle_points  # half a metre is what a vehicle moves while the LiDAR turns


def test_labels_are_the_devkit_s(root: Path) -> None:
    official = devkit(root)
    from nuscenes.eval.lidarseg.utils import LidarsegClassMapper
    from nuscenes.utils.data_io import load_bin_file

    mapper = LidarsegClassMapper.__new__(LidarsegClassMapper)  # its constructor wants all 32 categories
    mapper.ignore_class = mapper.get_ignore_class()
    name_of_id = {row["index"]: row["name"] for row in official.category}
    index_of_name = mapper.get_coarse2idx()
    for frame in some_frames(root):
        lidar = official.get("sample", frame.token)["data"]["LIDAR_TOP"]
        ids = load_bin_file(str(root / official.get("lidarseg", lidar)["filename"]), "lidarseg")
        wanted = [index_of_name[mapper.get_fine2coarse()[name_of_id[label]]] for label in ids]
        assert frame.read_labels().tolist() == wanted


def test_without_lidarseg_classes_come_from_boxes(tmp_path: Path) -> None:
    dataset = NuScenes(hand_made.write_dataset(tmp_path, without=("lidarseg",)))
    assert dataset.label_source == "boxes"
    assert dataset.class_names == BOX_CLASS_NAMES
    assert dataset.class_names[-1] == "background"
    frame = dataset.sequences()[0].frame(0)
    inside = frame.read_boxes().contain(frame.sweep.world_from_lidar.apply(frame.sweep.points_lidar.double()))
    labels = frame.read_labels()
    assert bool((labels[~inside.any(dim=0)] == BOX_CLASS_NAMES.index("background")).all())


def test_without_boxes_and_lidarseg_there_are_no_labels(tmp_path: Path) -> None:
    def lose_boxes(tables: hand_made.Tables) -> None:
        tables["sample_annotation"], tables["instance"] = [], []

    dataset = NuScenes(hand_made.write_dataset(tmp_path, lose_boxes, without=("lidarseg",)))
    assert dataset.label_source == "none"
    frame = dataset.sequences()[0].frame(0)
    assert frame.read_labels is None
    assert frame.read_boxes is None


def test_the_recorded_drive_opens() -> None:
    dataset = open_dataset(shared_folder("data/nuscenes-scene-0523"))
    (sequence,) = dataset.sequences("val")  # scene-0523 is in the official validation split
    assert dataset.split_names == ("val", "all")
    assert len(sequence) == 40
    steps_ns = np.diff(np.array(sequence.timestamps_ns))
    assert steps_ns.min() > 0.4e9
    assert steps_ns.max() < 0.7e9
    frame = sequence.frame(0)
    assert [image.name for image in frame.images] == [
        "CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_RIGHT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_FRONT_LEFT",
    ]  # fmt: skip
    assert frame.images[0].read_pixels().shape == (3, 900, 1600)


def test_versions_are_chosen(tmp_path: Path) -> None:
    root = hand_made.write_dataset(tmp_path)
    hand_made.write_tables(root / "v1.0-town", hand_made.tables())
    with pytest.raises(ValueError, match=r"several versions, v1\.0-mini, v1\.0-town: name the one you mean"):
        open_dataset(root)
    assert open_dataset(root / "v1.0-town").name == "nuScenes v1.0-town"
    hand_made.write_tables(root / "v1.0-trainval", hand_made.tables())
    assert open_dataset(root).name == "nuScenes v1.0-trainval"
