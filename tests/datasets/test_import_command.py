"""Oracle: what a user types, and the line that comes back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lima import cli
from lima.cli import parse
from lima.commands.importing import Import
from lima.commands.odometry import Odometry
from lima.datasets import open_dataset
from tests.datasets.exporters import bags
from tests.datasets.exporters.drive import hand_made_drive
from tests.datasets.exporters.frames import assert_same_frames, frames_of

SOURCE = frames_of(hand_made_drive())


def lima(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "lima", *arguments], capture_output=True, text=True, check=False)


def test_flags_are_the_words_of_ros() -> None:
    command = parse(
        ["import", "a.bag", "b.mcap", "--out", "D", "--points", "/top", "--images", "front=/f", "/r", "--no-cameras",
         "--world-frame", "map", "--clock", "received", "--skip-bad"]
    )  # fmt: skip
    assert isinstance(command, Import)
    assert (command.bags, command.out) == ((Path("a.bag"), Path("b.mcap")), Path("D"))
    config = command.config
    assert (config.points, config.images, config.cameras) == ("/top", ("front=/f", "/r"), False)
    assert (config.world_frame, config.clock, config.skip_bad) == ("map", "received", True)
    command = parse(["odometry", "D", "--replace", "--drives", "monday"])
    assert isinstance(command, Odometry)
    assert (command.data, command.config.replace, command.config.drives) == (Path("D"), True, ("monday",))


def test_a_recording_is_imported_and_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = bags.write_bag(tmp_path / "Fahrt 1", SOURCE, "ros2")
    parse(["import", str(bag), "--list"]).run()
    assert "/lidar/points" in capsys.readouterr().out
    parse(["import", str(bag), "--out", str(tmp_path / "mine")]).run()
    (sequence,) = open_dataset(tmp_path / "mine").sequences()
    assert_same_frames([sequence.frame(index) for index in range(len(sequence))], SOURCE)


def test_out_or_list_must_be_said() -> None:
    with pytest.raises(ValueError, match="--out DIR is missing"):
        parse(["import", "a.bag"]).run()
    with pytest.raises(ValueError, match="no recording was named"):
        parse(["import", "--out", "D"]).run()


@pytest.mark.slow
def test_a_mistake_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    answer = lima("import", str(tmp_path / "nothing.bag"), "--out", str(tmp_path / "mine"))
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1
    assert "nothing.bag is missing" in answer.stderr


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, package in (("ros1", "rosbags"), ("mcap", "mcap.reader")):
        bag = bags.write_bag(tmp_path / "drive", SOURCE, kind)
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(ModuleNotFoundError, match=r"pip install 'lima-lidar\[bags\]'"):
            cli.parse(["import", str(bag), "--list"]).run()
        monkeypatch.undo()
