"""Oracle: what a user types and reads. One line and exit code 2 for a mistake; help before anything heavy is loaded."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lima import cli, recipes
from lima.cli import parse
from lima.commands import COMMANDS, Command
from lima.commands.command import name_of
from lima.commands.pretraining import Pretrain
from lima.commands.probing import Probe, Targets
from lima.commands.report import Demo, Report
from lima.commands.segmentation import Efficiency, Finetune, Generalisation, Predict, Score
from lima.commands.simulation import Simulate
from tests.fresh_process import modules_after


def lima(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "lima", *arguments], capture_output=True, text=True, check=False)


def test_help_loads_nothing_heavy() -> None:
    assert not {"torch", "numpy", "numba", "embreex", "transformers", "PIL"} & modules_after("import lima.cli")
    answer = lima("--help")
    assert answer.returncode == 0
    commands = [name_of(command) for command in COMMANDS]
    assert len(commands) > 15
    for command in commands:
        assert f" {command} " in answer.stdout


def test_flags_are_the_words_of_the_field() -> None:
    command = parse(
        [
            "pretrain",
            "D",
            "--out",
            "R",
            "--teacher",
            "T",
            "--student",
            "minkunet18",
            "--frames",
            "4",
            "--layers",
            "-1",
            "-2",
        ]
    )
    assert isinstance(command, Pretrain)
    assert (command.data, command.out, command.resume) == (Path("D"), Path("R"), False)
    assert command.config.teacher.name == "T"
    assert command.config.teacher.layers == (-1, -2)
    assert command.config.student.backbone == "minkunet18"
    assert command.config.method.frames == 4


def test_a_recipe_sets_what_is_not_said() -> None:
    command = parse(["pretrain", "D", "--out", "R", "--recipe", "scalr", "--epochs", "3", "--resume"])
    assert isinstance(command, Pretrain)
    assert command.resume
    assert command.config.optimiser.epochs == 3
    expected = recipes.scalr()
    assert (command.config.method, command.config.teacher) == (expected.method, expected.teacher)


def test_every_recipe_can_be_named() -> None:
    for name in recipes.RECIPES:
        command = parse(["pretrain", "D", "--out", "R", "--recipe", name])
        assert isinstance(command, Pretrain)
        assert command.config == recipes.RECIPES[name]()


def test_the_other_commands_take_their_settings() -> None:
    simulate = parse(
        [
            "simulate",
            "O",
            "--scenes",
            "2",
            "--keyframes",
            "3",
            "--town",
            "euro",
            "--weather",
            "rain",
            "--workers",
            "2",
            "--seed",
            "5",
        ]
    )
    assert isinstance(simulate, Simulate)
    assert (simulate.config.scenes, simulate.config.town, simulate.config.seed) == (2, ("euro",), 5)
    probe = parse(["probe", "R", "D", "--seeds", "0", "1"])
    assert isinstance(probe, Probe)
    assert probe.config.seeds == (0, 1)
    targets = parse(["targets", "D", "--frames", "1", "6", "--aggregation", "mean", "max", "--teacher", "tiny"])
    assert isinstance(targets, Targets)
    assert (targets.frames, targets.aggregation) == ((1, 6), ("mean", "max"))
    report = parse(["report", "R", "--compare", "A", "B"])
    assert isinstance(report, Report)
    assert report.compare == (Path("A"), Path("B"))
    demo = parse(["demo", "--size", "small"])
    assert isinstance(demo, Demo)
    assert demo.size == "small"


def parsed(line: str) -> Command:
    return parse(line.split())


def test_fine_tuning_and_what_is_done_with_it() -> None:
    finetune = parsed("finetune R D --out O --labels scene-1in100 --start random --seed 3 --epochs 5")
    assert isinstance(finetune, Finetune)
    assert (finetune.config.labels, finetune.config.start, finetune.config.seed) == ("scene-1in100", "random", 3)
    assert finetune.config.learning == replace(recipes.finetune_lima(), epochs=5)
    for protocol, recipe in recipes.PROTOCOLS.items():
        named = parsed(f"finetune R D --out O --protocol {protocol}")
        assert isinstance(named, Finetune)
        assert (named.protocol, named.config.learning) == (protocol, recipe())
    several = "efficiency D --out O --runs lima=A,B one=C --labels scene-1in9 all --protocol slidr --steps 9"
    efficiency = parsed(several)
    assert isinstance(efficiency, Efficiency)
    assert (efficiency.runs, efficiency.labels) == (("lima=A,B", "one=C"), ("scene-1in9", "all"))
    assert efficiency.config == replace(recipes.finetune_slidr(), steps=9)
    others = parsed("generalisation --out O --runs A --data rain=D E --labels all --no-random")
    assert isinstance(others, Generalisation)
    assert (others.data, others.labels, others.no_random) == (("rain=D", "E"), "all", True)
    predict = parsed("predict F D --out O --split test --views 4")
    assert isinstance(predict, Predict)
    assert (predict.split, predict.views) == ("test", 4)
    score = parsed("score F D --json S")
    assert isinstance(score, Score)
    assert (score.split, score.views, score.json) == ("val", 1, Path("S"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("pretrain {empty} --out {empty}/run", "lima: "),
        ("pretrain {empty}/nowhere --out {empty}/run", "nowhere"),
        ("probe {empty} {empty}", "is not the folder of a pretraining run"),
        ("report {empty}", "is not the folder of a pretraining run"),
        ("score {empty} {empty}", "is not a folder of fine-tuning that has finished"),
        ("efficiency {empty} --out {empty}/e --runs {empty} --labels scene-1in2 scan-1in2", "cannot share a table"),
        ("efficiency {empty} --out {empty}/e --runs {empty} --labels 1%", "labels are all, scene-1inN or scan-1inN"),
        ("simulate {empty}/sim --scenes 0", "scenes"),
        ("simulate {empty}/sim --town atlantis", "atlantis"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(tmp_path: Path, arguments: str, words: str) -> None:
    answer = lima(*arguments.format(empty=tmp_path).split())
    assert answer.returncode == cli.USER_MISTAKE
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.stderr.startswith("lima: ")


def test_an_unknown_option_is_refused() -> None:
    answer = lima("pretrain", "D", "--out", "R", "--recipe", "nobodys")
    assert answer.returncode == cli.USER_MISTAKE
    assert "nobodys" in answer.stdout + answer.stderr


def test_a_reader_that_stops_reading_gets_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "lima", "--help"]
    answer = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert answer.stderr == b""
    assert answer.returncode == 128 + signal.SIGPIPE
