"""Oracle: one process with the whole batch. Two that share it must come to the same weights, losses and scores.

In double precision, in which rounding cannot hide a mistake. Batches of three and of one: a share of one sweep beside
one of two, and none beside one.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lima.config import DetectConfig, DetectionConfig, DetectorConfig, FinetuneConfig, SegmentationConfig, StudentConfig
from lima.encoder import save_student
from lima.evaluate.detection.detect import start_detector
from lima.evaluate.detection.learner import Learner as DetectionLearner
from lima.evaluate.detection.scoring import Detections, detect_split
from lima.evaluate.fractions import LabelFraction, LabelList
from lima.evaluate.segmentation import finetune as finetuning
from lima.evaluate.segmentation.learner import Learner as SegmentationLearner
from lima.evaluate.segmentation.segmenter import Segmenter, load_segmenter
from lima.geometry.boxes import Boxes
from lima.scene import Frame, Sequence
from lima.students.student import build_student
from lima.train.processes import ALONE, Processes, start_processes
from tests.evaluate.segmentation.made_up import CLASSES, STUDENT, Drive, MadeUpDataset
from tests.train.free_port import free_port

VOXELNET = StudentConfig(backbone="voxelnet", width=0.25, voxel_size_m=0.8, max_range_m=25.6)
SEGMENTATION = SegmentationConfig(batch=3, epochs=1, learning_rate=0.01, head="mlp", scorings=1, log_every_steps=1)
DETECTION = DetectionConfig(
    detector=DetectorConfig(bev_width=0.125, bev_layers=1, head_channels=8, head_upsampling=2, min_score=0.05),
    batch=3,
    epochs=1,
    class_balanced=False,
)
CHANNELS = {"centerpoint": 8, "second": None}  # of every head
CATEGORIES = ("vehicle.car", "human.pedestrian.adult", "vehicle.car", "vehicle.truck", "movable_object.barrier")


@dataclass(frozen=True)
class DriveWithBoxes(Drive):
    """Every box lies around a point of the sweep; one more in every frame."""

    def frame(self, index: int) -> Frame:
        frame = super().frame(index)
        count = index + 2
        boxes = Boxes(
            centres_m=frame.sweep.points_lidar[:count].double(),
            sizes_m=torch.tensor([[4.0, 2.0, 1.5]], dtype=torch.float64).repeat(count, 1),
            rotations=torch.eye(3, dtype=torch.float64).repeat(count, 1, 1),
            velocities_mps=torch.ones(count, 3, dtype=torch.float64),
            categories=CATEGORIES[:count],
            instances=tuple(f"{index} {box}" for box in range(count)),
        )
        return replace(frame, read_boxes=lambda: boxes)


def labels_of(drive: Sequence) -> LabelList:
    return LabelList(LabelFraction.parse("all"), [drive], "made up", "train")


def segmented(processes: Processes) -> dict[str, Tensor]:
    """The state after the steps of an epoch and the next epoch's first."""
    torch.manual_seed(0)
    segmenter = Segmenter(build_student(STUDENT), CLASSES, "mlp")
    learner = SegmentationLearner(segmenter, labels_of(Drive("one", 4)), SEGMENTATION, seed=0, processes=processes)
    learner.segmenter.double()
    return state(learner.segmenter, [learner.train_step() for _ in range(3)])


def detected(processes: Processes, run: Path, head: str) -> dict[str, Tensor]:
    """The same of a detector."""
    network = replace(DETECTION.detector, head=head, head_channels=CHANNELS[head])  # type: ignore[arg-type]
    config = replace(DETECTION, detector=network)
    labels = labels_of(DriveWithBoxes("one", 4))
    detector = start_detector(run, DetectConfig(start="random", learning=config))
    learner = DetectionLearner(detector, labels, config, 0, processes)
    learner.detector.double()
    return state(learner.detector, [learner.train_step() for _ in range(3)])


def state(network: torch.nn.Module, reports: list[dict]) -> dict[str, Tensor]:
    numbers = [[*report["loss"].values(), report["gradient_norm"]] for report in reports]
    counts = [report.get("points", report.get("boxes")) for report in reports]
    return {
        **network.state_dict(),
        "losses and norms": torch.tensor(numbers, dtype=torch.float64),
        "counts": torch.tensor(counts),
    }


def detections(processes: Processes, run: Path) -> Detections:
    drives: list[Sequence] = [DriveWithBoxes("one", 2), DriveWithBoxes("two", 3)]
    detector = start_detector(run, DetectConfig(start="random", learning=DETECTION))
    return detect_split(detector, drives, 1, 0.5, processes)


def fine_tuned(run: Path, out: Path) -> dict:
    """The whole command, on a dataset made up for it."""
    finetuning.open_dataset = lambda data, at_gap: MadeUpDataset({"train": [Drive("one", 4)], "val": [Drive("two", 3)]})  # type: ignore[assignment,return-value]
    return finetuning.finetune(run, Path("drives"), out, FinetuneConfig(learning=SEGMENTATION))


def rank_of_two(folder: Path, rank: int, ports: tuple[int, int]) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(ports[0])}
    torch.set_num_threads(1)
    with start_processes("cpu") as processes:
        torch.save(segmented(processes), folder / f"segmentation-{rank}.pt")
        for head in CHANNELS:
            torch.save(detected(processes, folder / "voxelnet", head), folder / f"{head}-{rank}.pt")
        found = detections(processes, folder / "voxelnet")
        (folder / f"detections-{rank}.json").write_text(json.dumps([found.as_submission(), found.scores.as_dict()]))
    os.environ["MASTER_PORT"] = str(ports[1])  # on the same one a process may meet what is left of the first meeting
    metrics = fine_tuned(folder / "minkunet", folder / "two")
    (folder / f"metrics-{rank}.json").write_text(json.dumps(metrics["results"]))


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what two processes made, and with the runs that they began from."""
    folder, ports = tmp_path_factory.mktemp("several"), (free_port(), free_port())
    for name, config in (("minkunet", STUDENT), ("voxelnet", VOXELNET)):
        torch.manual_seed(0)
        save_student(folder / name, build_student(config), config)
    children = multiprocessing.get_context("forkserver")
    children.set_forkserver_preload(["tests.evaluate.test_several_processes"])
    ranks = [children.Process(target=rank_of_two, args=(folder, rank, ports)) for rank in range(2)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(timeout=300)
        assert process.exitcode == 0
    return folder


def assert_same(one: dict[str, Tensor], folder: Path, name: str) -> None:
    for rank in range(2):
        two = torch.load(folder / f"{name}-{rank}.pt", weights_only=True)
        assert two.keys() == one.keys()
        for key, value in one.items():
            torch.testing.assert_close(two[key], value, rtol=1e-7, atol=1e-9, msg=lambda text, k=key: f"{k}: {text}")


def test_fine_tuning_in_two_processes_equals_one(two_processes: Path) -> None:
    assert_same(segmented(ALONE), two_processes, "segmentation")


@pytest.mark.parametrize("head", CHANNELS)
def test_a_detector_of_two_processes_equals_that_of_one(two_processes: Path, head: str) -> None:
    assert_same(detected(ALONE, two_processes / "voxelnet", head), two_processes, head)


def test_a_batch_that_every_process_has_a_part_of(two_processes: Path) -> None:
    """Three sweeps a step, four labelled: two processes and three do; of eight five would wait all the time."""
    segmenter = Segmenter(build_student(STUDENT), CLASSES, "mlp")
    detector = start_detector(two_processes / "voxelnet", DetectConfig(start="random", learning=DETECTION))
    eight, three = (Processes(0, size, ALONE.device) for size in (8, 3))
    words = "a batch of 3 leaves 5 of 8 processes without a keyframe .* choose at least 8"
    with pytest.raises(ValueError, match=words):
        SegmentationLearner(segmenter, labels_of(Drive("one", 4)), SEGMENTATION, 0, eight)
    with pytest.raises(ValueError, match=words):
        DetectionLearner(detector, labels_of(DriveWithBoxes("one", 4)), DETECTION, 0, eight)
    SegmentationLearner(segmenter, labels_of(Drive("one", 4)), SEGMENTATION, 0, three)
    DetectionLearner(detector, labels_of(DriveWithBoxes("one", 4)), DETECTION, 0, three)


def test_shared_scoring_finds_the_same_boxes(two_processes: Path) -> None:
    one = detections(ALONE, two_processes / "voxelnet")
    assert len(one.boxes) > 10
    for rank in range(2):
        two = json.loads((two_processes / f"detections-{rank}.json").read_text())
        assert two == json.loads(json.dumps([one.as_submission(), one.scores.as_dict()]))


def test_the_command_in_two_processes(two_processes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finetuning, "open_dataset", finetuning.open_dataset)  # put back afterwards
    one = fine_tuned(two_processes / "minkunet", tmp_path / "one")["results"]["segmentation"]
    both = [json.loads((two_processes / f"metrics-{rank}.json").read_text())["segmentation"] for rank in range(2)]
    assert both[0] == both[1]
    assert both[0]["last"]["points"] == one["last"]["points"] == 3 * 360  # every frame of the split, once
    files = {str(path.relative_to(tmp_path / "one")) for path in (tmp_path / "one").rglob("*")}
    assert files == {str(path.relative_to(two_processes / "two")) for path in (two_processes / "two").rglob("*")}
    logs = [(folder / "log.jsonl").read_text().splitlines() for folder in (tmp_path / "one", two_processes / "two")]
    for ours, theirs in zip(*(map(json.loads, lines) for lines in logs), strict=True):
        assert ours["step"] == theirs["step"]
        if "loss" in ours:
            assert ours["points"] == theirs["points"]
            assert ours["loss"]["total"] == pytest.approx(theirs["loss"]["total"], rel=1e-3)
    weights = load_segmenter(two_processes / "two").state_dict()
    for name, value in load_segmenter(tmp_path / "one").state_dict().items():
        assert weights[name].shape == value.shape
