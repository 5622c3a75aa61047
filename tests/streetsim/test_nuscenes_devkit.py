"""Oracle: the official nuscenes-devkit, which opens simulated drives as it opens recorded ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from nuscenes.nuscenes import NuScenes
from nuscenes.utils.data_classes import LidarPointCloud
from nuscenes.utils.geometry_utils import points_in_box, view_points
from nuscenes.utils.splits import create_splits_scenes, get_scenes_of_custom_split
from pyquaternion import Quaternion

from streetsim.config import SimulateConfig
from streetsim.nuscenes_names import choose_names
from streetsim.semantics import NUSCENES_CATEGORIES
from streetsim.simulate import simulate

mpl.use("Agg")
# the devkit leaves the image files that it opens for the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")

TABLES = (
    *("attribute", "calibrated_sensor", "category", "ego_pose", "instance", "log", "map", "sample"),
    *("sample_annotation", "sample_data", "scene", "sensor", "visibility"),
)
LINKS = {
    "calibrated_sensor": {"sensor_token": "sensor"},
    "instance": {
        "category_token": "category",
        "first_annotation_token": "sample_annotation",
        "last_annotation_token": "sample_annotation",
    },
    "sample": {"scene_token": "scene"},
    "sample_annotation": {
        "sample_token": "sample",
        "instance_token": "instance",
        "visibility_token": "visibility",
    },
    "sample_data": {
        "sample_token": "sample",
        "ego_pose_token": "ego_pose",
        "calibrated_sensor_token": "calibrated_sensor",
    },
    "scene": {"log_token": "log", "first_sample_token": "sample", "last_sample_token": "sample"},
    "lidarseg": {"sample_data_token": "sample_data"},
}
CAMERAS = ("CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_RIGHT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_FRONT_LEFT")


@pytest.fixture(scope="module")
def devkit(simulated_nuscenes: Path) -> NuScenes:
    return NuScenes("v1.0-mini", str(simulated_nuscenes), verbose=False)


def keyframes(devkit: NuScenes) -> Iterator[tuple[dict, dict, int]]:
    for scene in devkit.scene:
        token, index = scene["first_sample_token"], 0
        while token:
            sample = devkit.get("sample", token)
            yield scene, sample, index
            token, index = sample["next"], index + 1


def labels_of(devkit: NuScenes, lidar_token: str) -> np.ndarray:
    return np.fromfile(Path(devkit.dataroot) / devkit.get("lidarseg", lidar_token)["filename"], np.uint8)


def test_all_tables_hang_together(devkit: NuScenes, simulated_nuscenes: Path) -> None:
    for table in TABLES:
        assert len(getattr(devkit, table)) > 0, table
    for table, links in LINKS.items():
        for record in getattr(devkit, table):
            for field, target in links.items():
                devkit.get(target, record[field])
    for table in ("sample", "sample_data", "sample_annotation"):
        for record in getattr(devkit, table):
            for field, back in (("next", "prev"), ("prev", "next")):
                if record[field]:
                    assert devkit.get(table, record[field])[back] == record["token"]
    for record in devkit.sample_annotation:
        for token in record["attribute_tokens"]:
            devkit.get("attribute", token)
    for record in [*devkit.sample_data, *devkit.map]:
        assert (simulated_nuscenes / record["filename"]).is_file()


def test_drives_have_the_asked_length_and_rhythm(devkit: NuScenes) -> None:
    for scene in devkit.scene:
        times = [sample["timestamp"] for own, sample, _ in keyframes(devkit) if own["token"] == scene["token"]]
        assert len(times) == scene["nbr_samples"] == 4
        assert set(np.diff(times)) == {500_000}
        assert scene["description"].split(", ")[1] in ("clear", "overcast")
    for instance in devkit.instance:
        token, count = instance["first_annotation_token"], 0
        while token:
            annotation = devkit.get("sample_annotation", token)
            assert annotation["instance_token"] == instance["token"]
            last, token, count = token, annotation["next"], count + 1
        assert (last, count) == (instance["last_annotation_token"], instance["nbr_annotations"])


def test_splits_under_our_names_and_under_the_official_ones(devkit: NuScenes) -> None:
    names = [scene["name"] for scene in devkit.scene]
    ours = {split: get_scenes_of_custom_split(split, devkit) for split in ("train", "val")}
    official = create_splits_scenes()
    assert sorted(ours["train"] + ours["val"]) == sorted(names)
    for split in ("train", "val"):
        assert ours[split] == [name for name in names if name in official[f"mini_{split}"]]
    assert [len(ours["train"]), len(ours["val"])] == [2, 1]


@pytest.mark.parametrize(("train", "val", "version"), [(8, 2, "mini"), (9, 1, "trainval"), (700, 150, "trainval")])
def test_names_follow_the_official_split_lists(train: int, val: int, version: str) -> None:
    names = choose_names(train, val)
    assert names.version == f"v1.0-{version}"
    official = create_splits_scenes()
    prefix = "mini_" if version == "mini" else ""
    assert list(names.train) == official[f"{prefix}train"][:train]
    assert list(names.val) == official[f"{prefix}val"][:val]


def test_beyond_the_official_lists_every_name_is_still_different() -> None:
    names = choose_names(900, 200)
    official = create_splits_scenes()
    assert len({*names.train, *names.val}) == 1100
    assert not set(names.train) & set(official["val"])


def projected(devkit: NuScenes, sample: dict, camera: str) -> tuple[np.ndarray, np.ndarray]:
    """Pixel positions and depths of all LiDAR points in a camera, by the devkit's chain through the world."""
    lidar = devkit.get("sample_data", sample["data"]["LIDAR_TOP"])
    image = devkit.get("sample_data", sample["data"][camera])
    points = LidarPointCloud.from_file(devkit.get_sample_data_path(lidar["token"])).points[:3].astype(np.float64)
    steps = [("calibrated_sensor", lidar, True), ("ego_pose", lidar, True)]
    for table, data, forwards in [*steps, ("ego_pose", image, False), ("calibrated_sensor", image, False)]:
        record = devkit.get(table, data[f"{table}_token"])
        rotation, shift = Quaternion(record["rotation"]).rotation_matrix, np.array(record["translation"])[:, None]
        points = rotation @ points + shift if forwards else rotation.T @ (points - shift)
    intrinsics = devkit.get("calibrated_sensor", image["calibrated_sensor_token"])["camera_intrinsic"]
    return view_points(points, np.array(intrinsics), normalize=True)[:2], points[2]


def test_points_that_a_camera_really_sees_have_the_class_of_their_pixel(
    devkit: NuScenes, simulated_nuscenes: Path
) -> None:
    seen_points = agree = shown_points = shown_agree = mapped = 0
    for scene, sample, index in keyframes(devkit):
        lidar_token = sample["data"]["LIDAR_TOP"]
        labels = labels_of(devkit, lidar_token)
        exact = np.load(simulated_nuscenes / "exact" / scene["name"] / f"{index:03d}.npz")
        assert set(exact["cameras"]) == set(CAMERAS)
        for camera, seen in zip(exact["cameras"], exact["seen"], strict=True):
            uv, depth_m = projected(devkit, sample, camera)
            classes = exact[f"{camera}_class"]
            height, width = classes.shape
            column, row = np.rint(uv).astype(int)
            inside = (depth_m > 1) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
            chosen = seen & inside
            same = classes[row[chosen], column[chosen]] == labels[chosen]
            pixel_depth_m = exact[f"{camera}_depth_cm"][row[chosen], column[chosen]] / 100
            # a point on a thinner thing than a pixel may be seen beside the ray through the pixel's centre
            shown = np.abs(pixel_depth_m - depth_m[chosen]) < 0.5 + 0.02 * depth_m[chosen]
            seen_points, agree = seen_points + len(same), agree + same.sum()
            shown_points, shown_agree = shown_points + shown.sum(), shown_agree + (same & shown).sum()
            mapped += inside.sum()
            theirs, _, _ = devkit.explorer.map_pointcloud_to_image(lidar_token, sample["data"][camera], min_dist=1.0)
            border = inside & (uv[0] > 1) & (uv[0] < width - 1) & (uv[1] > 1) & (uv[1] < height - 1)
            assert theirs.shape[1] == border.sum()
    assert mapped > 100_000
    assert 0.9 < seen_points / mapped < 0.99  # the others are hidden from the camera, not from the LiDAR
    assert agree / seen_points > 0.97  # at 224 x 126 pixels; 0.989 at 448 x 252
    assert shown_agree / shown_points > 0.99


def test_every_point_has_a_label_and_things_lie_in_their_boxes(devkit: NuScenes, simulated_nuscenes: Path) -> None:
    boxes_seen = in_box = on_things = 0
    for scene, sample, index in keyframes(devkit):
        lidar_token = sample["data"]["LIDAR_TOP"]
        path, boxes, _ = devkit.get_sample_data(lidar_token)
        points = LidarPointCloud.from_file(path).points
        assert points.shape[1] == len(labels_of(devkit, lidar_token))
        instance = np.load(simulated_nuscenes / "exact" / scene["name"] / f"{index:03d}.npz")["instance"]
        assert len(instance) == points.shape[1]
        inside_any = np.zeros(points.shape[1], bool)
        for box in boxes:
            annotation = devkit.get("sample_annotation", box.token)
            assert points_in_box(box, points[:3]).sum() == annotation["num_lidar_pts"]
            inside_any |= points_in_box(box, points[:3], wlh_factor=1.1)
            boxes_seen += 1
        in_box += (inside_any & (instance > 0)).sum()
        on_things += (instance > 0).sum()
    assert boxes_seen > 100
    assert in_box / on_things > 0.9  # things drive on while the LiDAR turns, for up to 50 ms


def test_lidarseg_classes_are_the_official_ones(devkit: NuScenes) -> None:
    assert [category["index"] for category in devkit.category] == list(range(32))
    assert [category["name"] for category in devkit.category] == list(NUSCENES_CATEGORIES)
    counts = devkit.get_sample_lidarseg_stats(devkit.sample[0]["token"])
    assert counts is None  # it prints them
    present = np.unique(np.concatenate([labels_of(devkit, s["data"]["LIDAR_TOP"]) for s in devkit.sample]))
    names = {NUSCENES_CATEGORIES[c] for c in present}
    assert {"flat.driveable_surface", "flat.sidewalk", "static.manmade", "static.vegetation", "vehicle.car"} <= names


def test_boxes_move_as_their_velocity_says(devkit: NuScenes) -> None:
    speeds = []
    for annotation in devkit.sample_annotation:
        velocity = devkit.box_velocity(annotation["token"])
        names = [devkit.get("attribute", token)["name"] for token in annotation["attribute_tokens"]]
        if np.isnan(velocity).any():
            continue
        speed = float(np.linalg.norm(velocity[:2]))
        speeds.append(speed)
        if names in (["vehicle.parked"], []):
            assert speed < 1e-6
    assert max(speeds) > 2.0
    assert max(speeds) < 25.0


def test_the_devkit_draws_it(devkit: NuScenes, tmp_path: Path) -> None:
    sample = devkit.sample[1]
    devkit.render_pointcloud_in_image(
        sample["token"], show_lidarseg=True, out_path=str(tmp_path / "points.png"), verbose=False
    )
    devkit.render_sample_data(sample["data"]["CAM_FRONT"], out_path=str(tmp_path / "boxes.png"), verbose=False)
    assert (tmp_path / "points.png").stat().st_size > 10_000
    assert (tmp_path / "boxes.png").stat().st_size > 10_000


def test_the_map_is_white_where_the_vehicle_drives(devkit: NuScenes) -> None:
    for scene in devkit.scene:
        log = devkit.get("log", scene["log_token"])
        mask = devkit.get("map", log["map_token"])["mask"]
        sample = devkit.get("sample", scene["first_sample_token"])
        pose = devkit.get("ego_pose", devkit.get("sample_data", sample["data"]["LIDAR_TOP"])["ego_pose_token"])
        x, y = pose["translation"][:2]
        assert mask.is_on_mask(np.array([x]), np.array([y])).all()


def test_sweeps_between_keyframes_are_linked_in_time(tmp_path: Path) -> None:
    config = SimulateConfig(
        scenes=1,
        keyframes=2,
        sweeps=4,
        town=("industrial",),
        weather=("rain",),
        image_width_px=32,
        image_height_px=18,
        samples_per_pixel=0,
        exact=False,
    )
    simulate(tmp_path / "out", config)
    assert not (tmp_path / "out" / "exact").exists()
    devkit = NuScenes("v1.0-mini", str(tmp_path / "out"), verbose=False)
    times, token = [], devkit.sample[0]["data"]["LIDAR_TOP"]
    while token:
        record = devkit.get("sample_data", token)
        times.append((record["timestamp"], record["is_key_frame"]))
        token = record["next"]
    assert [key for _, key in times] == [True, False, False, False, False, True]
    assert set(np.diff([time for time, _ in times])) == {100_000}
    points, lags = LidarPointCloud.from_file_multisweep(devkit, devkit.sample[1], "LIDAR_TOP", "LIDAR_TOP", nsweeps=5)
    assert len(np.unique(lags.round(3))) == 5
    assert points.points.shape[1] > 60_000
