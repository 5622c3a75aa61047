"""Oracle: nuscenes-devkit's own `accumulate`, `calc_ap` and `calc_tp`, on the same boxes; arithmetic by hand."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")  # the devkit draws when it is imported

from nuscenes.eval.common.config import config_factory
from nuscenes.eval.common.utils import center_distance
from nuscenes.eval.detection.algo import accumulate, calc_ap, calc_tp
from nuscenes.eval.detection.constants import TP_METRICS
from nuscenes.eval.detection.data_classes import DetectionMetrics

from lima.evaluate.detection.classes import DETECTION_CLASSES, RANGE_M
from lima.evaluate.detection.metric import DISTANCES_M, ERRORS, WorldBoxes, score_detections
from tests.evaluate.detection.boxes import for_devkit, guesses, random_truth

pytestmark = pytest.mark.filterwarnings("ignore:Mean of empty slice:RuntimeWarning")
OFFICIAL = dict(zip(ERRORS, ("trans_err", "scale_err", "orient_err", "vel_err", "attr_err"), strict=True))


def official_metrics(predicted: WorldBoxes, truth: WorldBoxes, frames: int) -> DetectionMetrics:
    """As `DetectionEval.evaluate` calls it."""
    config = config_factory("detection_cvpr_2019")
    gt, pred = for_devkit(truth, frames, predicted=False), for_devkit(predicted, frames, predicted=True)
    metrics = DetectionMetrics(config)
    for name in config.class_names:
        for distance in config.dist_ths:
            data = accumulate(gt, pred, name, center_distance, distance)
            metrics.add_label_ap(name, distance, calc_ap(data, config.min_recall, config.min_precision))
            if distance == config.dist_th_tp:
                for error in TP_METRICS:
                    silent = (name == "traffic_cone" and error in ("attr_err", "vel_err", "orient_err")) or (
                        name == "barrier" and error in ("attr_err", "vel_err")
                    )
                    value = np.nan if silent else calc_tp(data, config.min_recall, error)
                    metrics.add_label_tp(name, error, value)
    return metrics


@pytest.mark.parametrize(("seed", "frames", "each", "copies", "noise_m"), [
    (0, 6, 20, 2, 0.7), (1, 3, 50, 3, 2.0), (2, 10, 8, 1, 0.2), (3, 1, 5, 1, 5.0), (4, 4, 100, 4, 1.0),
])  # fmt: skip
def test_equals_the_devkit_on_random_boxes(seed: int, frames: int, each: int, copies: int, noise_m: float) -> None:
    generator = np.random.default_rng(seed)
    truth = random_truth(generator, frames, each, classes=8 if seed == 3 else 10)
    predicted = guesses(generator, truth, copies, noise_m)
    ours, official = score_detections(predicted, truth), official_metrics(predicted, truth, frames)
    for name in DETECTION_CLASSES:
        for distance in DISTANCES_M:
            assert ours.precisions[name][distance] == pytest.approx(official.get_label_ap(name, distance), abs=1e-12)
        for error, theirs in OFFICIAL.items():
            expected = official.get_label_tp(name, theirs)
            assert ours.errors[name][error] == pytest.approx(expected, abs=1e-9, nan_ok=True), (name, error)
    assert ours.mean_precision == pytest.approx(official.mean_ap, abs=1e-12)
    assert ours.mean_errors == pytest.approx({ours: official.tp_errors[theirs] for ours, theirs in OFFICIAL.items()})
    assert ours.nds == pytest.approx(official.nd_score, abs=1e-12)
    assert 0 < ours.nds < 1


def test_ranges_are_the_official_ones() -> None:
    assert dict(zip(DETECTION_CLASSES, RANGE_M, strict=True)) == config_factory("detection_cvpr_2019").class_range


def one_car(x: float, score: float, yaw: float = 0.0) -> WorldBoxes:
    return WorldBoxes(
        frames=np.zeros(1, dtype=np.int64),
        centres_m=np.array([[x, 0.0, 0.0]]),
        sizes_m=np.array([[4.0, 2.0, 1.5]]),
        yaws=np.array([yaw]),
        velocities_mps=np.zeros((1, 2)),
        classes=np.zeros(1, dtype=np.int64),
        attributes=np.array(["vehicle.parked"], dtype=object),
        scores=np.array([score]),
    )


def test_by_hand() -> None:
    """One car, found 0.3 m away and turned by 0.2: precise at all distances, and nine classes that are not there."""
    scores = score_detections(one_car(0.3, 0.9, yaw=0.2), one_car(0.0, -1.0))
    assert scores.class_precisions["car"] == pytest.approx(1)
    assert scores.mean_precision == pytest.approx(0.1)
    assert scores.errors["car"] == pytest.approx(
        {"translation": 0.3, "scale": 0, "orientation": 0.2, "velocity": 0, "attribute": 0}
    )
    assert scores.errors["truck"]["translation"] == 1
    assert scores.mean_errors["translation"] == pytest.approx((0.3 + 9) / 10)
    assert scores.mean_errors["velocity"] == pytest.approx(7 / 8)
    assert scores.as_dict()["errors"]["traffic_cone"]["velocity_mps"] is None


def test_the_better_takes_the_box_and_the_other_is_wrong() -> None:
    """Two predictions for one car, the nearer with the lower score. Within 4 m the farther takes the car: precision is
    1, and 1/2 at full recall, where the nearer counts too. Within 1 m the farther misses: precision climbs to 1/2."""
    both = WorldBoxes.concatenate([one_car(1.5, 0.9), one_car(0.1, 0.8)])
    scores = score_detections(both, one_car(0.0, -1.0))
    assert scores.precisions["car"][4.0] == pytest.approx((89 * 0.9 + 0.4) / 90 / 0.9)
    climbing = 0.5  # numpy's interpolation knows recalls 0 and 1 alone
    assert scores.precisions["car"][1.0] == pytest.approx(
        sum(max(climbing * recall / 100 - 0.1, 0) for recall in range(11, 101)) / 90 / 0.9
    )


def test_nothing_found_and_nothing_there() -> None:
    nothing = one_car(0.0, 0.5)[np.zeros(1, dtype=bool)]
    assert score_detections(nothing, one_car(0.0, -1.0)).nds == 0
    assert score_detections(one_car(0.0, 0.5), nothing).mean_precision == 0
