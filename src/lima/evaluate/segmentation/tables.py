"""A study as tables: on the terminal, and on a page that needs nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Sequence as Series
from typing import Any

from lima.config import SegmentationConfig
from lima.evaluate.making import machine
from lima.evaluate.page import Section, facts, folded, page, paragraph, preformatted, table
from lima.evaluate.scores import TITLES, plus_minus
from lima.evaluate.segmentation.study import Study, mean, spread
from lima.train.run_folder import package_versions

SCORED = """Scored on all original points of the validation drives with one confusion matrix, at the last epoch,
{views}; ± is the sample standard deviation over {seeds}. A class in neither prediction nor truth is left out of the
mean."""
BEST = """The same at the best epoch, chosen on the validation drives themselves: too high by what the choice gains, and
only for comparison with figures that were published so."""


def title_of(name: str) -> str:
    """A start as it is printed."""
    return TITLES.get(name, name)


def text_table(study: Study, reference: Mapping[str, Mapping[str, float]] | None = None) -> str:
    """mIoU of every start and column, in columns of text; published figures in rows of their own."""
    rows = [["", *(column.name for column in study.columns)], *_rows(study, reference or {})]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join(
        "  ".join(word.ljust(width) if place == 0 else word.rjust(width)
                  for place, (word, width) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    )  # fmt: skip


def _rows(study: Study, reference: Mapping[str, Mapping[str, float]], best: bool = False) -> list[list[str]]:
    rows = []
    for start in study.starts:
        cells = [study.cells[start.name, column.name] for column in study.columns]
        values = [cell.best if best else cell.last for cell in cells]
        rows.append([title_of(start.name), *(plus_minus(mean(each), spread(each), 2) for each in values)])
    for name, figures in reference.items():
        rows.append([name, *(f"{figures[c.name]:.2f}" if c.name in figures else "" for c in study.columns)])
    return rows


def study_page(
    title: str,
    lead: str,
    study: Study,
    config: SegmentationConfig,
    seeds: Series[int],
    picture: str = "",
    reference: Mapping[str, Mapping[str, float]] | None = None,
) -> str:
    """The whole page. picture: an SVG."""
    head = ["start", *(column.name for column in study.columns)]
    several = any(len(start.folders) > 1 for start in study.starts)
    whose = "the seeds of fine-tuning, each with a pretraining of its own where there are several" if several else (
        "the seeds of fine-tuning"
    )  # fmt: skip
    views = (
        "without test-time augmentation" if config.views == 1 else f"over {config.views} views (test-time augmentation)"
    )
    words = " ".join(SCORED.split()).format(views=views, seeds=f"{len(seeds)} seeds ({whose})")
    sections = [
        Section("scores", "Scores", picture + paragraph(words) + table(head, _rows(study, reference or {}))
                + folded("at the best epoch", paragraph(" ".join(BEST.split()))
                         + table(head, _rows(study, {}, best=True)))),
        Section("classes", "Every class", _class_tables(study)),
        Section("labels", "Labels", _label_tables(study)),
        Section("making", "How it was made", _making(study, config, seeds)),
    ]  # fmt: skip
    return page(title, paragraph(lead), sections)


def _class_tables(study: Study) -> str:
    parts = []
    for column in study.columns:
        cells = [study.cells[start.name, column.name] for start in study.starts]
        rows = [
            [name.replace("_", " "), *(plus_minus(*cell.per_class[name]) for cell in cells)]
            for name in cells[0].per_class
        ]
        head = ["class", *(title_of(start.name) for start in study.starts)]
        parts.append(folded(f"{column.name}: IoU in %", table(head, rows)))
    return "".join(parts)


def _label_tables(study: Study) -> str:
    rows = [
        [column.name, about["labels"], str(about["keyframes"]), str(len(about["sequences"])), about["hash"]]
        for column, about in ((column, study.labels[column.name]) for column in study.columns)
    ]
    lists = json.dumps(dict(study.labels), indent=1)
    return (
        paragraph("The tokens stand in labels.json beside every result; two lists with the same hash are the same.")
        + table(["column", "labels", "keyframes", "sequences", "hash of the tokens"], rows)
        + folded("rules and sequences", preformatted(lists))
    )


def _making(study: Study, config: SegmentationConfig, seeds: Series[int]) -> str:
    versions = ", ".join(f"{package} {version}" for package, version in package_versions().items())
    return facts([
        *((f"start {start.name}", ", ".join(map(str, start.folders))) for start in study.starts),
        *((f"data {column.name}", str(column.data)) for column in study.columns),
        ("seeds", ", ".join(map(str, seeds))),
        ("machine", machine()),
        ("versions", versions),
    ]) + folded("every setting", preformatted(json.dumps(vars(config), indent=1)))  # fmt: skip


def study_metrics(command: str, study: Study, config: Mapping[str, Any]) -> dict[str, Any]:
    """metrics.json of a study."""
    return {
        "command": command,
        "config": dict(config),
        "results": {"segmentation": study.results()},
        "labels": dict(study.labels),
        "starts": {start.name: [str(folder) for folder in start.folders] for start in study.starts},
        "data": {column.name: str(column.data) for column in study.columns},
        "versions": package_versions(),
    }
