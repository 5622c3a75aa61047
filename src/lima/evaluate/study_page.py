"""What the pages of all studies have: the same tables, whatever is scored."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from collections.abc import Sequence as Series
from dataclasses import asdict
from typing import Any

from lima.config import DetectionConfig, SegmentationConfig
from lima.evaluate.making import machine
from lima.evaluate.page import facts, folded, paragraph, preformatted, table
from lima.evaluate.scores import plus_minus, title_of
from lima.evaluate.study import SomeCell, Study
from lima.train.run_folder import package_versions

Rows = Series[Series[str]]


def in_columns(rows: Rows) -> str:
    """A table for the terminal: the first column to the left, the others to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join(
        "  ".join(word.ljust(width) if place == 0 else word.rjust(width)
                  for place, (word, width) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    )  # fmt: skip


def seeds_in_words(study: Study[SomeCell], training: str) -> str:
    """What ± is over. training: what the seeds are of."""
    several = any(len(start.folders) > 1 for start in study.starts)
    own = ", each with a pretraining of its own where there are several" if several else ""
    return f"{len(study.seeds)} seed{'s' * (len(study.seeds) > 1)} (the seeds of {training}{own})"


def value_tables(
    study: Study[SomeCell],
    noun: str,
    title: str,
    values: Callable[[SomeCell], Mapping[str, tuple[float, float]]],
    digits: int = 1,
) -> str:
    """Of every column a folded table, a row of each value's mean and spread. noun: of the rows, such as "class"."""
    parts = []
    for column in study.columns:
        of_starts = [values(cell) for cell in study.column(column)]
        rows = [
            [name.replace("_", " "), *(plus_minus(*of_start[name], digits) for of_start in of_starts)]
            for name in of_starts[0]
        ]
        head = [noun, *(title_of(start.name) for start in study.starts)]
        parts.append(folded(f"{column.name}: {title}", table(head, rows)))
    return "".join(parts)


def label_tables(study: Study[SomeCell]) -> str:
    """Which keyframes were learned from."""
    rows = [
        [name, about["labels"], str(about["keyframes"]), str(len(about["sequences"])), about["hash"]]
        for name, about in study.labels.items()
    ]
    return (
        paragraph(
            "Tokens stand in labels.json beside every result; lists of one dataset with the same hash are the same."
        )
        + table(["column", "labels", "keyframes", "sequences", "hash of the tokens"], rows)
        + folded("rules and sequences", preformatted(json.dumps(study.labels, indent=1)))
    )


def making(study: Study[SomeCell], learning: SegmentationConfig | DetectionConfig) -> str:
    """Where everything came from."""
    versions = ", ".join(f"{package} {version}" for package, version in package_versions().items())
    return facts([
        *((f"start {start.name}", ", ".join(map(str, start.folders))) for start in study.starts),
        *((f"data {column.name}", str(column.data)) for column in study.columns),
        ("seeds", ", ".join(map(str, study.seeds))),
        ("machine", machine()),
        ("versions", versions),
    ]) + folded("every setting", preformatted(json.dumps(asdict(learning), indent=1)))  # fmt: skip


def study_metrics(command: str, scored: str, study: Study[SomeCell], config: Mapping[str, Any]) -> dict[str, Any]:
    """metrics.json of a study. scored: "segmentation" or "detection"."""
    return {
        "command": command,
        "config": {**config, "seeds": list(study.seeds)},
        "results": {scored: study.results()},
        "labels": study.labels,
        "starts": {start.name: [str(folder) for folder in start.folders] for start in study.starts},
        "data": {column.name: str(column.data) for column in study.columns},
        "versions": package_versions(),
    }
