"""Oracle: predictions from the scores by hand, the nearest point by loops, and what was saved read back."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lima.encoder import load_encoder
from lima.evaluate.segmentation.segmenter import Segmenter, load_segmenter, save_segmenter, views_of_a_sweep
from lima.scene import Batch
from lima.students.student import build_student
from tests.evaluate.segmentation.made_up import CLASSES, POINTS, STUDENT, Drive


def segmenter(head: str = "linear") -> Segmenter:
    torch.manual_seed(0)
    made = Segmenter(build_student(STUDENT), CLASSES, head)  # type: ignore[arg-type]
    for parameter in made.head.parameters():
        torch.nn.init.normal_(parameter)
    return made.eval()


def test_every_point_has_a_class_and_those_out_of_range_that_of_the_nearest_in_it() -> None:
    made, frame = segmenter(), Drive("one").frame(0)
    points = frame.sweep.points_lidar
    with torch.no_grad():
        scores = made(Batch.from_points([points], [frame.sweep.intensity]))
    predicted = made.predict(frame)
    inside = [point for point in range(POINTS) if math.hypot(*points[point, :2].tolist()) <= STUDENT.max_range_m]
    assert 0 < len(inside) < POINTS
    for point in range(POINTS):
        nearest = min(inside, key=lambda other: math.dist(points[point].tolist(), points[other].tolist()))
        assert int(predicted[point]) == int(scores[nearest].argmax()) + 1


def test_the_ignored_class_is_never_predicted() -> None:
    assert set(segmenter().predict(Drive("one").frame(1)).tolist()) <= {1, 2, 3, 4}


def test_several_views_average_the_probabilities() -> None:
    made, frame = segmenter(), Drive("one").frame(0)
    frame = replace(frame, sweep=replace(frame.sweep, points_lidar=frame.sweep.points_lidar * 0.5))
    points = frame.sweep.points_lidar
    total = torch.zeros(POINTS, len(CLASSES) - 1)
    for turn, flip in ((0, 1), (120, -1), (240, 1)):
        angle = math.radians(turn)
        x, y = points[:, 0], points[:, 1] * flip
        turned = torch.stack(
            [x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle), points[:, 2]], dim=1
        )
        with torch.no_grad():
            total += made(Batch.from_points([turned], [frame.sweep.intensity])).softmax(dim=1)
    wanted = total.argmax(dim=1) + 1
    several = made.predict(frame, views=3)
    assert int((several != wanted).sum()) <= 4  # points on a voxel's border may fall either way
    assert not torch.equal(several, made.predict(frame))
    assert torch.equal(made.predict(frame, views=1), made.predict(frame))
    with pytest.raises(ValueError, match="once or more often, got 0 views"):
        made.predict(frame, views=0)


def test_views_of_a_sweep_are_flips_and_turns() -> None:
    for matrix in views_of_a_sweep(5):
        assert torch.allclose(matrix @ matrix.T, torch.eye(3).double())
        assert float(matrix[2, 2]) == 1
    assert torch.equal(views_of_a_sweep(1)[0], torch.eye(3).double())


@pytest.mark.parametrize("head", ["linear", "norm_linear", "mlp"])
def test_points_out_of_range_teach_the_head_nothing(head: str) -> None:
    """Batch norms included: with them or without them, the head learns the same from the points in range."""
    sweep = Drive("one").frame(0).sweep
    seen = sweep.points_lidar[:, :2].norm(dim=1) <= STUDENT.max_range_m
    assert 0 < int(seen.sum()) < POINTS
    everything = Batch.from_points([sweep.points_lidar], [sweep.intensity])
    only_seen = Batch.from_points([sweep.points_lidar[seen]], [sweep.intensity[seen]])
    one, other = segmenter(head).train(), segmenter(head).train()
    assert torch.allclose(one(everything)[seen], other(only_seen), rtol=1e-5, atol=1e-5)
    learned = other.head.state_dict()
    for name, tensor in one.head.state_dict().items():
        assert torch.allclose(tensor, learned[name], rtol=1e-5, atol=1e-6), name


@pytest.mark.parametrize("head", ["linear", "norm_linear", "mlp"])
def test_a_sweep_out_of_range_is_an_error(head: str) -> None:
    frame = Drive("one").frame(0)
    far = replace(frame, sweep=replace(frame.sweep, points_lidar=frame.sweep.points_lidar + 100))
    with pytest.raises(ValueError, match=r"no point of frame one 0 \(one\) is within the student's range"):
        segmenter(head).predict(far)


@pytest.mark.parametrize("head", ["linear", "norm_linear", "mlp"])
def test_what_was_saved_predicts_the_same(tmp_path: Path, head: str) -> None:
    made, frame = segmenter(head), Drive("one").frame(0)
    save_segmenter(tmp_path, made, STUDENT, {"protocol": "lima", "labels": {"hash": "abc"}})
    read = load_segmenter(tmp_path)
    assert read.class_names == CLASSES
    assert torch.equal(read.predict(frame), made.predict(frame))
    assert not any(parameter.requires_grad for parameter in read.parameters())
    told = json.loads((tmp_path / "segmenter.json").read_text())
    assert (told["protocol"], told["labels"], told["head"]) == ("lima", {"hash": "abc"}, head)
    assert load_encoder(tmp_path).dim == made.student.dim  # the student alone is an encoder


def test_errors_say_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"segmenter\.json is missing: .* not a folder of fine-tuning"):
        load_segmenter(tmp_path)
    save_segmenter(tmp_path, segmenter("linear"), STUDENT, {})
    (tmp_path / "segmenter.json").write_text(json.dumps({"class_names": CLASSES, "head": "mlp"}))
    with pytest.raises(ValueError, match="does not fit the head"):
        load_segmenter(tmp_path)
    (tmp_path / "segmenter.json").write_text("{}")
    with pytest.raises(ValueError, match="does not describe a segmenter"):
        load_segmenter(tmp_path)
    (tmp_path / "head.safetensors").unlink()
    (tmp_path / "segmenter.json").write_text(json.dumps({"class_names": CLASSES, "head": "mlp"}))
    with pytest.raises(FileNotFoundError, match=r"head\.safetensors is missing"):
        load_segmenter(tmp_path)
