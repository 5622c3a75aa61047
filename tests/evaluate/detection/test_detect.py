"""Oracle: a run that was stopped and gone on with is, bit for bit, one that was not; files say what they hold."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Literal

import pytest
import torch

from lima.cli import parse
from lima.commands.detection import Detect
from lima.config import DetectConfig, DetectionConfig, DetectorConfig, StudentConfig
from lima.datasets import open_dataset
from lima.encoder import load_encoder, save_student
from lima.evaluate.detection.center_head import CenterHead
from lima.evaluate.detection.detect import detect, start_detector
from lima.evaluate.detection.detector import load_detector, save_detector
from lima.evaluate.detection.learner import Learner
from lima.evaluate.detection.lidar_boxes import LidarBoxes
from lima.evaluate.detection.scoring import found_in
from lima.evaluate.detection.sweeps import SweepHistory
from lima.evaluate.fractions import LabelFraction, LabelList
from lima.students.student import build_student
from lima.train.interruption import Interrupted, StopSignals

STUDENT = StudentConfig(backbone="voxelnet", width=0.25, voxel_size_m=0.8, max_range_m=25.6)
LEARNING = DetectionConfig(
    detector=DetectorConfig(bev_width=0.125, bev_layers=1, head_channels=8, head_upsampling=4),
    steps=2,
    batch=2,
    pictures=1,
    log_every_steps=1,
)
SMALL = DetectConfig(learning=LEARNING)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The student that a pretraining run leaves."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(7)
    save_student(folder, build_student(STUDENT), STUDENT)
    return folder


def learner_of(run: Path, data: Path, config: DetectConfig) -> Learner:
    dataset = open_dataset(data)
    labels = LabelList(LabelFraction.parse(config.labels), dataset.sequences("train"), dataset.name, "train")
    return Learner(start_detector(run, config), labels, config.learning, config.seed)


@pytest.mark.parametrize(("head", "channels"), [("centerpoint", 8), ("second", None)])
def test_a_stopped_run_goes_on_as_if_it_had_not_been(
    head: Literal["centerpoint", "second"], channels: int | None, run: Path, simulated_nuscenes: Path
) -> None:
    network = replace(LEARNING.detector, head=head, head_channels=channels, head_upsampling=1)
    config = DetectConfig(learning=replace(LEARNING, steps=4, detector=network))
    whole, first = (learner_of(run, simulated_nuscenes, config) for _ in range(2))
    reports = [whole.train_step() for _ in range(4)]
    for _ in range(2):
        first.train_step()
    second = learner_of(run, simulated_nuscenes, replace(config, start="random"))  # its weights are exchanged
    second.load(first.checkpoint())
    assert second.seconds == first.seconds > 0
    again = [second.train_step() for _ in range(2)]
    assert second.seconds > first.seconds
    assert [report["loss"] for report in again] == [report["loss"] for report in reports[2:]]
    for (name, ours), theirs in zip(
        whole.detector.state_dict().items(), second.detector.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs), name


def test_what_starts_from_where(run: Path) -> None:
    pretrained, random = (start_detector(run, replace(SMALL, start=start)) for start in ("pretrained", "random"))  # type: ignore[arg-type]
    expected = load_encoder(run).student.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in pretrained.student.state_dict().items())
    name = "backbone.conv1.0.conv1.weight"
    assert not torch.equal(random.student.state_dict()[name], expected[name])
    other_seed = start_detector(run, replace(SMALL, seed=1))
    heads = [detector.head.state_dict() for detector in (pretrained, random, other_seed)]
    assert torch.equal(heads[0]["shared_conv.0.weight"], heads[1]["shared_conv.0.weight"])
    assert not torch.equal(heads[0]["shared_conv.0.weight"], heads[2]["shared_conv.0.weight"])


@pytest.mark.slow
def test_the_command_from_a_run_to_scores(run: Path, simulated_nuscenes: Path, tmp_path: Path) -> None:
    out = tmp_path / "detector"
    config = DetectConfig(labels="scene-1in2", learning=replace(LEARNING, class_balanced=False))
    metrics = detect(run, simulated_nuscenes, out, config)
    assert json.loads((out / "metrics.json").read_text()) == metrics
    found = metrics["results"]["detection"]
    assert 0 <= found["map"] <= found["nds"] <= 100
    assert len(found["ap"]) == 10
    labels = json.loads((out / "labels.json").read_text())
    second = open_dataset(simulated_nuscenes).sequences("train")[1]
    assert labels["tokens"] == {second.name: list(second.tokens)}
    assert metrics["labels"]["hash"] == labels["hash"]
    assert metrics["start_sha256"] == sha256((run / "student.safetensors").read_bytes()).hexdigest()
    val = open_dataset(simulated_nuscenes).sequences("val")[0]
    assert set(json.loads((out / "detections.json").read_text())["results"]) == set(val.tokens)
    assert len(list((out / "pictures").iterdir())) == 1
    assert [json.loads(line)["step"] for line in (out / "log.jsonl").read_text().splitlines()] == [1, 2]
    assert load_encoder(out).dim == load_encoder(run).dim

    detector = load_detector(out)
    history = SweepHistory(val, LEARNING.sweeps, LEARNING.max_age_s)
    _, again = found_in(detector, history, 1)
    assert len(again) == len(json.loads((out / "detections.json").read_text())["results"][val.tokens[1]])
    with pytest.raises(FileExistsError, match="not empty"):
        detect(run, simulated_nuscenes, out, config)
    scored_again = detect(run, simulated_nuscenes, out, config, resume=True)
    assert scored_again["seconds"]["training"] == metrics["seconds"]["training"] > 0  # no step was left to make
    with pytest.raises(ValueError, match="other settings"):
        detect(run, simulated_nuscenes, out, replace(config, seed=5), resume=True)


def test_a_caller_with_signals_of_its_own_stops_it(run: Path, simulated_nuscenes: Path, tmp_path: Path) -> None:
    signals = StopSignals()
    signals.received = signal.SIGTERM
    config = DetectConfig(learning=replace(LEARNING, class_balanced=False, ground_truth_sampling=False))
    with pytest.raises(Interrupted, match="SIGTERM: stopped after step 1 of 2"):
        detect(run, simulated_nuscenes, tmp_path / "out", config, signals=signals)
    assert [path.name for path in (tmp_path / "out" / "checkpoints").iterdir()] == ["step-00000001"]


def test_suppression_is_class_by_class_and_keeps_the_best(run: Path) -> None:
    detector = start_detector(run, SMALL)
    car = [0.0, 0.0, 0.0, 4.0, 2.0, 1.5, 0.0, 0.0, 0.0]
    values = torch.tensor([car, car, car, car])
    values[1, 0], values[3, 0] = 0.5, 10.0
    boxes = LidarBoxes(values, torch.tensor([0, 0, 1, 0]), torch.tensor([0.5, 0.6, 0.1, 0.7]))
    kept = detector._suppressed(boxes)
    assert kept.scores.tolist() == pytest.approx([0.7, 0.6, 0.1])
    assert len(detector._suppressed(LidarBoxes.none())) == 0


def with_head(head: Literal["centerpoint", "second"], channels: int | None) -> DetectConfig:
    network = replace(LEARNING.detector, head=head, head_channels=channels)
    return replace(SMALL, learning=replace(LEARNING, detector=network))


def test_channels_of_the_head(run: Path) -> None:
    for channels, expected in ((None, 64), (5, 5)):
        head = start_detector(run, with_head("centerpoint", channels)).head
        assert isinstance(head, CenterHead)
        widths = {part.out_channels for part in head.modules() if isinstance(part, torch.nn.Conv2d)}
        assert max(widths) == expected  # the other convolutions give what is asked of a box: one to three numbers
    with pytest.raises(ValueError, match="at least one channel, got head_channels = 0"):
        start_detector(run, with_head("centerpoint", 0))
    for ignored in (16, 64):
        with pytest.raises(ValueError, match=f"head_channels = {ignored} does nothing with the head second"):
            start_detector(run, with_head("second", ignored))


@pytest.mark.parametrize("head", ["centerpoint", "second"])
def test_a_detector_comes_back(head: Literal["centerpoint", "second"], run: Path, tmp_path: Path) -> None:
    detector = start_detector(run, with_head(head, None))
    save_detector(tmp_path, detector, STUDENT)
    description = json.loads((tmp_path / "detector.json").read_text())
    description["detector"]["head_channels"] = 64  # a file that names it stays readable, with either head
    for text in (None, json.dumps(description)):
        if text:
            (tmp_path / "detector.json").write_text(text)
        again = load_detector(tmp_path).state_dict()
        assert all(torch.equal(tensor, again[name]) for name, tensor in detector.state_dict().items())


def test_refusals(run: Path, simulated_nuscenes: Path, tmp_path: Path) -> None:
    other = StudentConfig(backbone="minkunet14", width=0.25)
    save_student(tmp_path, build_student(other), other)
    with pytest.raises(ValueError, match="needs a run of the student voxelnet, this one's is a MinkUNet"):
        start_detector(tmp_path, SMALL)
    with pytest.raises(FileNotFoundError, match=r"detector.json is missing"):
        load_detector(run)
    with pytest.raises(ValueError, match="one keyframe a step"):
        learner_of(run, simulated_nuscenes, DetectConfig(learning=replace(LEARNING, batch=0)))


def test_what_a_user_types() -> None:
    words = "detect RUN DATA --labels scene-1in20 --out DIR --start random --head second --no-class-balanced --sweeps 1"
    command = parse(words.split())
    assert isinstance(command, Detect)
    assert (command.run_folder, command.data, command.out) == (Path("RUN"), Path("DATA"), Path("DIR"))
    assert (command.config.labels, command.config.start) == ("scene-1in20", "random")
    learning = command.config.learning
    assert (learning.sweeps, learning.detector.head) == (1, "second")
    assert not learning.class_balanced
    assert learning.ground_truth_sampling
