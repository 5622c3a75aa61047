"""Oracle: the simulator's own lists. A run on genuine files, from the tables to the encoder."""

import json
from pathlib import Path

import pytest
import torch

from lima.config import MethodConfig, OptimiserConfig, PretrainConfig, StudentConfig, TeacherConfig
from lima.datasets import open_dataset
from lima.encoder import load_encoder
from lima.train.pretrain import pretrain
from lima.train.run_folder import read_config

CONFIG = PretrainConfig(
    teacher=TeacherConfig(name="tiny", image_height_px=64, image_width_px=112),
    student=StudentConfig(backbone="minkunet14", width=0.25, voxel_size_m=0.5, max_range_m=40.0),
    method=MethodConfig(frames=3, occlusion_test=True),
    optimiser=OptimiserConfig(epochs=2, learning_rate=0.005, lanes=2),
    log_every_steps=1,
)


@pytest.mark.slow
def test_from_simulated_drives_to_an_encoder(
    simulated_nuscenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, cache = tmp_path / "run", tmp_path / "features"
    pretrain(simulated_nuscenes, run, CONFIG, cache, resume=False)
    told = capsys.readouterr().out
    assert "2 drives with 8 keyframes in split train" in told
    assert "teacher tiny: 8 frames are not in the cache yet" in told

    sequences = open_dataset(simulated_nuscenes).sequences("train")
    tokens = [token for sequence in sequences for token in sequence.tokens]
    assert json.loads((run / "config.json").read_text())["keyframes"] == tokens
    assert read_config(run) == CONFIG
    assert len(list(cache.rglob("*.safetensors"))) == len(tokens)
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert len(records) == 8
    assert records[-1]["loss"]["total"] < records[0]["loss"]["total"]
    assert all(0.5 < record["known_share"] <= 1 for record in records)

    sweep = sequences[0].frame(0).sweep
    features = load_encoder(run).encode(sweep.points_lidar, sweep.intensity)
    assert features.shape == (len(sweep.points_lidar), 24)
    assert torch.isfinite(features).all()

    pretrain(simulated_nuscenes, tmp_path / "again", CONFIG, cache, resume=False)
    assert "its features are all in the cache" in capsys.readouterr().out


def test_a_folder_without_drives_leaves_no_run_behind(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        pretrain(tmp_path / "nothing", tmp_path / "run", CONFIG)
    assert not (tmp_path / "run").exists()
