"""`lima generalisation --runs … --data …`: pretrained on one dataset, fine-tuned on others, one table."""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Sequence as Series
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lima.config import SegmentationConfig
from lima.datasets import open_dataset
from lima.evaluate.fractions import LabelFraction
from lima.evaluate.segmentation.study import Finetunings
from lima.evaluate.segmentation.tables import study_page, text_table
from lima.evaluate.study import Column, run_study, starts_of
from lima.evaluate.study_page import study_metrics
from lima.train.run_folder import write_atomically

OFFICIAL_LABELS = {
    "ScribbleKITTI": "scan-1in100",
    "RELLIS-3D": "scan-1in100",
    "SemanticPOSS": "all",
    "SemanticSTF": "all",
    "SynLiDAR": "scan-1in100",
    "DAPS-3D": "all",
    "Synth4D": "scan-1in100",
}
"""the columns of the paper's table, by the names of the datasets, and what of their labels is learned from"""
PUBLISHED = {
    "LiMA ViT-B (the paper)": (45.90, 55.62, 57.81, 56.70, 46.66, 86.63, 66.04),
    "one frame (the paper: ScaLR)": (40.64, 52.53, 56.86, 55.96, 44.42, 85.58, 64.36),
    "random initialisation (the paper)": (23.81, 38.46, 54.12, 48.15, 19.89, 79.38, 20.22),
}
"""mIoU in %: MinkUNet-34, pretrained on nuScenes; in the order of `OFFICIAL_LABELS`"""


def columns_of(data: Series[str], labels: str | None) -> list[Column]:
    """From FOLDER or NAME=FOLDER each: the dataset's own name where none is given, with its official labels.

    labels: in place of the official ones; needed for datasets that are none of the seven. Raises ValueError.
    """
    columns = []
    for text in data:
        name, equals, folder = text.partition("=")
        path = Path(folder if equals else text)
        dataset = open_dataset(path).name
        official = labels or OFFICIAL_LABELS.get(dataset)
        if official is None:
            raise ValueError(
                f"{path} is {dataset}, for which nobody has fixed a share of the labels: say it with --labels, like "
                f"--labels scene-1in10 (official ones are known for {', '.join(OFFICIAL_LABELS)})"
            )
        columns.append(Column(name if equals else dataset, path, str(LabelFraction.parse(official))))
    if not columns:
        raise ValueError("no dataset was named: --data FOLDER … or --data NAME=FOLDER …")
    names = [column.name for column in columns]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"two datasets are called {sorted(twice)[0]}: name them apart, --data NAME=FOLDER")
    return columns


def published_figures(columns: Series[Column]) -> dict[str, dict[str, float]]:
    """The paper's rows, as far as the columns are the paper's: named as the dataset, with its official labels."""
    places = {name: place for place, name in enumerate(OFFICIAL_LABELS)}
    known = [column.name for column in columns if OFFICIAL_LABELS.get(column.name) == column.labels]
    if not known:
        return {}
    return {row: {name: figures[places[name]] for name in known} for row, figures in PUBLISHED.items()}


def domain_generalisation(
    runs: Series[str],
    data: Series[str],
    labels: str | None,
    seeds: Series[int],
    config: SegmentationConfig,
    out: Path,
    protocol: str = "lima",
    random: bool = True,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Fine-tune every run, and random initialisation, on every dataset; leaves `out` and returns its metrics.json.

    runs: `Start.parse` each. data: see `columns_of`. What was finished before is not done again. Where datasets are the
    paper's, its figures stand below ours.
    """
    columns = columns_of(data, labels)
    study = run_study(Finetunings(config, protocol), starts_of(runs, random), columns, seeds, out, say)
    reference = published_figures(columns)
    metrics = study_metrics("generalisation", "segmentation", study, {**asdict(config), "protocol": protocol})
    write_atomically(out / "metrics.json", json.dumps(metrics, indent=1, allow_nan=False) + "\n")
    lead = f"Fine-tuned and scored on other datasets than pretraining saw, by the protocol {protocol}."
    html = study_page("Domain generalisation", lead, study, config, reference=reference)
    write_atomically(out / "report.html", html)
    say(text_table(study, reference))
    say(str(out / "report.html"))
    return metrics
