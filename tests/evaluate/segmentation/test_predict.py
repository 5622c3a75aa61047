"""Oracle: nuscenes-devkit reads, checks and scores what was written; SemanticKITTI's files go through our own reader
and through its published inverse map, copied by hand."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from lima.datasets import open_dataset
from lima.datasets.label_maps import label_map
from lima.datasets.labels import CLASS_NAMES
from lima.datasets.submissions import submission_writer
from lima.evaluate.segmentation.predict import predict_folder
from lima.evaluate.segmentation.score_command import score_folder
from lima.evaluate.segmentation.segmenter import Segmenter, load_segmenter, save_segmenter
from lima.scene import Dataset
from lima.students.student import build_student
from tests.datasets import kitti_hand_made
from tests.evaluate.segmentation.made_up import CLASSES, STUDENT, MadeUpDataset

KITTI_WRITES = {
    "car": 10, "bicycle": 11, "motorcycle": 15, "truck": 18, "other_vehicle": 20, "person": 30, "bicyclist": 31,
    "motorcyclist": 32, "road": 40, "parking": 44, "sidewalk": 48, "other_ground": 49, "building": 50, "fence": 51,
    "vegetation": 70, "trunk": 71, "terrain": 72, "pole": 80, "traffic_sign": 81,
}  # fmt: skip


def untrained(folder: Path, class_names: tuple[str, ...]) -> Path:
    """A segmenter that gives classes of every kind."""
    torch.manual_seed(5)
    segmenter = Segmenter(build_student(STUDENT), class_names)
    torch.nn.init.normal_(segmenter.head.weight, std=3.0)
    save_segmenter(folder, segmenter.eval(), STUDENT, {})
    return folder


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_nuscenes_devkit_reads_and_scores_what_was_written(
    simulated_nuscenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nuscenes", reason="the official nuscenes-devkit is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nuscenes.eval.lidarseg import utils
        from nuscenes.eval.lidarseg.evaluate import LidarSegEval
        from nuscenes.eval.lidarseg.validate_submission import validate_submission
        from nuscenes.nuscenes import NuScenes

    folder = untrained(tmp_path / "segmenter", CLASS_NAMES)
    said: list[str] = []
    out = tmp_path / "out"
    assert predict_folder(folder, simulated_nuscenes, out, say=said.append) == 4
    val = [sequence.name for sequence in open_dataset(simulated_nuscenes).sequences("val")]
    monkeypatch.setattr(utils, "create_splits_scenes", lambda verbose=False: {"mini_val": val})
    nusc = NuScenes("v1.0-mini", str(simulated_nuscenes), verbose=False)
    validate_submission(nusc, str(out), "mini_val")
    official = LidarSegEval(nusc, str(out), "mini_val").evaluate()

    ours = score_folder(folder, simulated_nuscenes, say=said.append)["results"]["segmentation"]
    assert ours["miou"] == pytest.approx(100 * official["miou"], rel=1e-6)
    for name, iou in ours["per_class"].items():
        theirs = official["iou_per_class"][name]
        assert iou is None if np.isnan(theirs) else iou == pytest.approx(100 * theirs, rel=1e-6)
    with pytest.raises(FileExistsError, match="is not empty"):
        predict_folder(folder, simulated_nuscenes, out)


def test_semantic_kitti_s_labels_come_back(tmp_path: Path) -> None:
    data = kitti_hand_made.write_odometry(tmp_path / "data", images=("image_2",))
    dataset = open_dataset(data)
    folder = untrained(tmp_path / "segmenter", dataset.class_names)
    assert predict_folder(folder, data, tmp_path / "out") == kitti_hand_made.SCANS
    predictions = tmp_path / "out" / "sequences" / "08" / "predictions"
    assert sorted(file.name for file in predictions.iterdir()) == [
        f"{scan:06d}.label" for scan in range(kitti_hand_made.SCANS)
    ]
    segmenter = load_segmenter(folder)
    frames = [dataset.sequences("val")[0].frame(index) for index in range(kitti_hand_made.SCANS)]
    wanted = [segmenter.predict(frame) for frame in frames]
    for scan, classes in enumerate(wanted):
        written = np.fromfile(predictions / f"{scan:06d}.label", dtype=np.uint32)
        names = [dataset.class_names[label] for label in classes.tolist()]
        assert written.tolist() == [KITTI_WRITES[name] for name in names]
    assert len({label for classes in wanted for label in classes.tolist()}) > 2

    labels = data / "sequences" / "08" / "labels"  # what was predicted, read as if somebody had labelled it
    shutil.rmtree(labels)
    shutil.copytree(predictions, labels)
    again = open_dataset(data).sequences("val")[0]
    for scan, classes in enumerate(wanted):
        read_labels = again.frame(scan).read_labels
        assert read_labels is not None
        assert torch.equal(read_labels(), classes)


@pytest.mark.parametrize(
    "name",
    ["semantic_kitti", "semantic_kitti_moving", "semantic_poss", "synlidar", "synlidar_as_semantic_kitti", "rellis",
     "rellis_benchmark", "semantic_stf", "daps_3d", "synth4d", "synth4d_macro"],
)  # fmt: skip
def test_what_is_written_for_a_class_is_read_as_that_class(name: str) -> None:
    known = label_map(name)
    assert known.class_of_id[known.id_of_class].tolist() == list(range(len(known.class_names)))


def test_moving_things_are_written_as_semantic_kitti_writes_them() -> None:
    known = label_map("semantic_kitti_moving")
    written = dict(zip(known.class_names, known.id_of_class.tolist(), strict=True))
    assert {name: written[name] for name in KITTI_WRITES} == KITTI_WRITES
    moving = {name.removeprefix("moving_"): number for name, number in written.items() if name.startswith("moving_")}
    assert moving == {
        "car": 252, "bicyclist": 253, "person": 254, "motorcyclist": 255, "other_vehicle": 259, "truck": 258,
    }  # fmt: skip


def test_where_scores_go_is_seen_to_before_anything_is_scored(tmp_path: Path) -> None:
    data = kitti_hand_made.write_odometry(tmp_path / "data", images=("image_2",))
    folder = untrained(tmp_path / "segmenter", open_dataset(data).class_names)
    file, said = tmp_path / "new" / "folder" / "scores.json", list[str]()
    with pytest.raises(IsADirectoryError, match=r"data is a folder, .* like .*data/scores\.json"):
        score_folder(folder, data, json_file=data, say=said.append)
    assert said == []
    metrics = score_folder(folder, data, json_file=file, say=lambda _: said.append(str(file.parent.is_dir())))
    assert set(said) == {"True"}
    assert json.loads(file.read_text()) == json.loads(json.dumps(metrics))


def test_other_classes_and_other_datasets_are_refused(simulated_nuscenes: Path, tmp_path: Path) -> None:
    folder = untrained(tmp_path / "segmenter", CLASSES)
    with pytest.raises(ValueError, match=r"nuScenes-lidarseg has the classes barrier, .*; these are low, middle"):
        predict_folder(folder, simulated_nuscenes, tmp_path / "out")
    with pytest.raises(ValueError, match=r"was fine-tuned for the classes low, .*fine-tune on a dataset of the same"):
        score_folder(folder, simulated_nuscenes)
    made_up: Dataset = MadeUpDataset({"val": []})
    with pytest.raises(ValueError, match="made up has no files for predictions that are known here"):
        submission_writer(made_up, CLASSES, "val", tmp_path)
    kitti = open_dataset(kitti_hand_made.write_odometry(tmp_path / "data", images=("image_2",)))
    with pytest.raises(ValueError, match=r"SemanticKITTI has the classes car, .* these are low"):
        submission_writer(kitti, CLASSES, "val", tmp_path)
