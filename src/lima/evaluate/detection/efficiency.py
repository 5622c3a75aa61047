"""`lima detect-efficiency DATA --runs …`: how many labels pretraining saves a detector, as a table and as curves."""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Sequence as Series
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lima.config import DetectionConfig
from lima.evaluate.curves import curves_of, efficiency_picture, efficiency_pictures, ticks_of
from lima.evaluate.detection.published import published_figures
from lima.evaluate.detection.study import Detectors
from lima.evaluate.detection.tables import study_page, text_table
from lima.evaluate.study import Column, run_study, starts_of
from lima.evaluate.study_page import study_metrics
from lima.train.run_folder import write_atomically

HEADS = {"centerpoint": "CenterPoint", "second": "SECOND"}


def detection_efficiency(
    runs: Series[str],
    data: Path,
    labels: Series[str],
    seeds: Series[int],
    config: DetectionConfig,
    out: Path,
    random: bool = True,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Train a detector from every run, and from random initialisation, on every fraction; returns its metrics.json.

    runs: `Start.parse` each. random: have a row of random initialisation. `out` then holds every detector,
    metrics.json, curves.svg and report.html; what was finished before is not done again. Where the dataset is
    nuScenes's own, the paper's figures stand below ours.
    """
    columns = [Column(fraction, data, fraction) for fraction in labels]
    study = run_study(Detectors(config), starts_of(runs, random), columns, seeds, out, say)
    one = next(iter(study.metrics.values()))[0]
    reference = published_figures(config.detector.head, columns, one["labels"]["dataset"], one["val"])
    metrics = study_metrics("detect-efficiency", "detection", study, asdict(config))
    maps, nds = curves_of(study, lambda cell: cell.maps), curves_of(study, lambda cell: cell.nds)
    panels = [(maps, "mAP in %"), (nds, "NDS in %")]
    ticks = ticks_of(study)
    write_atomically(out / "metrics.json", json.dumps(metrics, indent=1, allow_nan=False) + "\n")
    write_atomically(out / "curves.svg", efficiency_pictures(panels, ticks) + "\n")
    lead = f"The same detector ({HEADS[config.detector.head]}) trained on parts of the labels of {data.resolve().name}."
    pictures = tuple(efficiency_picture(curves, ticks, y_label) for curves, y_label in panels)
    page = study_page("Label efficiency of detection", lead, study, config, pictures, reference)
    write_atomically(out / "report.html", page)
    say(text_table(study, reference))
    say(f"{out / 'report.html'}, {out / 'curves.svg'}")
    return metrics
