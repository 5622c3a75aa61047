"""Oracle: what the words on the command line mean."""

from pathlib import Path

import pytest

from lima.cli import parse
from lima.commands.robustness import Corruptions, Robustness


def test_robustness() -> None:
    assert parse(["robustness", "RUN", "DATA"]) == Robustness(Path("RUN"), Path("DATA"))
    words = "robustness RUN DATA --every 4 --seeds 0 1 --published C --baseline minkunet18-nuscenes-c --random"
    assert parse(words.split()) == Robustness(
        Path("RUN"),
        Path("DATA"),
        every=4,
        seeds=(0, 1),
        published=Path("C"),
        baseline="minkunet18-nuscenes-c",
        random=True,
    )


def test_corruptions(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(["corruptions", "DATA", "--out", "sheet.png", "--split", "val"]) == Corruptions(
        Path("DATA"), Path("sheet.png"), split="val"
    )
    with pytest.raises(SystemExit):
        parse(["corruptions", "DATA"])
    assert "out" in capsys.readouterr().err
