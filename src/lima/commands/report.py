"""Pages to look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional


@dataclass(frozen=True)
class Report:
    """Write RUN/report.html: tables, curves and pictures of a run on one page that needs no network."""

    run_folder: Positional[Path]
    """folder of a pretraining run"""
    data: Path | None = None
    """dataset to draw; the one the run was trained on when left out"""
    compare: tuple[Path, ...] = ()
    """other runs to put beside it"""
    cache: Path | None = None
    """folder of the teacher's features; beside the dataset when left out"""

    def run(self) -> None:
        from lima.evaluate.report import write_report

        print(write_report(self.run_folder, self.data, self.compare, self.cache))


@dataclass(frozen=True)
class Demo:
    """Simulate, pretrain with one frame and with LiMA, probe both beside random initialisation, write a page."""

    size: Literal["full", "small"] = "full"
    out: Path = Path("runs/demo")

    def run(self) -> None:
        from lima.evaluate.demo import run_demo

        run_demo(self.out, self.size)
