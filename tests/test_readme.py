"""Oracle: the front page. Every command on it is understood, and the way it describes is gone, with small settings."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lima.cli import parse
from lima.commands.pretraining import Pretrain
from lima.commands.probing import Probe
from lima.commands.report import Report
from lima.commands.segmentation import Finetune
from lima.commands.simulation import Simulate
from lima.datasets import open_dataset

README = (Path(__file__).parents[1] / "README.md").read_text()
COMMANDS = re.findall(r"^lima (.+?)(?:\s+#.*)?$", README, flags=re.MULTILINE)
SMALL = (
    "--student minkunet14 --width 0.25 --voxel-size-m 0.4 --epochs 1 --lanes 2 --frames 2 "
    "--image-height-px 64 --image-width-px 112"
)


def lima(command: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "lima", *command.split()], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr


def test_every_command_is_understood() -> None:
    commands = [parse(command.split()) for command in COMMANDS]
    for command, kind in zip(commands, (Simulate, Pretrain, Probe, Finetune, Report), strict=True):
        assert isinstance(command, kind)


def test_every_page_it_links_to_is_there() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert links
    assert [link for link in links if not (Path(__file__).parents[1] / link).exists()] == []


@pytest.mark.slow
def test_the_way_from_drives_to_features(simulated_nuscenes: Path, tmp_path: Path) -> None:
    data, run = simulated_nuscenes, tmp_path / "run"
    lima(f"pretrain {data} --out {run} --cache {tmp_path / 'features'} {SMALL}")
    lima(f"probe {run} {data} --epochs 1 --points-per-sweep 256 --seeds 0 1")
    lima(f"finetune {run} {data} --labels scene-1in2 --out {run}-1in2 --steps 2 --batch 2 --scorings 1")
    assert (tmp_path / "run-1in2" / "labels.json").exists()
    lima(f"report {run}")
    page = (run / "report.html").read_text()
    assert "random initialisation" in page
    assert "±" in page

    example = re.search(r"```python\n(.+?)```", README, flags=re.DOTALL)
    assert example is not None
    sweep = open_dataset(data).sequences("val")[0].frame(0).sweep
    names = {"points": sweep.points_lidar, "intensity": sweep.intensity}
    exec(example[1].replace("runs/streets", str(run)), names)
    features = names["features"]
    assert features.shape == (len(sweep.points_lidar), 24)
    assert torch.isfinite(features).all()
