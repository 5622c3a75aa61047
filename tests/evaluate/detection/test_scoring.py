"""Oracle: nuscenes-devkit's `DetectionEval`, which reads the tables and the file of detections itself."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch

mpl.use("Agg")  # the devkit draws when it is imported

from nuscenes import NuScenes as Devkit
from nuscenes.eval.common.config import config_factory
from nuscenes.eval.detection.evaluate import DetectionEval

from lima.datasets import open_dataset
from lima.evaluate.detection.classes import DETECTION_CLASSES
from lima.evaluate.detection.detector import MAX_BOXES
from lima.evaluate.detection.ground_truth import predicted_boxes, scored, true_boxes
from lima.evaluate.detection.lidar_boxes import LidarBoxes
from lima.evaluate.detection.metric import WorldBoxes, score_detections
from lima.evaluate.detection.scoring import Detections
from lima.scene import Frame

pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Mean of empty slice:RuntimeWarning"),
]


def disturbed(frame: Frame, generator: torch.Generator) -> LidarBoxes:
    """The true boxes moved, swollen, turned and doubled, some of another class, scores at random."""
    assert frame.read_boxes is not None
    boxes, _ = LidarBoxes.of(frame.read_boxes(), frame.sweep.world_from_lidar)
    both = LidarBoxes.concatenate([boxes, boxes])
    noise = torch.randn(len(both), 9, generator=generator)
    values = both.values.nan_to_num() + noise * torch.tensor([0.6, 0.6, 0.2, 0, 0, 0, 0.3, 1, 1])
    values[:, 3:6] *= 1 + 0.3 * torch.rand(len(both), 3, generator=generator)
    other = torch.randint(0, len(DETECTION_CLASSES), both.classes.shape, generator=generator)
    change = torch.rand(len(both), generator=generator) < 0.1
    return LidarBoxes(values, torch.where(change, other, both.classes), torch.rand(len(both), generator=generator))


def test_equals_detection_eval_on_a_simulated_drive(simulated_nuscenes: Path, tmp_path: Path) -> None:
    sequences = open_dataset(simulated_nuscenes).sequences("val")
    generator = torch.Generator().manual_seed(0)
    tokens, found, kept, truth = [], [], [], []
    for sequence in sequences:
        for index in range(len(sequence)):
            frame = sequence.frame(index)
            true, scene = true_boxes(frame, len(tokens))
            boxes = predicted_boxes(
                disturbed(frame, generator)[torch.arange(MAX_BOXES // 10)], frame.sweep, len(tokens)
            )
            tokens.append(frame.token)
            truth.append(true)
            found.append(boxes)
            kept.append(boxes[scored(boxes, scene)])
    scores = score_detections(WorldBoxes.concatenate(kept), WorldBoxes.concatenate(truth))
    detections = Detections(tuple(tokens), WorldBoxes.concatenate(found), scores, {})
    file = tmp_path / "detections.json"
    detections.write_submission(file)

    devkit = Devkit("v1.0-mini", str(simulated_nuscenes), verbose=False)
    config = config_factory("detection_cvpr_2019")
    official = DetectionEval(devkit, config, str(file), "mini_val", str(tmp_path / "official"), verbose=False)
    assert len(official.gt_boxes.all) == sum(len(boxes) for boxes in truth)
    assert len(official.pred_boxes.all) == sum(len(boxes) for boxes in kept) < sum(len(boxes) for boxes in found)
    metrics, _ = official.evaluate()

    assert scores.mean_precision == pytest.approx(metrics.mean_ap, abs=1e-9)
    assert scores.nds == pytest.approx(metrics.nd_score, abs=1e-9)
    assert list(scores.mean_errors.values()) == pytest.approx(list(metrics.tp_errors.values()), abs=1e-6)
    assert {name: pytest.approx(ap, abs=1e-9) for name, ap in metrics.mean_dist_aps.items()} == scores.class_precisions
    assert 0.02 < scores.mean_precision < 1


def test_the_file_says_what_was_used(tmp_path: Path) -> None:
    nothing = predicted_boxes_of_nothing()
    detections = Detections(("a", "b"), nothing, score_detections(nothing, nothing), {})
    detections.write_submission(tmp_path / "found.json")
    content = json.loads((tmp_path / "found.json").read_text())
    assert content["results"] == {"a": [], "b": []}
    assert content["meta"] == {
        "use_camera": False, "use_lidar": True, "use_radar": False, "use_map": False, "use_external": False
    }  # fmt: skip


def predicted_boxes_of_nothing() -> WorldBoxes:
    none = np.zeros(0)
    whole = none.astype(np.int64)
    return WorldBoxes(
        whole, none.reshape(0, 3), none.reshape(0, 3), none, none.reshape(0, 2), whole, none.astype(object), none
    )
