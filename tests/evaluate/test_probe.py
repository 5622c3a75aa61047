"""Oracle: features from which the classes can be read by construction, a linear classifier in closed form, and laws."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lima.config import MethodConfig, ProbeConfig, StudentConfig
from lima.datasets import open_dataset
from lima.evaluate import probe_features
from lima.evaluate.metrics import confusion_matrix, iou_percent, miou_percent
from lima.evaluate.probe import ProbeResult, ProbeSplit, labelled_split, probe, probe_split
from lima.evaluate.probe_features import (
    FeatureSource,
    LabelledFeatures,
    collect,
    student_features,
    target_features,
    unified_features,
)
from lima.evaluate.probe_head import LinearProbe, fit, load_probe, save_probe
from lima.geometry.rigid import RigidTransform
from lima.method.cross_view import PointFeatures
from lima.scene import Batch, Frame, Sequence, Sweep
from lima.students.student import build_student
from tests.datasets import hand_made

CLASSES = ("ignored", "left", "right", "above", "never")
POINTS = 300
CONFIG = ProbeConfig(epochs=12, learning_rate=0.02, batch_points=64, points_per_sweep=200)


@dataclass(frozen=True)
class MadeUp:
    """A drive of random points; a point's class says where it lies, every tenth point is ignored."""

    name: str
    seed: int
    frames: int = 4

    @property
    def tokens(self) -> list[str]:
        return [f"{self.name} {index}" for index in range(self.frames)]

    @property
    def timestamps_ns(self) -> list[int]:
        return [index * 500_000_000 for index in range(self.frames)]

    def __len__(self) -> int:
        return self.frames

    def frame(self, index: int) -> Frame:
        generator = torch.Generator().manual_seed(1000 * self.seed + index)
        points = torch.randn(POINTS, 3, generator=generator) * 10
        pose = RigidTransform.identity()
        sweep = Sweep(points, torch.rand(POINTS, generator=generator), self.timestamps_ns[index], pose, pose)
        return Frame(self.tokens[index], self.name, index, sweep, (), lambda: labels_of_points(points))


def labels_of_points(points: Tensor) -> Tensor:
    labels = torch.where(points[:, 2] > 8, 3, torch.where(points[:, 1] > 0, 1, 2))
    labels[::10] = 0
    return labels


def telling(frame: Frame) -> PointFeatures:
    """Features that tell the class: its place, on a scale and with an offset that the batch norm has to remove."""
    points = frame.sweep.points_lidar
    on = torch.stack([points[:, 1] > 0, points[:, 2] > 8], dim=1).float()
    return PointFeatures(torch.cat([on * 500 + 3000, torch.ones_like(on)], dim=1), torch.ones(POINTS, dtype=torch.bool))


def telling_nothing(frame: Frame) -> PointFeatures:
    generator = torch.Generator().manual_seed(frame.index)
    return PointFeatures(torch.randn(POINTS, 4, generator=generator), torch.ones(POINTS, dtype=torch.bool))


def split() -> ProbeSplit:
    train: list[Sequence] = [MadeUp("one", 1), MadeUp("two", 2)]
    return ProbeSplit(train, [MadeUp("three", 3)], "made up")


def test_what_the_features_tell_is_found() -> None:
    result = probe(telling, split(), CLASSES, CONFIG)
    assert result.miou == pytest.approx(100)
    assert result.seeds == pytest.approx((100, 100, 100))
    assert result.miou_std == pytest.approx(0)
    assert {name: iou for name, iou in result.per_class.items() if not math.isnan(iou)} == pytest.approx(
        {"left": 100, "right": 100, "above": 100}
    )
    assert math.isnan(result.per_class["never"])  # not 100, and not in the mean
    assert probe(telling_nothing, split(), CLASSES, CONFIG).miou < 50


def test_the_counts_are_those_of_the_data() -> None:
    result = probe(telling, split(), CLASSES, CONFIG)
    labelled = POINTS - POINTS // 10
    assert (result.train_frames, result.val_frames) == (8, 4)
    assert result.train_points == 8 * CONFIG.points_per_sweep
    assert result.labelled_points == result.scored_points == 4 * labelled


def test_the_means_are_over_the_seeds() -> None:
    config = replace(CONFIG, epochs=1, seeds=(5, 6, 7, 8))
    result = probe(telling_nothing, split(), CLASSES, config)
    mious, per_class = [], []
    for number in range(4):
        confusion = torch.zeros(5, 5, dtype=torch.int64)
        for index in range(4):
            frame = split().val[0].frame(index)
            predicted = result.probes[number].predict(telling_nothing(frame).features)
            confusion += confusion_matrix(predicted, frame.read_labels(), 5)
        mious.append(miou_percent(confusion))
        per_class.append(iou_percent(confusion)[2].item())
    mean = sum(mious) / 4
    assert result.seeds == pytest.approx(mious)
    assert result.miou == pytest.approx(mean)
    assert result.miou_std == pytest.approx(math.sqrt(sum((miou - mean) ** 2 for miou in mious) / 3))
    assert result.per_class["right"] == pytest.approx(sum(per_class) / 4)
    assert result.miou_std > 0


def test_the_same_seed_is_the_same_probe_and_leaves_other_chance_alone() -> None:
    data = collect(telling_nothing, split().train, 200)
    torch.manual_seed(3)
    first = fit(data, len(CLASSES), CONFIG, seed=1)
    after = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(torch.rand(1), after)  # nothing was drawn from torch's own generator
    same, other = fit(data, len(CLASSES), CONFIG, seed=1), fit(data, len(CLASSES), CONFIG, seed=2)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), same.state_dict().values(), strict=True))
    assert not torch.equal(first.linear.weight, other.linear.weight)


def test_it_learns_what_a_solver_finds() -> None:
    """On overlapping classes: the loss of the probe against that of L-BFGS run to the minimum, on the same points."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(1, 4, (4000,), generator=generator)
    features = torch.randn(4000, 6, generator=generator) * 3 + 1
    features[:, :3] += torch.nn.functional.one_hot(labels - 1) * 4.0
    data = LabelledFeatures(features.half(), labels)
    probe = fit(data, 4, replace(CONFIG, epochs=40, weight_decay=0.0), seed=0)
    loss = float(torch.nn.functional.cross_entropy(probe(data.features.float()), labels - 1).detach())

    standard = (features - features.mean(dim=0)) / features.std(dim=0)
    solution = torch.nn.Linear(6, 3)
    solver = torch.optim.LBFGS(solution.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        loss = torch.nn.functional.cross_entropy(solution(standard), labels - 1)
        loss.backward()
        return loss

    solver.step(closure)
    best = float(closure().detach())
    assert best <= loss < best * 1.02


def test_frozen_means_statistics_too() -> None:
    """Not a buffer nor a parameter of the student moves, bit by bit, even if somebody leaves it in training mode."""
    torch.manual_seed(0)
    student = build_student(StudentConfig(backbone="minkunet14", width=0.125, voxel_size_m=2.0)).train()
    before = {name: tensor.clone() for name, tensor in student.state_dict().items()}
    source = student_features(student)
    student.train()
    result = probe(source, split(), CLASSES, replace(CONFIG, epochs=2))
    assert any(name.endswith("running_mean") for name in before)
    assert all(torch.equal(tensor, before[name]) for name, tensor in student.state_dict().items())
    assert all(parameter.requires_grad for parameter in student.parameters())  # the student itself may go on learning
    assert student.training
    again = probe(student_features(student), split(), CLASSES, replace(CONFIG, epochs=2))
    assert again.seeds == result.seeds


def test_features_are_those_of_evaluation_mode_whatever_was_seen_before() -> None:
    """By the stored statistics, not by those of the sweep itself; and looking at sweeps does not change them."""
    torch.manual_seed(0)
    student = build_student(StudentConfig(backbone="minkunet14", width=0.125, voxel_size_m=2.0))
    for name, buffer in student.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.uniform_(0.5, 2.0)
    frames = [MadeUp("one", 1).frame(index) for index in (0, 1, 0)]
    source = student_features(student.train())
    features = [source(frame).features for frame in frames]
    student.eval()
    with torch.no_grad():
        wanted = [student(Batch.from_points([frame.sweep.points_lidar], [frame.sweep.intensity])) for frame in frames]
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(features, wanted, strict=True))


def half_known(frame: Frame) -> PointFeatures:
    """Features only to the one side of a plane through the vehicle; NaN-like nonsense where there are none."""
    found = telling(frame)
    known = frame.sweep.points_lidar[:, 0] > 0
    return PointFeatures(torch.where(known[:, None], found.features, 12345.0), known)


def test_points_without_a_feature_take_the_class_of_the_nearest_that_has_one() -> None:
    result = probe(half_known, split(), CLASSES, CONFIG)
    confusion = torch.zeros(5, 5, dtype=torch.int64)
    for index in range(4):
        frame = split().val[0].frame(index)
        points, known, truth = frame.sweep.points_lidar, half_known(frame).known, frame.read_labels()
        exact = labels_of_points(points.clone())
        exact[::10] = torch.where(points[::10, 2] > 8, 3, torch.where(points[::10, 1] > 0, 1, 2))  # ignored ones too
        predicted = exact.clone()
        for point in torch.nonzero(~known)[:, 0].tolist():
            distances = [math.dist(points[point].tolist(), points[other].tolist()) if known[other] else math.inf
                         for other in range(POINTS)]  # fmt: skip
            predicted[point] = exact[distances.index(min(distances))]
        confusion += confusion_matrix(predicted, truth, 5)
    assert result.scored_points == result.labelled_points
    assert result.miou == pytest.approx(miou_percent(confusion))
    assert result.miou < 90


def test_points_without_a_feature_can_be_left_out_and_counted() -> None:
    result = probe(half_known, split(), CLASSES, CONFIG, unknown="leave_out")
    frames = [split().val[0].frame(index) for index in range(4)]
    seen = sum(int((half_known(frame).known & (frame.read_labels() > 0)).sum()) for frame in frames)
    assert result.miou == pytest.approx(100)
    assert result.scored_points == seen < result.labelled_points


def test_unknown_and_ignored_points_are_not_learned_from() -> None:
    data = collect(half_known, split().train, points_per_sweep=10_000)
    frames = [sequence.frame(index) for sequence in split().train for index in range(4)]
    wanted = [int((half_known(frame).known & (frame.read_labels() > 0)).sum()) for frame in frames]
    assert len(data.labels) == sum(wanted)
    assert int(data.labels.min()) == 1
    assert float(data.features.float().max()) < 12345


def test_features_and_labels_stay_together() -> None:
    def with_class(frame: Frame) -> PointFeatures:
        return PointFeatures(frame.read_labels()[:, None].float() * 2, torch.ones(POINTS, dtype=torch.bool))

    data = collect(with_class, split().train, points_per_sweep=50)
    assert data.features[:, 0].tolist() == (data.labels * 2).tolist()
    assert len(data.labels) == 8 * 50


def test_much_goes_to_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    in_memory = collect(telling, split().train, 200)
    monkeypatch.setattr(probe_features, "MEMORY_BYTES", 100)
    in_file = collect(telling, split().train, 200)
    assert torch.equal(in_memory.features, in_file.features)
    assert fit(in_file, 5, CONFIG, 0).linear.weight.equal(fit(in_memory, 5, CONFIG, 0).linear.weight)


def test_a_seed_counts_once() -> None:
    with pytest.raises(ValueError, match="seed 3 was given twice"):
        probe(telling, split(), CLASSES, replace(CONFIG, seeds=(3, 1, 3)))


def test_errors_name_the_frame() -> None:
    def broken(frame: Frame) -> PointFeatures:
        return PointFeatures(torch.full((POINTS, 4), 1e6), torch.ones(POINTS, dtype=torch.bool))

    with pytest.raises(ValueError, match=r"features of frame one 0 \(one\) are NaN or beyond half precision"):
        collect(broken, split().train, 200)

    def blind(frame: Frame) -> PointFeatures:
        return PointFeatures(torch.zeros(POINTS, 4), torch.zeros(POINTS, dtype=torch.bool))

    with pytest.raises(ValueError, match="none of the 8 training frames has a labelled point with a feature"):
        collect(blind, split().train, 200)

    @dataclass(frozen=True)
    class Unlabelled(MadeUp):
        def frame(self, index: int) -> Frame:
            return replace(super().frame(index), read_labels=None)

    with pytest.raises(ValueError, match=r"frame dark 0 \(dark\) has no labels of points: learning and scoring need"):
        collect(telling, [Unlabelled("dark", 1)], 200)


def test_a_probe_can_be_kept(tmp_path: Path) -> None:
    probe = fit(collect(telling, split().train, 200), len(CLASSES), CONFIG, seed=0)
    save_probe(tmp_path / "probe.safetensors", probe)
    features = telling(MadeUp("four", 4).frame(0)).features
    assert torch.equal(load_probe(tmp_path / "probe.safetensors").predict(features), probe.predict(features))
    assert probe.predict(features[:0]).shape == (0,)
    with pytest.raises(FileNotFoundError, match=r"nothing\.safetensors is missing: .*lima probe RUN DATA"):
        load_probe(tmp_path / "nothing.safetensors")


def test_the_ignored_class_is_never_predicted() -> None:
    probe = LinearProbe(3, len(CLASSES), torch.Generator().manual_seed(0)).eval()
    predicted = probe.predict(torch.randn(1000, 3, generator=torch.Generator().manual_seed(1)) * 100)
    assert {1} <= set(predicted.tolist()) <= {1, 2, 3, 4}


def test_results_for_json_have_null_for_nan() -> None:
    told = probe(telling, split(), CLASSES, replace(CONFIG, seeds=(0,))).as_dict()
    assert told["per_class"] == {"left": 100.0, "right": 100.0, "above": 100.0, "never": None}
    assert (told["miou"], told["miou_std"], told["seeds"]) == (100.0, None, [100.0])
    assert told["split"] == "made up"


def image_features(frame: Frame) -> Tensor:
    """Something different for every frame and camera."""
    generator = torch.Generator().manual_seed(frame.index)
    return torch.randn(len(frame.images), 5, 3, 4, generator=generator)


def test_targets_need_no_student(tmp_path: Path) -> None:
    """One frame of memory is F_u itself; more frames know more points; and frames have to come in order."""
    sequence = open_dataset(hand_made.write_dataset(tmp_path)).sequences()[0]
    frames = [sequence.frame(index) for index in range(3)]
    unified = [unified_features(image_features)(frame) for frame in frames]
    single = target_features(image_features, MethodConfig(frames=1))
    for frame, wanted in zip(frames, unified, strict=True):
        assert torch.equal(single(frame).features, wanted.features)
    remembering = target_features(image_features, MethodConfig(frames=3, association_size_m=4.0))
    several = [remembering(frame) for frame in frames]
    assert torch.equal(several[0].features, unified[0].features)
    assert int(several[2].known.sum()) > int(unified[2].known.sum()) > 0
    with pytest.raises(ValueError, match="targets depend on the frames before: frame 1 of scene-0061 came after"):
        remembering(frames[1])
    assert torch.equal(remembering(frames[0]).features, unified[0].features)  # a new start forgets


def probed(source: FeatureSource, dataset_split: ProbeSplit, names: tuple[str, ...]) -> ProbeResult:
    return probe(source, dataset_split, names, replace(CONFIG, epochs=2), unknown="leave_out")


def test_named_splits_and_the_halves_of_one_drive(tmp_path: Path) -> None:
    dataset = open_dataset(hand_made.write_dataset(tmp_path / "two"))
    found = probe_split(dataset, CONFIG)
    assert [[s.name for s in part] for part in (found.train, found.val)] == [["scene-0061"], ["scene-0103"]]
    assert "1 sequences of train" in found.how
    result = probed(unified_features(image_features), found, dataset.class_names)
    assert 0 < result.scored_points < result.labelled_points

    def one_scene(tables: hand_made.Tables) -> None:
        kept = tables["scene"][0]["token"]
        samples = {row["token"] for row in tables["sample"] if row["scene_token"] == kept}
        tables["scene"] = tables["scene"][:1]
        for table, field in (
            ("sample", "token"),
            ("sample_data", "sample_token"),
            ("sample_annotation", "sample_token"),
        ):
            tables[table] = [row for row in tables[table] if row[field] in samples]

    single = open_dataset(hand_made.write_dataset(tmp_path / "one", one_scene))
    halves = probe_split(single, replace(CONFIG, temporal_gap_frames=2))
    assert [[list(s.tokens) for s in part] for part in (halves.train, halves.val)] == [
        [[hand_made.sample_token(0, 0)]],
        [[hand_made.sample_token(0, 3)]],
    ]
    assert "first 1" in halves.how
    assert "2 between them left out: one drive" in halves.how
    with pytest.raises(ValueError, match="no scenes in split 'night'"):
        probe_split(dataset, replace(CONFIG, train_split="night"))


def test_a_fraction_of_the_labels() -> None:
    """Whole scenes, or single scans; what is scored stays."""

    @dataclass(frozen=True)
    class Drives:
        name: str = "made up"
        class_names: tuple[str, ...] = CLASSES
        split_names: tuple[str, ...] = ("train", "val")

        def sequences(self, split: str | None = None) -> list[Sequence]:
            drives: list[Sequence] = [MadeUp("one", 1), MadeUp("two", 2), MadeUp("three", 3), MadeUp("four", 4)]
            return drives if split == "train" else [MadeUp("five", 5)]

    scenes = labelled_split(Drives(), replace(CONFIG, labels="scene-1in2"))
    assert [sequence.name for sequence in scenes.train] == ["two", "four"]
    scans = labelled_split(Drives(), replace(CONFIG, labels="scan-1in6"))
    assert [list(sequence.tokens) for sequence in scans.train] == [["one 0"], ["two 2"], ["four 0"]]
    assert [frame.token for frame in (scans.train[1].frame(0), scans.train[2].frame(0))] == ["two 2", "four 0"]
    assert [len(part.val[0]) for part in (scenes, scans)] == [4, 4]
    assert scans.labels is not None
    assert scans.labels["hash"] in scans.how
    result = probe(telling, scans, CLASSES, CONFIG)
    assert result.train_frames == 3
    assert result.train_points == 3 * CONFIG.points_per_sweep
