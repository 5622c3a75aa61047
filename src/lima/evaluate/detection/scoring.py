"""A detector on a split: its boxes in every keyframe, their scores, and the file that nuScenes's benchmark takes."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence as Series
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lima.evaluate.detection.classes import DETECTION_CLASSES
from lima.evaluate.detection.detector import Detector
from lima.evaluate.detection.ground_truth import predicted_boxes, scored, true_boxes
from lima.evaluate.detection.lidar_boxes import LidarBoxes
from lima.evaluate.detection.metric import DetectionScores, WorldBoxes, score_detections
from lima.evaluate.detection.sweeps import SweepHistory
from lima.scene import Batch, Frame, Sequence
from lima.train.run_folder import write_atomically


@dataclass(frozen=True, eq=False)
class Detections:
    """What was found on a split. tokens: of its keyframes. boxes: all that were found, before any is left out."""

    tokens: tuple[str, ...]
    boxes: WorldBoxes
    scores: DetectionScores
    annotated: dict[str, int]
    """how many annotated boxes of each class were scored"""

    def as_submission(self) -> dict[str, Any]:
        """As nuscenes-devkit's `DetectionEval` reads it: half turns as quaternions, sizes as width, length, height."""
        results: dict[str, list[dict[str, Any]]] = {token: [] for token in self.tokens}
        boxes = self.boxes
        for row in range(len(boxes)):
            length, width, height = boxes.sizes_m[row].tolist()
            half = float(boxes.yaws[row]) / 2
            results[self.tokens[int(boxes.frames[row])]].append(
                {
                    "sample_token": self.tokens[int(boxes.frames[row])],
                    "translation": boxes.centres_m[row].tolist(),
                    "size": [width, length, height],
                    "rotation": [math.cos(half), 0.0, 0.0, math.sin(half)],
                    "velocity": boxes.velocities_mps[row].tolist(),
                    "detection_name": DETECTION_CLASSES[int(boxes.classes[row])],
                    "detection_score": float(boxes.scores[row]),
                    "attribute_name": str(boxes.attributes[row]),
                }
            )
        used = {f"use_{sensor}": sensor == "lidar" for sensor in ("camera", "lidar", "radar", "map", "external")}
        return {"meta": used, "results": results}

    def write_submission(self, file: Path) -> None:
        """The file that the benchmark takes."""
        write_atomically(file, json.dumps(self.as_submission()) + "\n")


def found_in(detector: Detector, history: SweepHistory, index: int) -> tuple[Frame, LidarBoxes]:
    """Keyframe `index` of a sequence and the boxes that the detector, in evaluation mode, finds in it."""
    frame, points = history.read(index)
    device = next(detector.parameters()).device
    batch = Batch.from_points([points[:, :3].contiguous()], [points[:, 3].contiguous()]).to(device)
    (boxes,) = detector.detect(batch, points[:, 4].to(device))
    return frame, boxes


def detect_split(detector: Detector, sequences: Series[Sequence], sweeps: int, max_age_s: float) -> Detections:
    """Every keyframe of the sequences, one by one."""
    detector.eval()
    tokens: list[str] = []
    found, found_scored, truth = [], [], []
    for sequence in sequences:
        history = SweepHistory(sequence, sweeps, max_age_s)
        for index in range(len(sequence)):
            frame, boxes = found_in(detector, history, index)
            number = len(tokens)
            tokens.append(frame.token)
            true, scene = true_boxes(frame, number)
            truth.append(true)
            found.append(predicted_boxes(boxes, frame.sweep, number))
            found_scored.append(found[-1][scored(found[-1], scene)])
    everything = WorldBoxes.concatenate(truth)
    scores = score_detections(WorldBoxes.concatenate(found_scored), everything)
    annotated = {name: int((everything.classes == cls).sum()) for cls, name in enumerate(DETECTION_CLASSES)}
    return Detections(tuple(tokens), WorldBoxes.concatenate(found), scores, annotated)
