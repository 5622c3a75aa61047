"""Oracle: the lines that a clock by hand asks for."""

from __future__ import annotations

import pytest

from lima.datasets import progress
from lima.datasets.progress import CountLines, CountProgress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_line_every_ten_seconds(clock: list[float]) -> None:
    said: list[str] = []
    lines = CountLines("scoring", 6, "keyframes", said.append)
    for now in (104.0, 109.0, 111.0, 112.0, 121.5, 122.0):
        clock[0] = now
        lines.advance()
    assert said == ["scoring: 3 of 6 keyframes", "scoring: 5 of 6 keyframes"]


@pytest.mark.parametrize("quiet", [False, True])
def test_without_a_terminal_lines_go_to_the_standard_error(
    clock: list[float], capsys: pytest.CaptureFixture[str], quiet: bool
) -> None:
    with CountProgress("detecting", 2, "keyframes", quiet=quiet) as shown:
        clock[0] = 111.0
        shown.advance()
        shown.advance()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == ("" if quiet else "detecting: 1 of 2 keyframes\n")
