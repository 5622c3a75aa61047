"""nuScenes's detection metric: mean average precision, five errors of true positives, and the score made of both.

The rules of `detection_cvpr_2019` as nuscenes-devkit's `DetectionEval` applies them. A prediction matches the nearest
annotated box of its class that no better prediction has taken, by the distance of their centres seen from above. The
average precision is taken at four distances; errors are those of the matches within 2 m.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from lima.evaluate.detection.classes import DETECTION_CLASSES

DISTANCES_M = (0.5, 1.0, 2.0, 4.0)
ERROR_DISTANCE_M = 2.0
MIN_RECALL = 0.1
MIN_PRECISION = 0.1
RECALLS = np.linspace(0, 1, 101)
FIRST = round(100 * MIN_RECALL) + 1  # the first of them that counts
ERRORS = ("translation", "scale", "orientation", "velocity", "attribute")
WITHOUT = {"traffic_cone": {"orientation", "velocity", "attribute"}, "barrier": {"velocity", "attribute"}}
"""errors that say nothing about a class"""


@dataclass(frozen=True, eq=False)
class WorldBoxes:
    """Boxes of many frames in `world`, in the order of the frames.

    frames: which frame each belongs to. sizes_m: length, width, height. velocities_mps: along x and y, NaN where
    unknown. attributes: empty where a box has none. scores: of predictions; unused for annotated boxes.
    """

    frames: Int64[np.ndarray, "boxes"]
    centres_m: Float64[np.ndarray, "boxes 3"]
    sizes_m: Float64[np.ndarray, "boxes 3"]
    yaws: Float64[np.ndarray, "boxes"]
    velocities_mps: Float64[np.ndarray, "boxes 2"]
    classes: Int64[np.ndarray, "boxes"]
    attributes: np.ndarray
    scores: Float64[np.ndarray, "boxes"]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, chosen: Bool[np.ndarray, "boxes"] | Int64[np.ndarray, "some"]) -> WorldBoxes:
        return WorldBoxes(**{name: getattr(self, name)[chosen] for name in self.__dataclass_fields__})

    @staticmethod
    def concatenate(parts: Iterable[WorldBoxes]) -> WorldBoxes:
        """All of them, one after another."""
        listed = list(parts)
        names = WorldBoxes.__dataclass_fields__
        return WorldBoxes(**{name: np.concatenate([getattr(part, name) for part in listed]) for name in names})


@dataclass(frozen=True, eq=False)
class Curve:
    """What happens as the bar for the score is lowered, at 101 recalls from 0 to 1.

    confidence: the score needed, 0 beyond the highest recall. errors: mean error of the matches with at least this
    score. All nan-free.
    """

    precision: Float64[np.ndarray, "recalls"]
    confidence: Float64[np.ndarray, "recalls"]
    errors: dict[str, Float64[np.ndarray, "recalls"]]


@dataclass(frozen=True, eq=False)
class DetectionScores:
    """Shares from 0 to 1, metres, radians, metres per second as nuScenes has them.

    precisions: average precision by class and distance. errors: by class; NaN where they say nothing about a class.
    """

    precisions: dict[str, dict[float, float]]
    errors: dict[str, dict[str, float]]
    curves: dict[str, dict[float, Curve]]

    @property
    def class_precisions(self) -> dict[str, float]:
        """The mean over the distances."""
        return {name: float(np.mean(list(of.values()))) for name, of in self.precisions.items()}

    @property
    def mean_precision(self) -> float:
        """mAP. A class without annotated boxes counts as zero."""
        return float(np.mean(list(self.class_precisions.values())))

    @property
    def mean_errors(self) -> dict[str, float]:
        """Over the classes that an error says something about."""
        return {error: float(np.nanmean([of[error] for of in self.errors.values()])) for error in ERRORS}

    @property
    def nds(self) -> float:
        """The nuScenes detection score: five parts mAP, one part each 1 - error, where errors above 1 count as 1."""
        return (5 * self.mean_precision + sum(max(0.0, 1 - error) for error in self.mean_errors.values())) / 10

    def as_dict(self) -> dict[str, Any]:
        """For `metrics.json`: percent for shares, units in the names, null for NaN."""
        units = {"translation": "m", "scale": "1-iou", "orientation": "rad", "velocity": "mps", "attribute": "1-acc"}
        return {
            "map": 100 * self.mean_precision,
            "nds": 100 * self.nds,
            "mean_errors": {f"{name}_{units[name]}": error for name, error in self.mean_errors.items()},
            "ap": {name: 100 * precision for name, precision in self.class_precisions.items()},
            "ap_at": {
                name: {f"{distance:g} m": 100 * precision for distance, precision in of.items()}
                for name, of in self.precisions.items()
            },
            "errors": {
                name: {f"{error}_{units[error]}": _json(value) for error, value in of.items()}
                for name, of in self.errors.items()
            },
        }


def score_detections(predicted: WorldBoxes, truth: WorldBoxes) -> DetectionScores:
    """Score boxes that are filtered already (`ground_truth.scored`)."""
    precisions, errors, curves = {}, {}, {}
    for cls, name in enumerate(DETECTION_CLASSES):
        of_class, true = predicted[predicted.classes == cls], truth[truth.classes == cls]
        matches = _match(of_class, true)
        curves[name] = {distance: curve(of_class, true, matched, name) for distance, matched in matches.items()}
        precisions[name] = {distance: average_precision(found) for distance, found in curves[name].items()}
        at_two = curves[name][ERROR_DISTANCE_M]
        errors[name] = {
            error: math.nan if error in WITHOUT.get(name, ()) else mean_error(at_two, error) for error in ERRORS
        }
    return DetectionScores(precisions, errors, curves)


def _match(predicted: WorldBoxes, truth: WorldBoxes) -> dict[float, Int64[np.ndarray, "boxes"]]:
    """For every distance the true box that each prediction takes, -1 for none. Frames do not see each other."""
    taken = {distance: np.full(len(predicted), -1) for distance in DISTANCES_M}
    best_first = by_score(predicted)
    order = best_first[np.argsort(predicted.frames[best_first], kind="stable")]  # by frame, within one by score
    bounds = np.searchsorted(predicted.frames[order], np.unique(truth.frames))
    ends = np.searchsorted(predicted.frames[order], np.unique(truth.frames), side="right")
    for frame, start, stop in zip(np.unique(truth.frames), bounds, ends, strict=True):
        rows, targets = order[start:stop], np.flatnonzero(truth.frames == frame)
        away = predicted.centres_m[rows, None, :2] - truth.centres_m[None, targets, :2]
        distances = np.sqrt((away**2).sum(axis=2))
        for distance, found in taken.items():
            free = distances.copy()
            for place in np.flatnonzero(distances.min(axis=1) < distance):
                nearest = int(np.argmin(free[place]))
                if free[place, nearest] < distance:
                    found[rows[place]] = targets[nearest]
                    free[:, nearest] = np.inf
    return taken


def by_score(boxes: WorldBoxes) -> Int64[np.ndarray, "boxes"]:
    """The best first; of equal ones the later, as the devkit sorts."""
    return np.lexsort((np.arange(len(boxes)), boxes.scores))[::-1]


def curve(predicted: WorldBoxes, truth: WorldBoxes, true_of_box: Int64[np.ndarray, "boxes"], class_name: str) -> Curve:
    """The curve of one class at one distance, given the true box that each prediction took (-1 for none)."""
    order = by_score(predicted)
    hit = true_of_box[order] >= 0
    if len(truth) == 0 or not hit.any():
        zeros = np.zeros(len(RECALLS))
        return Curve(zeros, zeros, {error: np.ones(len(RECALLS)) for error in ERRORS})
    hits = np.cumsum(hit).astype(float)
    recall, scores = hits / len(truth), predicted.scores[order]
    precision = np.interp(RECALLS, recall, hits / np.arange(1, len(hit) + 1), right=0)
    confidence = np.interp(RECALLS, recall, scores, right=0)
    errors = match_errors(predicted[order[hit]], truth[true_of_box[order[hit]]], class_name)
    resampled = {
        name: np.interp(confidence[::-1], scores[hit][::-1], _running_mean(values)[::-1])[::-1]
        for name, values in errors.items()
    }
    return Curve(precision, confidence, resampled)


def match_errors(
    predicted: WorldBoxes, truth: WorldBoxes, class_name: str
) -> dict[str, Float64[np.ndarray, "matches"]]:
    """The five errors of predictions and the boxes they took, pair by pair; NaN where a truth says nothing."""
    away = predicted.centres_m[:, :2] - truth.centres_m[:, :2]
    speed = predicted.velocities_mps - truth.velocities_mps
    shared = np.minimum(predicted.sizes_m, truth.sizes_m).prod(axis=1)
    union = predicted.sizes_m.prod(axis=1) + truth.sizes_m.prod(axis=1) - shared
    period = math.pi if class_name == "barrier" else 2 * math.pi  # a barrier has no front
    turn = np.abs((truth.yaws - predicted.yaws + period / 2) % period - period / 2)
    wrong = (predicted.attributes != truth.attributes).astype(float)
    return {
        "translation": np.sqrt((away**2).sum(axis=1)),
        "scale": 1 - shared / union,
        "orientation": turn,
        "velocity": np.sqrt((speed**2).sum(axis=1)),
        "attribute": np.where(truth.attributes == "", np.nan, wrong),
    }


def average_precision(found: Curve) -> float:
    """The area over recalls above 10 % and precisions above 10 %, as a share of what is there."""
    above = np.clip(found.precision[FIRST:] - MIN_PRECISION, 0, None)
    return float(above.mean()) / (1 - MIN_PRECISION)


def mean_error(found: Curve, error: str) -> float:
    """The mean over recalls from above 10 % to the highest reached; 1 where 10 % is not reached."""
    reached = np.flatnonzero(found.confidence)
    last = int(reached[-1]) if len(reached) else 0
    return 1.0 if last < FIRST else float(found.errors[error][FIRST : last + 1].mean())


def _running_mean(values: Float64[np.ndarray, "matches"]) -> Float64[np.ndarray, "matches"]:
    """Of all values so far, without NaN: 1 where all are NaN, 0 before the first that is not."""
    known = ~np.isnan(values)
    if not known.any():
        return np.ones(len(values))
    counts = np.cumsum(known)
    sums = np.nancumsum(values)
    return np.divide(sums, counts, out=np.zeros_like(sums), where=counts != 0)


def _json(value: float) -> float | None:
    return None if math.isnan(value) else value
