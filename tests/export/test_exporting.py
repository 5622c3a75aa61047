"""Oracle: what a user types and finds: files that the libraries' loaders take, folders that load_encoder takes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from lima.cli import parse
from lima.commands.export import Encode, Export
from lima.encoder import load_encoder
from lima.export.encoding import encode_dataset
from lima.export.exporting import export_run
from lima.scene import Sequence
from tests.export.students import MINKUNET, SPUNET, VOXELNET, saved
from tests.train.drives import Drive


class Drives:
    """A dataset of made-up drives."""

    name, class_names, split_names = "made up", ("ignored",), ("train",)

    def __init__(self, *lengths: int) -> None:
        self.drives: list[Sequence] = [Drive(f"drive/{index}", length) for index, length in enumerate(lengths)]

    def sequences(self, split: str | None = None) -> list[Sequence]:
        return self.drives


@pytest.mark.parametrize(
    ("to", "config", "outer"),
    [("mmdet3d", MINKUNET, "state_dict"), ("pointcept", SPUNET, "state_dict"), ("openpcdet", VOXELNET, "model_state")],
)
def test_a_file_that_torch_loads_safely(tmp_path: Path, to: str, config: object, outer: str) -> None:
    run = saved(tmp_path / "run", config)  # type: ignore[arg-type]
    said: list[str] = []
    export_run(run, to, tmp_path / "out" / "weights.pth", say=said.append)  # type: ignore[arg-type]
    assert outer in torch.load(tmp_path / "out" / "weights.pth", weights_only=True)
    assert "100.0 % matched" in said[0]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["weights.pth"]
    with pytest.raises(FileExistsError, match=r"weights\.pth exists"):
        export_run(run, to, tmp_path / "out" / "weights.pth")  # type: ignore[arg-type]


def test_the_hub_folder_loads_and_says_where_it_comes_from(tmp_path: Path) -> None:
    run = saved(tmp_path / "run", MINKUNET)
    record = {
        "data": "/somewhere/streets",
        "config": {"teacher": {"name": "facebook/dinov2-small"}, "split": "train"},
        "keyframes": ["a", "b", "c"],
        "versions": {"torch": "2.13.0"},
    }
    (run / "config.json").write_text(json.dumps(record))
    entry = {"miou": 25.18, "miou_std": 0.27, "per_class": {}, "split": "learned on 9, scored on 3"}
    (run / "metrics.json").write_text(json.dumps({"results": {"linear_probe": {"lima": entry}}}))
    with pytest.raises(ValueError, match=r"asks for a licence, --licence"):
        export_run(run, "hub", tmp_path / "hub")
    export_run(run, "hub", tmp_path / "hub", licence="cc-by-nc-sa-4.0", say=lambda _: None)
    points = torch.rand(50, 4)
    assert torch.equal(load_encoder(tmp_path / "hub").encode(points), load_encoder(run).encode(points))
    card = (tmp_path / "hub" / "README.md").read_text()
    assert card.startswith("---\nlicense: cc-by-nc-sa-4.0\n")
    for words in (
        "`facebook/dinov2-small`",
        "`streets`, split train, 3 keyframes",
        "| LiMA | 25.18 ± 0.27 |",
        "2.13.0",
    ):
        assert words in card
    assert "/somewhere" not in card
    (run / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"config\.json is missing: the card tells"):
        export_run(run, "hub", tmp_path / "again", licence="mit")
    assert not (tmp_path / "again").exists()


def test_onnx_is_written_and_compared(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install lima-lidar[onnx]")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install lima-lidar[onnx]")
    run = saved(tmp_path / "run", MINKUNET)
    said: list[str] = []
    export_run(run, "onnx", tmp_path / "net.onnx", intensity_max=255.0, say=said.append)
    onnx.checker.check_model(str(tmp_path / "net.onnx"))
    assert "onnxruntime computes the same" in said[0]
    assert "features, within_0" in said[1]


def test_encoded_features_are_those_of_the_encoder_and_an_interrupted_run_is_completed(tmp_path: Path) -> None:
    run = saved(tmp_path / "run", MINKUNET)
    data, out, said = Drives(3, 2), tmp_path / "features", []
    encode_dataset(run, data, None, out, said.append)
    index = json.loads((out / "encoding.json").read_text())
    assert list(index["frames"]) == [token for drive in data.drives for token in drive.tokens]
    assert index["frames"]["drive/1-1"] == "drive_1/000001.npy"
    sweep = data.drives[1].frame(1).sweep
    expected = load_encoder(run).encode(sweep.points_lidar, sweep.intensity).half().numpy()
    found = np.load(out / "drive_1" / "000001.npy")
    assert found.dtype == np.float16
    assert np.array_equal(found, expected)
    assert said[0].startswith("5 frames of about 300 points, 24 numbers each: 0.00 GB")

    (out / "drive_1" / "000001.npy").unlink()
    stamp = (out / "drive_0" / "000000.npy").stat().st_mtime_ns
    encode_dataset(run, data, None, out, said.append)
    assert np.array_equal(np.load(out / "drive_1" / "000001.npy"), expected)
    assert (out / "drive_0" / "000000.npy").stat().st_mtime_ns == stamp
    assert said[-1].startswith("1 frames written, 4 were there")

    with pytest.raises(ValueError, match="holds features of other weights"):
        encode_dataset(saved(tmp_path / "other", SPUNET), data, None, out)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("")
    with pytest.raises(FileExistsError, match=r"is not empty and holds no encoding\.json"):
        encode_dataset(run, data, None, tmp_path / "full")


def test_the_commands() -> None:
    export = parse(["export", "R", "--to", "mmdet3d", "--out", "w.pth", "--intensity-max", "255"])
    assert isinstance(export, Export)
    assert (export.run_folder, export.to, export.intensity_max) == (Path("R"), "mmdet3d", 255.0)
    encode = parse(["encode", "R", "D", "--out", "O", "--split", "val"])
    assert isinstance(encode, Encode)
    assert (encode.data, encode.split) == (Path("D"), "val")
