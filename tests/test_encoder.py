"""Oracle: the student itself, whose answers the loaded encoder must repeat bit for bit; and the wording of errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import lima
from lima.config import StudentConfig
from lima.encoder import Encoder, load_encoder, save_student
from lima.scene import Batch
from lima.students.student import Student, build_student
from tests.fresh_process import modules_after

CONFIG = StudentConfig(backbone="minkunet14", width=0.25, voxel_size_m=0.3, max_range_m=12.0)


@pytest.fixture
def student() -> Student:
    torch.manual_seed(0)
    student = build_student(CONFIG)
    with torch.no_grad():
        student(Batch.from_points(*[[value] for value in sweep(300)]))  # moves the running statistics
    return student


@pytest.fixture
def run(tmp_path: Path, student: Student) -> Path:
    save_student(tmp_path / "run", student, CONFIG)
    return tmp_path / "run"


def sweep(points: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(points)
    return torch.rand(points, 3, generator=generator) * 10 - 5, torch.rand(points, generator=generator)


def test_what_is_saved_is_what_encodes(run: Path, student: Student) -> None:
    points, intensity = sweep()
    expected = student.eval()(Batch.from_points([points], [intensity]))
    for path in (run, run / "student.safetensors", run / "student.json", str(run)):
        encoder = load_encoder(path)
        features = encoder.encode(points, intensity)
        assert torch.equal(features, expected)
        assert not features.requires_grad
        assert encoder.dim == features.shape[1] == 24
    assert sorted(file.name for file in run.iterdir()) == ["student.json", "student.safetensors"]


def test_a_batch_is_its_sweeps(run: Path) -> None:
    encoder = load_encoder(run)
    sweeps = [sweep(200), sweep(150)]
    batch = Batch.from_points([points for points, _ in sweeps], [intensity for _, intensity in sweeps])
    together = encoder.encode_batch(batch)
    assert torch.allclose(together, torch.cat([encoder.encode(*one) for one in sweeps]), atol=1e-5)


def test_a_list_of_sweeps_gives_a_list(run: Path) -> None:
    encoder = load_encoder(run)
    sweeps = [sweep(200), sweep(150)]
    found = encoder.encode([points for points, _ in sweeps], [intensity for _, intensity in sweeps])
    for features, one in zip(found, sweeps, strict=True):
        assert torch.allclose(features, encoder.encode(*one), atol=1e-5)
    assert encoder.encode([]) == []
    with pytest.raises(ValueError, match="2 sweeps of points do not go with 1 of intensities"):
        encoder.encode([points for points, _ in sweeps], [sweeps[0][1]])


def test_numpy_and_a_fourth_column_are_welcome(run: Path) -> None:
    encoder = lima.load_encoder(run)
    points, intensity = sweep()
    table = torch.cat([points, intensity[:, None]], dim=1)
    expected = encoder.encode(points, intensity)
    assert torch.equal(encoder.encode(table), expected)
    assert torch.equal(encoder.encode(table.double().numpy()), expected)
    assert torch.equal(encoder.encode(points.numpy(), intensity.numpy()), expected)
    assert torch.equal(encoder.encode([table.numpy()])[0], expected)
    with pytest.raises(ValueError, match=r"must be \(points, 4\), x, y, z, intensity, got \(200, 3\)"):
        encoder.encode(points)


def test_encoding_changes_nothing(run: Path) -> None:
    encoder = load_encoder(run)
    before = {name: value.clone() for name, value in encoder.student.state_dict().items()}
    encoder.encode(*sweep())
    for name, value in encoder.student.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_double_precision_points_are_welcome(run: Path) -> None:
    encoder = load_encoder(run)
    points, intensity = sweep()
    assert torch.equal(encoder.encode(points.double(), intensity.double()), encoder.encode(points, intensity))


def test_description_says_everything(run: Path) -> None:
    description = json.loads((run / "student.json").read_text())
    assert description["student"] == {
        "backbone": "minkunet14",
        "width": 0.25,
        "voxels": "cartesian",
        "voxel_size_m": 0.3,
        "voxel_azimuth_deg": 1.0,
        "max_range_m": 12.0,
        "voxel_height_m": 0.2,
        "lowest_m": -5.0,
        "highest_m": 3.0,
    }
    assert list(description["inputs"]) == ["x_m", "y_m", "z_m", "intensity"]
    assert description["dim"] == 24
    assert description["lima_version"].count(".") == 2


def test_needs_no_training_code() -> None:
    modules = modules_after("import lima.encoder")
    parts = {name.split(".")[1] for name in modules if name.startswith("lima.")}
    assert parts == {"config", "geometry", "scene", "sparse", "students", "encoder"}
    assert not {"transformers", "rich", "PIL", "torchvision"} & modules


@pytest.mark.parametrize(
    ("points", "intensity", "words"),
    [
        (torch.zeros(3, 50), torch.zeros(50), r"must be \(points, 3\), got \(3, 50\): transposed\?"),
        (torch.zeros(50, 4), torch.zeros(50), r"must be \(points, 3\), got \(50, 4\)"),
        (torch.zeros(50, 3), torch.zeros(49), r"intensity must be \(50,\), one per point, got \(49,\)"),
        (torch.zeros(50, 3), torch.zeros(50, 1), r"intensity must be \(50,\), one per point, got \(50, 1\)"),
        (torch.full((50, 3), torch.nan), torch.zeros(50), "50 of 50 are NaN or infinite"),
        (torch.zeros(50, 3), torch.full((50,), torch.inf), "50 of 50 are NaN or infinite"),
        (torch.zeros(50, 3), torch.full((50,), 200.0), "must lie in 0 … 1, got 200 … 200: divide 0 … 255 by 255"),
        (torch.zeros(50, 3), torch.full((50,), -0.5), r"must lie in 0 … 1, got -0.5 … -0.5$"),
        (torch.zeros(50, 3), torch.full((50,), 9999.0), r"must lie in 0 … 1, got 9999 … 9999$"),
    ],
)
def test_wrong_points_are_refused(student: Student, points: torch.Tensor, intensity: torch.Tensor, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Encoder(student).encode(points, intensity)


def test_a_list_is_not_the_intensity_of_one_sweep(student: Student) -> None:
    points, intensity = sweep(50)
    words = r"intensity must be a tensor or an array, \(50,\), as the points beside it, got a list: lists are for"
    with pytest.raises(ValueError, match=words):
        Encoder(student).encode(points, [intensity])  # type: ignore[call-overload]


def test_no_points_give_no_features(student: Student) -> None:
    assert Encoder(student).encode(torch.zeros(0, 3), torch.zeros(0)).shape == (0, 24)


@pytest.mark.parametrize("missing", ["student.json", "student.safetensors"])
def test_a_missing_file_is_named(run: Path, missing: str) -> None:
    (run / missing).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{missing} is missing: an encoder is read from the folder of a"):
        load_encoder(run)


def test_weights_of_another_network_are_refused_by_name(run: Path) -> None:
    weights = load_file(run / "student.safetensors")
    weights["decoder.extra"] = weights.pop("backbone.stem.0.norm.bias")
    weights["backbone.stem.1.norm.bias"] = torch.zeros(3)
    save_file(weights, run / "student.safetensors")
    with pytest.raises(ValueError, match=r"does not fit the network of student\.json") as error:
        load_encoder(run)
    assert "backbone.stem.0.norm.bias is missing" in str(error.value)
    assert "decoder.extra is not part of the network" in str(error.value)
    assert "backbone.stem.1.norm.bias is (3,), the network needs (8,)" in str(error.value)


def test_many_problems_are_summarised(run: Path) -> None:
    description = json.loads((run / "student.json").read_text())
    description["student"]["width"] = 0.5
    (run / "student.json").write_text(json.dumps(description))
    with pytest.raises(ValueError, match=r"; and \d+ more$"):
        load_encoder(run)


def test_a_broken_description_is_refused(run: Path) -> None:
    original = json.loads((run / "student.json").read_text())
    for broken in ("{", json.dumps({}), json.dumps({**original, "student": {"colour": 1}}), "[]"):
        (run / "student.json").write_text(broken)
        with pytest.raises(ValueError, match=r"student\.json does not describe a student of this version of lima"):
            load_encoder(run)


def test_other_inputs_are_refused(run: Path) -> None:
    description = json.loads((run / "student.json").read_text())
    description["inputs"]["x_m"] = 1.0
    (run / "student.json").write_text(json.dumps(description))
    with pytest.raises(ValueError, match="was trained on the inputs"):
        load_encoder(run)


def test_half_a_file_is_refused(run: Path) -> None:
    whole = (run / "student.safetensors").read_bytes()
    (run / "student.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        load_encoder(run)
