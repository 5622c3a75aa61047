"""`lima efficiency DATA --runs …`: how many labels pretraining saves, as a table and as curves."""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Sequence as Series
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lima.config import SegmentationConfig
from lima.evaluate.segmentation.curves import Curve, efficiency_picture
from lima.evaluate.segmentation.study import RANDOM, Column, Start, Study, mean, percent_of, run_study, spread
from lima.evaluate.segmentation.tables import study_metrics, study_page, text_table, title_of
from lima.train.run_folder import write_atomically


def starts_of(runs: Series[str], random: bool) -> list[Start]:
    """The rows: random initialisation of the first run's student first, where it is wanted. Raises ValueError."""
    starts = [Start.parse(run) for run in runs]
    if not starts:
        raise ValueError("no run was named: --runs NAME=FOLDER …")
    return [*([Start(RANDOM, starts[0].folders, random=True)] if random else []), *starts]


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
    starts = starts_of(runs, random)
    columns = [Column(fraction, data, fraction) for fraction in labels]
    study = run_study(starts, columns, seeds, config, out, protocol, say)
    metrics = study_metrics("efficiency", study, {**asdict(config), "protocol": protocol, "seeds": list(seeds)})
    picture = picture_of(study)
    write_atomically(out / "metrics.json", json.dumps(metrics, indent=1, allow_nan=False) + "\n")
    write_atomically(out / "curves.svg", picture + "\n")
    lead = f"The same network fine-tuned on parts of the labels of {data.resolve().name}, by the protocol {protocol}."
    write_atomically(out / "report.html", study_page("Label efficiency", lead, study, config, seeds, picture))
    say(text_table(study))
    say(f"{out / 'report.html'}, {out / 'curves.svg'}")
    return metrics


def picture_of(study: Study) -> str:
    """The curves of a study whose columns are fractions."""
    columns = sorted(study.columns, key=percent_of)
    curves = []
    for start in study.starts:
        cells = [study.cells[start.name, column.name] for column in columns]
        curves.append(
            Curve(
                title_of(start.name),
                tuple(percent_of(column) for column in columns),
                tuple(mean(cell.last) for cell in cells),
                tuple(spread(cell.last) for cell in cells),
            )
        )
    return efficiency_picture(curves, [(percent_of(column), column.name) for column in columns])
