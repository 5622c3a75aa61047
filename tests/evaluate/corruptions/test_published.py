"""Oracle: folders laid out by hand as the published sets are, read back number by number."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lima.datasets import open_dataset
from lima.datasets.labels import CLASS_NAMES
from lima.evaluate.corruptions.corrupted import SEVERITIES
from lima.evaluate.corruptions.every import CORRUPTIONS
from lima.evaluate.corruptions.published import published_set
from tests.datasets import hand_made, kitti_hand_made

POINTS = 7


def points(columns: int, number: int) -> np.ndarray:
    """Numbers of their own for every file, with an intensity below zero, as crosstalk leaves them."""
    made = np.arange(POINTS * columns, dtype=np.float32).reshape(POINTS, columns) + number
    made[0, 3] = -2.5
    return made


def write_nuscenes_c(root: Path) -> Path:
    for number, (name, severity) in enumerate((name, severity) for name in CORRUPTIONS for severity in SEVERITIES):
        level = root / name / severity
        (level / "samples" / "LIDAR_TOP").mkdir(parents=True)
        (level / "lidarseg" / hand_made.VERSION).mkdir(parents=True)
        for scene in range(len(hand_made.SCENES)):
            for keyframe in range(hand_made.KEYFRAMES):
                points(5, number).tofile(level / hand_made.data_file(scene, keyframe, "LIDAR_TOP"))
                ids = np.array([17, 41, 42, 43, 26, 2, 0], dtype=np.uint8)
                ids.tofile(level / hand_made.label_file(scene, keyframe))
    return root


def write_semantic_kitti_c(root: Path) -> Path:
    for number, (name, severity) in enumerate((name, severity) for name in CORRUPTIONS for severity in SEVERITIES):
        for folder in ("velodyne", "labels"):
            (root / name / severity / folder).mkdir(parents=True)
        for scan in range(kitti_hand_made.SCANS):
            points(4, number).tofile(root / name / severity / "velodyne" / f"{scan:06d}.bin")
            ids = np.array([10, 21, 22, 23, 40, 252, 0], dtype=np.uint32) | np.uint32(5 << 16)
            ids.tofile(root / name / severity / "labels" / f"{scan:06d}.label")
    return root


def test_nuscenes_c(tmp_path: Path) -> None:
    dataset = open_dataset(hand_made.write_dataset(tmp_path / "clean"))
    published = published_set(write_nuscenes_c(tmp_path / "nuScenes-C"), dataset)
    assert published.name == "nuScenes-C"
    assert published.frames == 6019
    for sequence in dataset.sequences(None):
        for index in range(len(sequence)):
            clean = sequence.frame(index)
            frame = published.frame(clean, "snow", "heavy")
            wanted = torch.from_numpy(points(5, 8))  # third corruption, third severity
            assert torch.equal(frame.sweep.points_lidar, wanted[:, :3])
            assert torch.equal(frame.sweep.intensity, wanted[:, 3] / 255)
            assert (frame.token, frame.sequence, frame.index) == (clean.token, clean.sequence, clean.index)
            assert frame.sweep.timestamp_ns == clean.sweep.timestamp_ns
            assert frame.read_labels is not None
            names = [CLASS_NAMES[label] for label in frame.read_labels().tolist()]
            assert names == ["car", "ignored", "ignored", "ignored", "sidewalk", "pedestrian", "ignored"]
            sweep, unreal = published.drawn(clean, "snow", "heavy")
            assert torch.equal(sweep.points_lidar, wanted[:, :3])
            assert unreal.tolist() == [False, True, True, True, False, False, False]


def test_semantic_kitti_c(tmp_path: Path) -> None:
    dataset = open_dataset(kitti_hand_made.write_odometry(tmp_path / "clean"))
    published = published_set(write_semantic_kitti_c(tmp_path / "SemanticKITTI-C"), dataset)
    assert (published.name, published.frames) == ("SemanticKITTI-C", 4071)
    (sequence,) = dataset.sequences("val")
    frame = published.frame(sequence.frame(2), "cross_sensor", "light")
    assert torch.equal(frame.sweep.points_lidar, torch.from_numpy(points(4, 21))[:, :3])
    assert torch.equal(frame.sweep.intensity, torch.from_numpy(points(4, 21))[:, 3])
    assert frame.read_labels is not None
    names = [dataset.class_names[label] for label in frame.read_labels().tolist()]
    assert names == ["car", "ignored", "ignored", "ignored", "road", "car", "ignored"]
    _, unreal = published.drawn(sequence.frame(2), "cross_sensor", "light")
    assert unreal.tolist() == [False, True, True, True, False, False, False]
    (train,) = dataset.sequences("train")
    with pytest.raises(ValueError, match="made of sequence 08, not of 00"):
        published.frame(train.frame(0), "fog", "light")


def test_what_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    dataset = open_dataset(hand_made.write_dataset(tmp_path / "clean"))
    with pytest.raises(FileNotFoundError, match="no folder fog: the folder of a published set was expected"):
        published_set(tmp_path / "clean", dataset)
    root = write_nuscenes_c(tmp_path / "nuScenes-C")
    published, clean = published_set(root, dataset), dataset.sequences(None)[0].frame(0)
    level = root / "fog" / "moderate"
    points_file, labels_file = level / hand_made.data_file(0, 0, "LIDAR_TOP"), level / hand_made.label_file(0, 0)

    np.zeros(6, dtype=np.uint8).tofile(labels_file)
    with pytest.raises(ValueError, match="labels for 6 points, its sweep has 7"):
        published.frame(clean, "fog", "moderate").read_labels()  # type: ignore[misc]
    np.full(7, 44, dtype=np.uint8).tofile(labels_file)
    with pytest.raises(ValueError, match=r"label numbers \[44\], which nuScenes-C does not have"):
        published.frame(clean, "fog", "moderate").read_labels()  # type: ignore[misc]
    points_file.write_bytes(points_file.read_bytes()[:-4])
    with pytest.raises(ValueError, match="has 34 numbers, a multiple of 5"):
        published.frame(clean, "fog", "moderate")
    points_file.unlink()
    with pytest.raises(FileNotFoundError, match="the points of fog, moderate, of frame"):
        published.frame(clean, "fog", "moderate")


def test_published_sets_belong_to_two_datasets(tmp_path: Path) -> None:
    root = write_nuscenes_c(tmp_path / "nuScenes-C")
    boxes_only = open_dataset(hand_made.write_dataset(tmp_path / "clean", without=("lidarseg",)))
    with pytest.raises(ValueError, match="nuScenes with lidarseg and of SemanticKITTI"):
        published_set(root, boxes_only)
