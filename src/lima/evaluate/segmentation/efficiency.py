"""`lima efficiency DATA --runs …`: how many labels pretraining saves, as a table and as curves."""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Sequence as Series
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lima.config import SegmentationConfig
from lima.evaluate.curves import curves_of, efficiency_picture, ticks_of
from lima.evaluate.segmentation.study import Finetunings
from lima.evaluate.segmentation.tables import study_page, text_table
from lima.evaluate.study import Column, run_study, starts_of
from lima.evaluate.study_page import study_metrics
from lima.train.run_folder import write_atomically


def label_efficiency(
    runs: Series[str],
    data: Path,
    labels: Series[str],
    seeds: Series[int],
    config: SegmentationConfig,
    out: Path,
    protocol: str = "lima",
    random: bool = True,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Fine-tune every run, and random initialisation, on every fraction; leaves `out` and returns its metrics.json.

    runs: `Start.parse` each. random: have a row of random initialisation. `out` then holds every fine-tuning,
    metrics.json, curves.svg and report.html; what was finished before is not done again.
    """
    columns = [Column(fraction, data, fraction) for fraction in labels]
    study = run_study(Finetunings(config, protocol), starts_of(runs, random), columns, seeds, out, say)
    metrics = study_metrics("efficiency", "segmentation", study, {**asdict(config), "protocol": protocol})
    picture = efficiency_picture(curves_of(study, lambda cell: cell.last), ticks_of(study), "mIoU in %")
    write_atomically(out / "metrics.json", json.dumps(metrics, indent=1, allow_nan=False) + "\n")
    write_atomically(out / "curves.svg", picture + "\n")
    lead = f"The same network fine-tuned on parts of the labels of {data.resolve().name}, by the protocol {protocol}."
    write_atomically(out / "report.html", study_page("Label efficiency", lead, study, config, picture))
    say(text_table(study))
    say(f"{out / 'report.html'}, {out / 'curves.svg'}")
    return metrics
