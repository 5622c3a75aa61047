"""Oracle: means and spreads by hand over the metrics.json that every fine-tuning left, and what a table may hold."""

from __future__ import annotations

import json
import math
import statistics
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import torch

from lima.config import FinetuneConfig, SegmentationConfig
from lima.encoder import save_student
from lima.evaluate import study as studies
from lima.evaluate.segmentation import finetune as finetuning
from lima.evaluate.segmentation import generalisation, study
from lima.evaluate.segmentation.efficiency import label_efficiency
from lima.evaluate.segmentation.generalisation import columns_of, domain_generalisation, published_figures
from lima.evaluate.segmentation.study import Finetunings
from lima.evaluate.study import Column
from lima.students.student import build_student
from tests.evaluate.segmentation.made_up import STUDENT, Drive, MadeUpDataset

LEARNING = SegmentationConfig(steps=2, batch=2, scorings=2)
DATASET = MadeUpDataset({"train": [Drive("one"), Drive("two")], "val": [Drive("three", frames=1)]})


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two pretrainings, and the same dataset wherever one is asked for."""
    monkeypatch.setattr(finetuning, "open_dataset", lambda data, at_gap: DATASET)
    monkeypatch.setattr(studies, "open_dataset", lambda data, at_gap: DATASET)
    monkeypatch.setattr(generalisation, "open_dataset", lambda data: DATASET)
    folders = [tmp_path / "a", tmp_path / "b"]
    for seed, folder in enumerate(folders):
        torch.manual_seed(seed)
        save_student(folder, build_student(STUDENT), STUDENT)
    return folders


def test_every_start_meets_every_fraction_and_nothing_is_done_twice(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, said = tmp_path / "out", []
    arguments = (["lima=" + ",".join(map(str, runs))], tmp_path, ["scene-1in2", "all"], [0, 1], LEARNING, out)
    metrics = label_efficiency(*arguments, say=said.append)
    assert said[:2] == [
        "2 starts x 2 columns x 2 seeds = 8 fine-tunings, 0 of them finished",
        "16 of 16 steps to go, beside scoring",
    ]
    for start in ("random", "lima"):
        for fraction in ("scene-1in2", "all"):
            cell = metrics["results"]["segmentation"][start][fraction]
            folders = [out / start / fraction / f"seed-{seed}" for seed in (0, 1)]
            each = [json.loads((folder / "metrics.json").read_text()) for folder in folders]
            mious = [one["results"]["segmentation"]["last"]["miou"] for one in each]
            assert cell["seeds"] == mious
            assert cell["miou"] == pytest.approx(statistics.fmean(mious))
            assert cell["miou_std"] == pytest.approx(statistics.stdev(mious))
            assert [one["started_from"] for one in each] == [str(run.resolve()) for run in runs]  # one run a seed
            assert [one["start"] for one in each] == ["random" if start == "random" else "pretrained"] * 2
            assert not any((folder / "checkpoints").exists() for folder in folders)
    assert metrics["labels"]["scene-1in2"]["sequences"] == ["two"]
    assert metrics["labels"]["all"]["keyframes"] == 6

    page = (out / "report.html").read_text()
    assert metrics["labels"]["all"]["hash"] in page
    assert "random initialisation" in page
    assert "without test-time augmentation" in page
    picture = ET.fromstring((out / "curves.svg").read_text())
    assert len([each for each in picture.iter() if each.tag.endswith("polyline")]) == 2

    def never(*_: Any) -> None:
        raise AssertionError("what is finished is not done again")

    with monkeypatch.context() as patch:
        patch.setattr(study, "finetune", never)
        again = label_efficiency(*arguments, say=said.append)
    assert again["results"] == metrics["results"]
    with pytest.raises(ValueError, match=r"random/scene-1in2/seed-0 was made otherwise \(learning.steps was 2, "):
        label_efficiency(*arguments[:4], SegmentationConfig(steps=3, batch=2, scorings=2), out)


def test_scenes_and_scans_are_refused_before_anything_is_done(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="scene-1in2 and scan-1in2 cannot share a table"):
        label_efficiency([str(runs[0])], tmp_path, ["scene-1in2", "scan-1in2"], [0], LEARNING, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_generalisation_has_a_column_for_every_dataset(runs: list[Path], tmp_path: Path) -> None:
    said: list[str] = []
    data = [f"rain={tmp_path}", f"euro={tmp_path}"]
    metrics = domain_generalisation(
        [str(runs[0])], data, "scene-1in2", [3], LEARNING, tmp_path / "out", random=False, say=said.append
    )
    assert list(metrics["results"]["segmentation"]) == ["a"]
    assert list(metrics["results"]["segmentation"]["a"]) == ["rain", "euro"]
    assert metrics["results"]["segmentation"]["a"]["rain"]["miou_std"] is None  # of one seed there is no spread
    assert (tmp_path / "out" / "a" / "euro" / "seed-3" / "labels.json").exists()
    assert "Domain generalisation" in (tmp_path / "out" / "report.html").read_text()
    with pytest.raises(ValueError, match=r"is made up, for which nobody has fixed a share of the labels"):
        columns_of([str(tmp_path)], None)
    with pytest.raises(ValueError, match="two datasets are called made up"):
        columns_of([str(tmp_path), str(tmp_path)], "all")


def test_the_paper_s_figures_stand_only_beside_its_own_columns() -> None:
    path = Path("somewhere")
    official = [Column("SemanticPOSS", path, "all"), Column("SynLiDAR", path, "scan-1in100")]
    figures = published_figures([*official, Column("town", path, "all")])
    assert figures["LiMA ViT-B (the paper)"] == {"SemanticPOSS": 57.81, "SynLiDAR": 46.66}
    assert figures["one frame (the paper: ScaLR)"] == {"SemanticPOSS": 56.86, "SynLiDAR": 44.42}
    assert figures["random initialisation (the paper)"] == {"SemanticPOSS": 54.12, "SynLiDAR": 19.89}
    assert published_figures([Column("SemanticPOSS", path, "scan-1in10")]) == {}


def test_a_class_absent_for_one_seed_does_not_count_there() -> None:
    def metrics(miou: float, car: float | None) -> dict[str, Any]:
        scores = {"miou": miou, "per_class": {"car": car, "bus": None}}
        return {"results": {"segmentation": {"last": scores, "best": {**scores, "miou": miou + 1}}}}

    cell = Finetunings(LEARNING, "lima").cell([metrics(10.0, 20.0), metrics(12.0, None), metrics(17.0, 30.0)])
    assert cell.per_class["car"] == pytest.approx((25.0, math.sqrt(50)))
    assert all(math.isnan(value) for value in cell.per_class["bus"])
    told = cell.as_dict()
    assert (told["miou"], told["best_epoch_miou"]) == (13.0, 14.0)
    assert told["miou_std"] == pytest.approx(math.sqrt(13))
    assert told["per_class"]["bus"] is None


def test_settings_of_a_fine_tuning_are_not_options_of_a_study() -> None:
    """Labels, start and seed are the study's own: they stand in columns, rows and seeds."""
    assert {"labels", "start", "seed"} == {*vars(FinetuneConfig())} - {"learning"}
    assert not {"labels", "start", "seed"} & {*vars(SegmentationConfig())}
