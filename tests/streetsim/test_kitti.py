"""Oracle: SemanticKITTI's own description of its files, read by hand; the simulator's exact answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetsim.config import SimulateConfig
from streetsim.rigs import kitti_rig
from streetsim.semantics import KITTI_FROM_SEMANTIC, KITTI_MOVING_FROM_SEMANTIC, NUSCENES_FROM_SEMANTIC
from streetsim.simulate import simulate

WIDTH, HEIGHT = 310, 94
# classes of SemanticKITTI (both at rest and in motion) that the exact answers name by a class of nuScenes
NUSCENES_OF_KITTI: dict[int, set[int]] = {}
for labels in (KITTI_FROM_SEMANTIC, KITTI_MOVING_FROM_SEMANTIC):
    for kitti, general in zip(labels.tolist(), NUSCENES_FROM_SEMANTIC.tolist(), strict=True):
        NUSCENES_OF_KITTI.setdefault(kitti, set()).add(general)


@pytest.fixture(scope="module")
def sequence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("kitti") / "out"
    config = SimulateConfig(
        scenes=1,
        keyframes=3,
        format="kitti",
        rig="kitti",
        town=("euro",),
        weather=("overcast",),
        image_width_px=WIDTH,
        image_height_px=HEIGHT,
        samples_per_pixel=0,
        seed=5,
    )
    simulate(out, config)
    return out / "sequences" / "00"


def matrices(file: Path) -> dict[str, np.ndarray]:
    lines = file.read_text(encoding="utf-8").strip().splitlines()
    return {key: np.array(values.split(), float).reshape(3, 4) for key, values in (line.split(": ") for line in lines)}


def points_of(sequence: Path, index: int) -> tuple[np.ndarray, np.ndarray]:
    points = np.fromfile(sequence / "velodyne" / f"{index:06d}.bin", np.float32).reshape(-1, 4)
    return points, np.fromfile(sequence / "labels" / f"{index:06d}.label", np.uint32)


def test_files_are_those_of_the_format(sequence: Path) -> None:
    for folder, ending in (("velodyne", "bin"), ("labels", "label"), ("image_2", "png"), ("image_3", "png")):
        assert sorted(path.name for path in (sequence / folder).iterdir()) == [f"{i:06d}.{ending}" for i in range(3)]
    with Image.open(sequence / "image_2" / "000000.png") as image:
        assert image.size == (WIDTH, HEIGHT)
    np.testing.assert_allclose(np.loadtxt(sequence / "times.txt"), [0, 0.5, 1.0])
    assert set(matrices(sequence / "calib.txt")) == {"P0", "P1", "P2", "P3", "Tr"}
    points, labels = points_of(sequence, 0)
    assert len(points) == len(labels) > 50_000
    assert 0 <= points[:, 3].min() < points[:, 3].max() <= 1
    assert set((labels & 0xFFFF).tolist()) <= set(NUSCENES_OF_KITTI)
    assert {40, 48, 50, 70} <= set((labels & 0xFFFF).tolist())


def test_calibration_is_that_of_the_rig(sequence: Path) -> None:
    calibration = matrices(sequence / "calib.txt")
    left, right = kitti_rig().with_image_size(WIDTH, HEIGHT).cameras
    np.testing.assert_allclose(calibration["P2"][:, :3], left.intrinsics())
    np.testing.assert_allclose(calibration["P2"][:, 3], 0, atol=1e-9)
    # the right camera lies 0.54 m to the right: what it sees moves to the left
    np.testing.assert_allclose(calibration["P3"][0, 3], -0.54 * right.intrinsics()[0, 0])
    # x of the LiDAR is z of the camera, y is -x, z is -y
    np.testing.assert_allclose(calibration["Tr"][:, :3], [[0, -1, 0], [0, 0, -1], [1, 0, 0]], atol=1e-12)


@pytest.mark.parametrize(("camera", "projection"), [("image_2", "P2"), ("image_3", "P3")])
def test_projected_points_land_on_their_class(sequence: Path, camera: str, projection: str) -> None:
    calibration = matrices(sequence / "calib.txt")
    agree = total = 0
    for index in range(3):
        points, labels = points_of(sequence, index)
        exact = np.load(sequence.parents[1] / "exact" / "00" / f"{index:03d}.npz")
        one = np.ones((len(points), 1))
        reference = np.concatenate([np.concatenate([points[:, :3], one], 1) @ calibration["Tr"].T, one], 1)
        u, v, depth_m = (reference @ calibration[projection].T).T
        column, row = np.rint(u / depth_m).astype(int), np.rint(v / depth_m).astype(int)
        inside = (depth_m > 1) & (column >= 0) & (column < WIDTH) & (row >= 0) & (row < HEIGHT)
        seen = inside & exact["seen"][exact["cameras"].tolist().index(camera)]
        pixel_depth_m = exact[f"{camera}_depth_cm"][row[seen], column[seen]] / 100
        shown = np.abs(pixel_depth_m - depth_m[seen]) < 0.5 + 0.02 * depth_m[seen]
        classes = exact[f"{camera}_class"][row[seen], column[seen]][shown]
        kitti = (labels[seen] & 0xFFFF)[shown]
        agree += sum(general in NUSCENES_OF_KITTI[label] for general, label in zip(classes, kitti, strict=True))
        total += len(kitti)
    assert total > 20_000
    assert agree / total > 0.99


def test_poses_bring_the_standing_world_onto_itself(sequence: Path) -> None:
    poses = np.loadtxt(sequence / "poses.txt").reshape(-1, 3, 4)
    np.testing.assert_allclose(poses[0], np.eye(4)[:3], atol=1e-9)
    travelled_m = np.linalg.norm(poses[-1][:, 3])
    assert 1.0 < travelled_m < 20.0
    tr = matrices(sequence / "calib.txt")["Tr"]
    heights, places = [], []
    for index in (0, 2):
        points, labels = points_of(sequence, index)
        walls = points[(labels & 0xFFFF) == 50, :3].astype(np.float64)
        reference = walls @ tr[:, :3].T + tr[:, 3]
        places.append(reference @ poses[index][:, :3].T + poses[index][:, 3])
        heights.append(len(walls))
    assert min(heights) > 1000
    # most points of a wall have a neighbour nearby in the other scan; a wrong pose would put them metres off
    some = places[1][:: max(1, len(places[1]) // 400)]
    nearest = np.array([np.linalg.norm(places[0] - point, axis=1).min() for point in some])
    assert np.median(nearest) < 0.3
    unmoved = places[1] @ poses[2][:, :3] - poses[2][:, :3].T @ poses[2][:, 3]
    some = unmoved[:: max(1, len(unmoved) // 400)]
    wrong = np.array([np.linalg.norm(places[0] - point, axis=1).min() for point in some])
    assert np.median(nearest) < 0.7 * np.median(wrong)
