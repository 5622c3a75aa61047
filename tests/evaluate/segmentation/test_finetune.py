"""Oracle: drives whose heights tell the class, runs that were stopped beside ones that were not, and files."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch

from lima.config import FinetuneConfig, SegmentationConfig
from lima.encoder import WEIGHTS_FILE, load_encoder, save_student
from lima.evaluate.fractions import LabelFraction, LabelList
from lima.evaluate.segmentation import finetune as finetuning
from lima.evaluate.segmentation.finetune import finetune, start_segmenter, steps_to_score
from lima.evaluate.segmentation.learner import Learner
from lima.evaluate.segmentation.scoring import frames_of, score, scores_from_confusion
from lima.evaluate.segmentation.segmenter import load_segmenter
from lima.scene import Sequence
from lima.students.student import build_student
from lima.train.interruption import Interrupted, StopSignals
from lima.train.run_folder import read_config
from tests.evaluate.segmentation.made_up import CLASSES, STUDENT, Drive, MadeUpDataset

TRAIN: list[Sequence] = [Drive("one"), Drive("two"), Drive("three"), Drive("four")]
VAL: list[Sequence] = [Drive("five"), Drive("six")]
DATASET = MadeUpDataset({"train": TRAIN, "val": VAL})
LEARNING = SegmentationConfig(
    epochs=10, batch=3, learning_rate=0.01, head_rate_factor=2.0, scorings=2, scale_range=(1.0, 1.0)
)
CONFIG = FinetuneConfig(learning=LEARNING)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run's folder, and a dataset wherever one is asked for."""
    torch.manual_seed(11)
    save_student(tmp_path / "run", build_student(STUDENT), STUDENT)
    monkeypatch.setattr(finetuning, "open_dataset", lambda data, at_gap: DATASET)
    return tmp_path / "run"


def test_it_learns_and_says_how(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    metrics = finetune(run, tmp_path, out, CONFIG)
    results = metrics["results"]["segmentation"]
    assert results["last"]["miou"] > 80  # of three classes that the height alone tells
    assert results["last"]["per_class"]["never"] is None
    assert [scores["step"] for scores in results["scored"]] == [20, 40]
    assert results["best"]["miou"] == max(scores["miou"] for scores in results["scored"])
    assert results["last"]["epoch"] == 10
    assert json.loads((out / "metrics.json").read_text()) == json.loads(json.dumps(metrics))

    # the scores are those of what was left in the folder, and of no augmented view
    read = load_segmenter(out)
    again = scores_from_confusion(score(read, frames_of(VAL)), CLASSES)
    assert again.as_dict() == {name: results["last"][name] for name in ("miou", "per_class", "points")}
    assert load_encoder(out).dim == read.student.dim

    labels = json.loads((out / "labels.json").read_text())
    assert labels["tokens"] == {drive.name: list(drive.tokens) for drive in TRAIN}
    told = json.loads((out / "segmenter.json").read_text())
    assert told["labels"]["hash"] == metrics["labels"]["hash"] == labels["hash"]
    assert (told["protocol"], told["dataset"], told["start"]) == ("lima", "made up", "pretrained")
    weights = sha256((run / WEIGHTS_FILE).read_bytes()).hexdigest()
    assert told["start_sha256"] == metrics["start_sha256"] == weights
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log if "scores" in line] == [20, 40]
    assert all({"total", "cross_entropy", "lovasz"} == set(line["loss"]) for line in log if "loss" in line)
    with pytest.raises(ValueError, match="is the folder of lima finetune, not of a pretraining run"):
        read_config(out)


def test_only_the_chosen_labels_are_learned_from(run: Path, tmp_path: Path) -> None:
    labels = LabelList(LabelFraction.parse("scene-1in2"), TRAIN, "made up", "train")
    learner = Learner(start_segmenter(run, DATASET, CONFIG), labels, LEARNING, seed=0)
    asked: list[str] = []
    original = labels.frame
    labels.frame = lambda number: asked.append(labels.tokens[number]) or original(number)  # type: ignore[method-assign,func-returns-value]
    for _ in range(4):
        learner.train_step()
    assert sorted(asked) == sorted([*TRAIN[1].tokens, *TRAIN[3].tokens])  # two epochs, read once
    assert learner.epoch == 2


def test_the_start_is_the_run_or_fresh(run: Path) -> None:
    pretrained = start_segmenter(run, DATASET, CONFIG)
    weights = load_encoder(run).student.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in pretrained.student.state_dict().items())
    assert all(parameter.requires_grad for parameter in pretrained.parameters())
    fresh = start_segmenter(run, DATASET, replace(CONFIG, start="random"))
    again = start_segmenter(run, DATASET, replace(CONFIG, start="random"))
    other = start_segmenter(run, DATASET, replace(CONFIG, start="random", seed=1))
    first = next(iter(weights))
    assert not torch.equal(fresh.student.state_dict()[first], weights[first])
    assert torch.equal(fresh.student.state_dict()[first], again.student.state_dict()[first])
    assert not torch.equal(fresh.student.state_dict()[first], other.student.state_dict()[first])
    assert torch.equal(fresh.head.weight, pretrained.head.weight)  # only the student differs


def test_all_of_the_student_learns_statistics_too(run: Path) -> None:
    labels = LabelList(LabelFraction.parse("all"), TRAIN, "made up", "train")
    learner = Learner(start_segmenter(run, DATASET, CONFIG), labels, LEARNING, seed=0)
    before = {name: tensor.clone() for name, tensor in learner.segmenter.state_dict().items()}
    learner.train_step()
    assert [name for name, tensor in learner.segmenter.state_dict().items() if torch.equal(tensor, before[name])] == []


def test_a_stopped_run_ends_bit_for_bit_as_one_that_was_not(run: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, learning=replace(LEARNING, steps=6, checkpoint_every_steps=2, scorings=3))
    whole = finetune(run, tmp_path, tmp_path / "whole", config)

    class StopsAfterThree(StopSignals):
        asked = 0

        @property
        def received(self) -> int:
            StopsAfterThree.asked += 1
            return 15 if StopsAfterThree.asked >= 3 else 0

        @received.setter
        def received(self, value: int) -> None: ...

    with pytest.raises(Interrupted, match=r"SIGTERM: stopped after step 3 of 6.*--resume goes on"):
        finetune(run, tmp_path, tmp_path / "parts", config, signals=StopsAfterThree())
    with pytest.raises(FileExistsError, match="not empty"):
        finetune(run, tmp_path, tmp_path / "parts", config)
    with pytest.raises(ValueError, match=r"cannot change them: seed was 0, now 1"):
        finetune(run, tmp_path, tmp_path / "parts", replace(config, seed=1), resume=True)
    weights = (run / WEIGHTS_FILE).read_bytes()
    save_student(run, build_student(STUDENT), STUDENT)
    with pytest.raises(ValueError, match=r"cannot change them: .*run holds another student than it started from"):
        finetune(run, tmp_path, tmp_path / "parts", config, resume=True)
    (run / WEIGHTS_FILE).write_bytes(weights)
    parts = finetune(run, tmp_path, tmp_path / "parts", config, resume=True)
    assert parts["results"] == whole["results"]
    a, b = load_segmenter(tmp_path / "whole").state_dict(), load_segmenter(tmp_path / "parts").state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_augmentation_is_of_the_points_alone_and_can_be_left_out(run: Path) -> None:
    labels = LabelList(LabelFraction.parse("all"), TRAIN, "made up", "train")
    learner = Learner(start_segmenter(run, DATASET, CONFIG), labels, LEARNING, seed=0)
    points = Drive("one").frame(0).sweep.points_lidar
    first, second = learner._augmented(points, 0), learner._augmented(points, 1)
    assert not torch.equal(first, second)
    assert torch.allclose(first.norm(dim=1), points.norm(dim=1), rtol=1e-4)  # flips and turns: scale is 1 here
    plain = Learner(start_segmenter(run, DATASET, CONFIG), labels, replace(LEARNING, augmentation=False), seed=0)
    assert torch.equal(plain._augmented(points, 0), points)


def test_steps_to_score() -> None:
    assert steps_to_score(100, 4) == {25, 50, 75, 100}
    assert steps_to_score(3, 10) == {1, 2, 3}
    assert steps_to_score(7, 1) == {7}
    with pytest.raises(ValueError, match="scored at least once"):
        steps_to_score(7, 0)


def test_mistakes_are_told(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"scene-1in9 keeps no scene: the split has 4"):
        finetune(run, tmp_path, tmp_path / "out", replace(CONFIG, labels="scene-1in9"))
    assert not (tmp_path / "out").exists()
    with pytest.raises(FileNotFoundError, match=r"student\.json is missing"):
        finetune(tmp_path, tmp_path, tmp_path / "out", CONFIG)
    labels = LabelList(LabelFraction.parse("all"), TRAIN, "made up", "train")
    with pytest.raises(ValueError, match="at least one keyframe a step"):
        Learner(start_segmenter(run, DATASET, CONFIG), labels, replace(LEARNING, batch=0), seed=0)
    broken = Learner(start_segmenter(run, DATASET, CONFIG), labels, LEARNING, seed=0)
    torch.nn.init.constant_(broken.segmenter.head.weight, float("nan"))
    with pytest.raises(ValueError, match=r"the loss of step 1 is nan; the frames are .* lower the learning rate"):
        broken.train_step()
