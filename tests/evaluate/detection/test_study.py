"""Oracle: means and spreads by hand over the metrics.json that every detector left, and the paper's table."""

from __future__ import annotations

import json
import math
import statistics
import xml.etree.ElementTree as ET
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from lima.cli import parse
from lima.commands.detection import DetectEfficiency
from lima.config import DetectConfig, DetectionConfig, StudentConfig
from lima.datasets.splits import official_splits
from lima.encoder import save_student
from lima.evaluate import study as studies
from lima.evaluate.detection import study as detection_study
from lima.evaluate.detection.classes import DETECTION_CLASSES
from lima.evaluate.detection.efficiency import detection_efficiency
from lima.evaluate.detection.pictures import ABOVE_PX, LINE_PX, split_picture
from lima.evaluate.detection.published import published_figures
from lima.evaluate.detection.study import Detectors
from lima.evaluate.fractions import LabelFraction, LabelList
from lima.evaluate.runs import start_record
from lima.evaluate.study import Column
from lima.students.student import build_student
from lima.train.interruption import StopSignals
from tests.evaluate.detection.test_detect import LEARNING
from tests.evaluate.segmentation.made_up import Drive, MadeUpDataset

STUDENT = StudentConfig(backbone="voxelnet", width=0.25, voxel_size_m=0.8, max_range_m=25.6)
DATASET = MadeUpDataset({"train": [Drive("one"), Drive("two")], "val": [Drive("three", frames=1)]})
UNITS = ("translation_m", "scale_1-iou", "orientation_rad", "velocity_mps", "attribute_1-acc")
GREEN, BLUE = (0, 120, 0), (0, 0, 120)


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Two pretrainings."""
    folders = [tmp_path / "a", tmp_path / "b"]
    for seed, folder in enumerate(folders):
        torch.manual_seed(seed)
        save_student(folder, build_student(STUDENT), STUDENT)
    return folders


def made_up(monkeypatch: pytest.MonkeyPatch, dataset: MadeUpDataset) -> None:
    """`detect` replaced by one that leaves scores known beforehand."""

    def detect(run: Path, data: Path, out: Path, config: DetectConfig, resume: bool, signals: StopSignals) -> Any:
        assert not signals.received
        labels = LabelList(LabelFraction.parse(config.labels), dataset.sequences("train"), dataset.name, "train")
        metrics = {
            "config": {**asdict(config), "data": str(data.resolve())},
            **start_record(run, config.start),
            "results": {"detection": scores(config, len(labels))},
            "labels": labels.summary(),
            "val": {sequence.name: list(sequence.tokens) for sequence in dataset.sequences("val")},
        }
        (out / "checkpoints").mkdir(parents=True)
        (out / "pictures").mkdir()
        for name in ("three-000", "three-005"):
            picture = Image.new("RGB", (2 * ABOVE_PX, 540 + ABOVE_PX + LINE_PX))
            picture.paste(GREEN, (ABOVE_PX, 540, 2 * ABOVE_PX, 540 + ABOVE_PX))
            picture.paste(BLUE, (0, 0, 2 * ABOVE_PX, 540))
            picture.save(out / "pictures" / f"{name}.jpg")
        (out / "metrics.json").write_text(json.dumps(metrics))
        return metrics

    monkeypatch.setattr(detection_study, "detect", detect)
    monkeypatch.setattr(studies, "open_dataset", lambda data, at_gap: dataset)


def scores(config: DetectConfig, keyframes: int) -> dict[str, Any]:
    """mAP grows with the labels and with pretraining; buses are not annotated."""
    value = 10.0 * keyframes + 5.0 * (config.start == "pretrained") + config.seed**2
    return {
        "map": value,
        "nds": value + 1.0,
        "ap": {name: 0.0 if name == "bus" else value + place for place, name in enumerate(DETECTION_CLASSES)},
        "mean_errors": {name: 0.1 * place + 0.01 * config.seed for place, name in enumerate(UNITS)},
        "annotated": {name: 0 if name == "bus" else 7 for name in DETECTION_CLASSES},
    }


def test_every_start_meets_every_fraction(runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(monkeypatch, DATASET)
    out, said = tmp_path / "out", list[str]()
    asked = ["lima=" + ",".join(map(str, runs)), f"one_frame={runs[1]}"]
    metrics = detection_efficiency(asked, tmp_path, ["scene-1in2", "all"], [0, 1, 2], LEARNING, out, say=said.append)
    assert said[:2] == [
        "3 starts x 2 columns x 3 seeds = 18 detectors, 0 of them finished",
        "36 of 36 steps to go, beside scoring",
    ]
    values = [35.0, 36.0, 39.0]  # three labelled keyframes of scene two, seeds squared
    cell = metrics["results"]["detection"]["lima"]["scene-1in2"]
    assert cell["seeds"] == [{"map": value, "nds": value + 1} for value in values]
    assert (cell["map"], cell["nds"]) == (pytest.approx(110 / 3), pytest.approx(113 / 3))
    assert cell["map_std"] == cell["nds_std"] == pytest.approx(statistics.stdev(values))
    assert cell["ap"]["truck"] == pytest.approx(110 / 3 + DETECTION_CLASSES.index("truck"))
    assert cell["ap"]["bus"] is None
    assert cell["ap_std"]["bus"] is None
    assert cell["mean_errors"]["scale_1-iou"] == pytest.approx(0.11)
    assert cell["mean_errors_std"]["scale_1-iou"] == pytest.approx(0.01)
    assert cell["annotated"]["car"] == 7
    assert metrics["results"]["detection"]["random"]["all"]["seeds"][0]["map"] == 60.0
    assert metrics["labels"]["scene-1in2"]["sequences"] == ["two"]
    assert metrics["starts"]["lima"] == [str(run) for run in runs]
    second = json.loads((out / "lima" / "all" / "seed-1" / "metrics.json").read_text())
    assert second["started_from"] == str(runs[1].resolve())

    page = (out / "report.html").read_text()
    for words in (
        "random initialisation",
        "one frame",
        "36.67 ± 2.08",
        "as zero: here bus.",
        "absent",
        "0.110 ± 0.010",
    ):
        assert words in page, words
    assert metrics["labels"]["all"]["hash"] in page
    assert "the paper" not in page
    # annotated once and three starts from above for two keyframes of two columns; on the cameras again each start
    assert page.count("<img") == 2 * 2 * (4 + 3)
    picture = ET.fromstring((out / "curves.svg").read_text())
    assert len([each for each in picture.iter() if each.tag.endswith("polyline")]) == 6
    assert "36.67 ± 2.08" in said[-2]
    again = list[str]()
    detection_efficiency(asked, tmp_path, ["scene-1in2", "all"], [0, 1, 2], LEARNING, out, say=again.append)
    assert again[0] == "3 starts x 2 columns x 3 seeds = 18 detectors, 18 of them finished"
    other = replace(LEARNING, sweeps=3)
    with pytest.raises(ValueError, match=r"seed-0 was made otherwise \(learning.sweeps was 10, now 3\)"):
        detection_efficiency(asked, tmp_path, ["scene-1in2"], [0], other, out)


def test_epochs_that_are_longer_are_told(runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(monkeypatch, DATASET)
    said: list[str] = []
    config = replace(LEARNING, steps=None, epochs=20, batch=2)
    detection_efficiency([str(runs[0])], tmp_path, ["all"], [0], config, tmp_path / "o", random=False, say=said.append)
    assert said[1] == (
        "60 of 60 steps to go, beside scoring; more than that, because class-balanced epochs are longer (4.4 times on "
        "nuScenes): each training says it"
    )
    said.clear()
    config = replace(config, class_balanced=False)
    detection_efficiency([str(runs[0])], tmp_path, ["all"], [0], config, tmp_path / "p", random=False, say=said.append)
    assert said[1] == "60 of 60 steps to go, beside scoring"


def test_the_paper_s_figures_stand_only_beside_nuscenes_itself() -> None:
    columns = [Column(labels, Path("data"), labels) for labels in ("scene-1in10", "scene-1in100", "scene-1in5")]
    val = official_splits()["val"]
    figures = published_figures("centerpoint", columns, "nuScenes v1.0-trainval", val)
    assert figures["LiMA (the paper)"] == {"scene-1in10": (50.1, 59.6), "scene-1in5": (52.3, 62.3)}
    assert figures["one frame (the paper: ScaLR)"]["scene-1in5"] == (50.7, 60.8)
    assert figures["random initialisation (the paper)"]["scene-1in10"] == (46.9, 55.5)
    second = published_figures("second", columns, "nuScenes v1.0-trainval", val)
    assert second == {"LiMA (the paper)": {"scene-1in10": (43.2, 55.3), "scene-1in5": (46.0, 59.5)}}
    assert published_figures("centerpoint", columns, "nuScenes v1.0-trainval", ["scene-0001"]) == {}  # simulated
    assert published_figures("centerpoint", columns, "nuScenes v1.0-mini", val) == {}
    assert published_figures("centerpoint", columns[1:2], "nuScenes v1.0-trainval", val) == {}


def test_the_paper_s_rows_stand_below_ours(runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drives = [Drive(name, frames=1) for name in sorted(official_splits()["val"])]
    train = [Drive(str(number), frames=1) for number in range(20)]
    made_up(monkeypatch, MadeUpDataset({"train": train, "val": list(drives)}, "nuScenes v1.0-trainval"))
    said: list[str] = []
    labels = ["scene-1in20", "all"]
    detection_efficiency([str(runs[0])], tmp_path, labels, [0], LEARNING, tmp_path / "o", random=False, say=said.append)
    rows = [line.split() for line in said[-2].splitlines()]
    assert rows[0] == ["scene-1in20", "mAP", "NDS", "all", "mAP", "NDS"]
    assert rows[1] == ["a", "15.00", "16.00", "205.00", "206.00"]
    assert rows[-1] == ["LiMA", "(the", "paper)", "46.5", "56.4"]
    assert "the paper: ScaLR" in (tmp_path / "o" / "report.html").read_text()


def test_a_picture_comes_apart_where_it_was_put_together() -> None:
    picture = Image.new("RGB", (2 * ABOVE_PX, 270 + ABOVE_PX + LINE_PX))
    picture.paste(GREEN, (ABOVE_PX, 270, 2 * ABOVE_PX, 270 + ABOVE_PX))
    picture.paste(BLUE, (0, 0, 2 * ABOVE_PX, 270))
    parts = split_picture(picture)
    assert parts.cameras is not None
    assert parts.cameras.getcolors() == [(2 * ABOVE_PX * 270, BLUE)]
    assert parts.found.getcolors() == [(ABOVE_PX**2, GREEN)]
    assert parts.annotated.getcolors() == [(ABOVE_PX**2, (0, 0, 0))]
    assert split_picture(picture.crop((0, 270, *picture.size))).cameras is None
    with pytest.raises(ValueError, match="300 x 300 px"):
        split_picture(picture.resize((300, 300)))


def test_a_run_without_a_voxelnet_is_refused(tmp_path: Path) -> None:
    student = StudentConfig(backbone="minkunet14", width=0.125, voxel_size_m=1.0, max_range_m=20.0)
    save_student(tmp_path, build_student(student), student)
    with pytest.raises(ValueError, match="voxelnet"):
        Detectors(LEARNING).check(tmp_path)


@pytest.mark.slow
def test_a_real_detector(runs: list[Path], simulated_nuscenes: Path, tmp_path: Path) -> None:
    config = replace(LEARNING, class_balanced=False, ground_truth_sampling=False)
    out = tmp_path / "out"
    asked = ([str(runs[0])], simulated_nuscenes, ["all"], [4], config, out, False)
    metrics = detection_efficiency(*asked, say=lambda _: None)
    left = json.loads((out / "a" / "all" / "seed-4" / "metrics.json").read_text())
    cell = metrics["results"]["detection"]["a"]["all"]
    assert cell["map"] == left["results"]["detection"]["map"]
    assert cell["map_std"] is None
    assert not math.isnan(cell["nds"])
    assert (out / "report.html").read_text().count("<img") == 3  # annotated, found, and on the cameras
    assert detection_efficiency(*asked, say=lambda _: None)["results"] == metrics["results"]


def test_settings_of_a_detector_are_not_options_of_a_study() -> None:
    """Labels, start and seed are the study's own: they stand in columns, rows and seeds."""
    assert {"labels", "start", "seed"} == {*vars(DetectConfig())} - {"learning"}
    assert not {"labels", "start", "seed"} & {*vars(DetectionConfig())}
    words = "detect-efficiency D --out O --runs lima=A,B --seeds 1 2 --head second --steps 9 --no-random"
    command = parse(words.split())
    assert isinstance(command, DetectEfficiency)
    assert (command.runs, command.seeds, command.no_random) == (("lima=A,B",), (1, 2), True)
    assert command.labels == ("scene-1in20", "scene-1in10", "scene-1in5")
    assert (command.config.steps, command.config.detector.head) == (9, "second")
