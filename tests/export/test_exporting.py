"""Oracle: what a user types and finds: files that the libraries' loaders take, folders that load_encoder takes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lima.cli import parse
from lima.commands.export import Encode, Export
from lima.datasets.readable import KeptFrames
from lima.encoder import load_encoder
from lima.export.encoding import encode_dataset
from lima.export.exporting import Destination, export_run
from lima.scene import Sequence
from tests.export.students import MINKUNET, SPUNET, VOXELNET, saved
from tests.train.drives import Drive

RECORD = {
    "command": "pretrain",
    "data": "/somewhere/streets",
    "config": {"teacher": {"name": "facebook/dinov2-small"}, "split": "train"},
    "keyframes": ["a", "b", "c"],
    "versions": {"torch": "2.13.0"},
}


class Drives:
    """A dataset of made-up drives, the last of which is the split val."""

    name, class_names, split_names = "made up", ("ignored",), ("train", "val")

    def __init__(self, *lengths: int) -> None:
        self.drives: list[Sequence] = [Drive(f"drive/{index}", length) for index, length in enumerate(lengths)]

    def sequences(self, split: str | None = None) -> list[Sequence]:
        return {None: self.drives, "train": self.drives[:-1], "val": self.drives[-1:]}[split]


class WithoutTheFirst(Drives):
    """As `--skip-bad` gives them where the first frame of every drive cannot be read."""

    def sequences(self, split: str | None = None) -> list[Sequence]:
        whole = super().sequences(split)
        return [KeptFrames(drive, tuple(range(1, len(drive))), lambda sequence: sequence) for drive in whole]


def assert_every_file_is_its_token_s(out: Path, run: Path, data: Drives) -> None:
    listed = json.loads((out / "encoding.json").read_text())["frames"]
    frames = {token: drive.frame(index) for drive in data.drives for index, token in enumerate(drive.tokens)}
    assert listed.keys() == frames.keys()
    assert {str(file.relative_to(out)) for file in out.rglob("*.npy")} == set(listed.values())
    encoder = load_encoder(run)
    for token, frame in frames.items():
        expected = encoder.encode(frame.sweep.points_lidar, frame.sweep.intensity).half().numpy()
        assert np.array_equal(np.load(out / listed[token]), expected), token


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
    export_run(run / "student.json", to, tmp_path / "same.pth", say=said.append)  # type: ignore[arg-type]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["weights.pth"]
    with pytest.raises(FileExistsError, match=r"weights\.pth exists"):
        export_run(run, to, tmp_path / "out" / "weights.pth")  # type: ignore[arg-type]


def test_the_hub_folder_loads_and_says_where_it_comes_from(tmp_path: Path) -> None:
    run = saved(tmp_path / "run", MINKUNET)
    (run / "config.json").write_text(json.dumps(RECORD))
    entry = {"miou": 25.18, "miou_std": 0.27, "per_class": {}, "split": "learned on 9, scored on 3"}
    (run / "metrics.json").write_text(json.dumps({"results": {"linear_probe": {"lima": entry}}}))
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
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hub", "run"]


def test_the_hub_takes_pretraining_runs_and_leaves_nothing_where_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, out = saved(tmp_path / "run", MINKUNET), tmp_path / "new" / "hub"
    with pytest.raises(FileNotFoundError, match=r"config\.json is missing: .* a pretraining run \(lima pretrain\)"):
        export_run(run, "hub", out, licence="mit")
    finetuned = {**RECORD, "command": "finetune", "config": {"split": "train"}, "started_from": "/runs/lima"}
    (run / "config.json").write_text(json.dumps(finetuned))
    with pytest.raises(ValueError, match=r"folder of lima finetune, .*; the one it started from is /runs/lima$"):
        export_run(run, "hub", out, licence="mit")
    assert not (tmp_path / "new").exists()

    (run / "config.json").write_text(json.dumps(RECORD))

    def disk_full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("lima.export.hub.os.replace", disk_full)
    with pytest.raises(OSError, match="No space left"):
        export_run(run, "hub", out, licence="mit")
    assert not any((tmp_path / "new").iterdir())


@pytest.mark.parametrize(
    ("to", "settings", "words"),
    [
        (
            "hub",
            {"licence": "mit", "intensity_max": 255.0},
            r"--intensity-max 255 is for other .*0 to 1\. Leave it out",
        ),
        ("hub", {}, r"the hub asks for a licence, --licence \(such as"),
        ("onnx", {"licence": "mit"}, "--licence mit is for the card of the hub: a file for onnx has no place for it"),
        ("mmdet3d", {"licence": "mit"}, "--licence mit is for the card of the hub: a file for mmdet3d has no place"),
    ],
)
def test_settings_without_use_are_refused(
    tmp_path: Path, to: Destination, settings: dict[str, Any], words: str
) -> None:
    run = saved(tmp_path / "run", MINKUNET)
    with pytest.raises(ValueError, match=words):
        export_run(run, to, tmp_path / "new" / "out", **settings)
    assert not (tmp_path / "new").exists()


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
    run, folder = saved(tmp_path / "run", MINKUNET), tmp_path / "data"
    data, out = Drives(3, 2), tmp_path / "features"
    said: list[str] = []
    encode_dataset(run, folder, data, None, out, said.append)
    index = json.loads((out / "encoding.json").read_text())
    assert list(index["frames"]) == [token for drive in data.drives for token in drive.tokens]
    assert index["frames"]["drive/1-1"] == "drive/1-1.npy"
    assert index["data"] == str(folder)
    assert np.load(out / "drive" / "1-1.npy").dtype == np.float16
    assert_every_file_is_its_token_s(out, run, data)
    assert said[0].startswith("5 frames of about 300 points, 24 numbers each: 0.00 GB")

    (out / "drive" / "1-1.npy").unlink()
    stamp = (out / "drive" / "0-0.npy").stat().st_mtime_ns
    encode_dataset(run, folder, data, None, out, said.append)
    assert_every_file_is_its_token_s(out, run, data)
    assert (out / "drive" / "0-0.npy").stat().st_mtime_ns == stamp
    assert said[-1].startswith("1 frames written, 4 were there")


def test_splits_and_frames_left_out_before_come_together(tmp_path: Path) -> None:
    run, folder, out = saved(tmp_path / "run", MINKUNET), tmp_path / "data", tmp_path / "features"
    said: list[str] = []
    for split in ("train", "val"):
        encode_dataset(run, folder, WithoutTheFirst(3, 2), split, out, said.append)
    assert list(json.loads((out / "encoding.json").read_text())["frames"]) == ["drive/0-1", "drive/0-2", "drive/1-1"]
    encode_dataset(run, folder, Drives(3, 2), None, out, said.append)
    assert said[-1].startswith("2 frames written, 3 were there")
    assert_every_file_is_its_token_s(out, run, Drives(3, 2))


def test_what_an_interrupted_run_leaves_is_listed(tmp_path: Path) -> None:
    run, out = saved(tmp_path / "run", MINKUNET), tmp_path / "features"

    def stop(line: str) -> None:
        if line == "drive/0: 3 frames":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_dataset(run, tmp_path / "data", Drives(3, 2), None, out, stop)
    assert list(json.loads((out / "encoding.json").read_text())["frames"]) == ["drive/0-0", "drive/0-1", "drive/0-2"]


def test_features_of_something_else_are_not_mixed_in(tmp_path: Path) -> None:
    run, data, out = saved(tmp_path / "run", MINKUNET), Drives(1), tmp_path / "features"
    (tmp_path / "link").symlink_to(tmp_path / "data")
    encode_dataset(run, tmp_path / "data", data, None, out, lambda _: None)
    encode_dataset(run, tmp_path / "link", data, None, out, lambda _: None)
    encode_dataset(run / "student.safetensors", tmp_path / "data", data, None, out, lambda _: None)
    before = (out / "encoding.json").read_text()
    with pytest.raises(ValueError, match=r"features of something else \(data .*/data, now .*/elsewhere\): ch"):
        encode_dataset(run, tmp_path / "elsewhere", data, None, out)
    with pytest.raises(ValueError, match=r"something else \(run run, now other; weights_sha256 .*; dim 24"):
        encode_dataset(saved(tmp_path / "other", replace(MINKUNET, width=0.125)), tmp_path / "data", data, None, out)
    assert (out / "encoding.json").read_text() == before
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("")
    with pytest.raises(FileExistsError, match=r"is not empty and holds no encoding\.json"):
        encode_dataset(run, tmp_path / "data", data, None, tmp_path / "full")


def test_the_commands() -> None:
    export = parse(["export", "R", "--to", "mmdet3d", "--out", "w.pth", "--intensity-max", "255"])
    assert isinstance(export, Export)
    assert (export.run_folder, export.to, export.intensity_max) == (Path("R"), "mmdet3d", 255.0)
    encode = parse(["encode", "R", "D", "--out", "O", "--split", "val"])
    assert isinstance(encode, Encode)
    assert (encode.data, encode.split) == (Path("D"), "val")
