"""Oracle: the tables that Robo3D publishes, whose mCE and mRR stand beside the mIoU they were computed from."""

import json
from pathlib import Path

import pytest

from lima.evaluate.corruptions.every import CORRUPTIONS
from lima.evaluate.corruptions.robo3d import (
    PUBLISHED,
    corruption_error,
    mean_corruption_error,
    mean_resilience_rate,
    named_baseline,
    resilience_rate,
)

NUSCENES_C = PUBLISHED["minkunet18-nuscenes-c"]
KITTI_C = PUBLISHED["minkunet18-semantickitti-c"]
# mCE, mRR, clean, then the eight corruptions in Robo3D's order
NUSCENES_ROWS = {
    "MinkUNet-18": (100.00, 74.44, 75.76, 53.64, 73.91, 40.35, 73.39, 68.54, 26.58, 63.83, 50.95),
    "MinkUNet-34": (96.37, 75.08, 76.90, 56.91, 74.93, 37.50, 75.24, 70.10, 29.32, 64.96, 52.96),
    "SPVCNN-18": (106.65, 74.70, 74.40, 59.01, 72.46, 41.08, 58.36, 65.36, 36.83, 62.29, 49.21),
    "PolarNet": (115.09, 76.34, 71.37, 58.23, 69.91, 64.82, 44.60, 61.91, 40.77, 53.64, 42.01),
    "WaffleIron": (106.73, 72.78, 76.07, 56.07, 73.93, 49.59, 59.46, 65.19, 33.12, 61.51, 44.01),
    "GFNet": (92.55, 83.31, 76.79, 69.59, 75.52, 71.83, 59.43, 64.47, 66.78, 61.86, 42.30),
}
KITTI_ROWS = {
    "MinkUNet-18": (100.00, 81.90, 62.76, 55.87, 53.99, 53.28, 32.92, 56.32, 58.34, 54.43, 46.05),
    "SalsaNext": (116.14, 80.51, 55.80, 34.89, 48.44, 45.55, 47.93, 49.63, 40.21, 48.03, 44.72),
    "SPVCNN-34": (99.16, 82.01, 63.22, 56.53, 53.68, 52.35, 34.39, 56.76, 59.00, 54.97, 47.07),
}
# light, moderate, heavy, CE, RR of SPVCNN-18 on SemanticKITTI-C; clean 62.47
LEVELS = {
    "fog": (61.62, 58.36, 45.99, 101.25, 88.55),
    "snow": (54.32, 51.64, 48.29, 103.98, 82.31),
    "motion_blur": (44.06, 33.45, 26.08, 97.60, 55.27),
    "beam_missing": (60.73, 57.17, 52.11, 99.20, 90.72),
    "incomplete_echo": (58.08, 54.93, 50.80, 99.63, 87.40),
    "cross_sensor": (57.59, 51.37, 28.89, 100.19, 73.56),
}
TWO_DECIMALS = 0.015


@pytest.mark.parametrize("row", NUSCENES_ROWS.values(), ids=NUSCENES_ROWS.keys())
def test_published_rows_of_nuscenes_c(row: tuple[float, ...]) -> None:
    mious = {name: (miou,) for name, miou in zip(CORRUPTIONS, row[3:], strict=True)}
    assert mean_corruption_error(mious, NUSCENES_C) == pytest.approx(row[0], abs=TWO_DECIMALS)
    assert mean_resilience_rate(mious, row[2]) == pytest.approx(row[1], abs=TWO_DECIMALS)


@pytest.mark.parametrize("row", KITTI_ROWS.values(), ids=KITTI_ROWS.keys())
def test_published_rows_of_semantic_kitti_c(row: tuple[float, ...]) -> None:
    mious = {name: (miou,) for name, miou in zip(CORRUPTIONS, row[3:], strict=True)}
    assert mean_corruption_error(mious, KITTI_C) == pytest.approx(row[0], abs=TWO_DECIMALS)
    assert mean_resilience_rate(mious, row[2]) == pytest.approx(row[1], abs=TWO_DECIMALS)


@pytest.mark.parametrize("name", LEVELS)
def test_three_severities_of_one_corruption(name: str) -> None:
    *mious, error, rate = LEVELS[name]
    assert corruption_error(mious, [KITTI_C.corrupted[name]]) == pytest.approx(error, abs=TWO_DECIMALS)
    assert resilience_rate(mious, 62.47) == pytest.approx(rate, abs=TWO_DECIMALS)


def test_the_sums_over_severities_are_what_the_definition_says() -> None:
    ours, theirs = (50.0, 40.0, 30.0), (60.0, 50.0, 10.0)
    assert corruption_error(ours, theirs) == pytest.approx(100 * (50 + 60 + 70) / (40 + 50 + 90))
    assert resilience_rate(ours, 80.0) == pytest.approx(100 * (50 + 40 + 30) / (3 * 80))


def test_a_baseline_of_another_set_is_refused() -> None:
    NUSCENES_C.check_set("nuScenes-C")
    with pytest.raises(ValueError, match="would compare the sets, not the networks") as refused:
        NUSCENES_C.check_set("corruptions computed from nuScenes v1.0-mini (val, 4 keyframes abc, seeds 0)")
    assert "minkunet18-nuscenes-c was measured on nuScenes-C" in str(refused.value)
    assert "--published" in str(refused.value)
    with pytest.raises(ValueError, match="measured on nuScenes-C, these scores are of SemanticKITTI-C"):
        NUSCENES_C.check_set("SemanticKITTI-C")


def test_a_baseline_is_named_or_a_folder(tmp_path: Path) -> None:
    assert named_baseline("minkunet18-nuscenes-c") is NUSCENES_C
    with pytest.raises(FileNotFoundError, match="minkunet18-nuscenes-c, minkunet18-semantickitti-c nor a folder"):
        named_baseline("minkunet18")
    found = {
        "name": "ours",
        "set": "corruptions computed from x",
        "clean": {"miou": 50.0},
        "corruptions": {name: {"mean": 40.0} for name in CORRUPTIONS},
    }
    file = tmp_path / "metrics.json"
    file.write_text(json.dumps({"results": {"robustness": found}}))
    ours = named_baseline(str(tmp_path))
    assert (ours.name, ours.measured_on, ours.clean, ours.corrupted["fog"]) == ("ours", found["set"], 50.0, 40.0)
    assert named_baseline(str(file)) == ours
    del found["corruptions"]["snow"]
    file.write_text(json.dumps({"results": {"robustness": found}}))
    with pytest.raises(ValueError, match="no whole result of lima robustness"):
        named_baseline(str(tmp_path))
