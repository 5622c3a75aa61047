"""A detector on a split: its boxes in every keyframe, their scores, and the file that nuScenes's benchmark takes."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence as Series
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from lima.datasets.progress import CountProgress
from lima.evaluate.detection.classes import DETECTION_CLASSES
from lima.evaluate.detection.detector import Detector
from lima.evaluate.detection.ground_truth import predicted_boxes, scored, true_boxes
from lima.evaluate.detection.lidar_boxes import LidarBoxes
from lima.evaluate.detection.metric import DetectionScores, WorldBoxes, score_detections
from lima.evaluate.detection.sweeps import SweepHistory
from lima.scene import Batch, Frame, Sequence
from lima.train.processes import ALONE, Processes
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


def detect_split(
    detector: Detector, sequences: Series[Sequence], sweeps: int, max_age_s: float, processes: Processes = ALONE
) -> Detections:
    """Every keyframe of the sequences, one by one; of several processes each takes its share, and gets all boxes."""
    detector.eval()
    tokens = [token for sequence in sequences for token in sequence.tokens]
    own = processes.share(len(tokens))
    parts = []
    first = 0
    with CountProgress("detecting", len(own), "keyframes", quiet=not processes.first) as progress:
        for sequence in sequences:
            history = SweepHistory(sequence, sweeps, max_age_s)
            for number in range(max(first, own.start), min(first + len(sequence), own.stop)):
                frame, boxes = found_in(detector, history, number - first)
                true, scene = true_boxes(frame, number)
                predicted = predicted_boxes(boxes, frame.sweep, number)
                parts.append((predicted, predicted[scored(predicted, scene)], true))
                progress.advance()
            first += len(sequence)
    columns = zip(*chain.from_iterable(processes.gathered(parts)), strict=True)
    found, found_scored, truth = (WorldBoxes.concatenate(column) for column in columns)
    annotated = {name: int((truth.classes == cls).sum()) for cls, name in enumerate(DETECTION_CLASSES)}
    return Detections(tuple(tokens), found, score_detections(found_scored, truth), annotated)
