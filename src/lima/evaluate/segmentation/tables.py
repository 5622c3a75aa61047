"""A study of fine-tunings as tables: on the terminal, and on a page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from lima.config import SegmentationConfig
from lima.evaluate.page import Section, folded, page, paragraph, table
from lima.evaluate.scores import mean, plus_minus, spread, title_of
from lima.evaluate.segmentation.study import SegmentationCell
from lima.evaluate.study import Study
from lima.evaluate.study_page import in_columns, label_tables, making, seeds_in_words, value_tables

SCORED = """Scored on all original points of the validation drives with one confusion matrix, at the last epoch,
{views}; ± is the sample standard deviation over {seeds}. A class in neither prediction nor truth is left out of the
mean."""
BEST = """The same at the best epoch, chosen on the validation drives themselves: too high by what the choice gains, and
only for comparison with figures that were published so."""

Reference = Mapping[str, Mapping[str, float]]
"""published figures: row by column"""


def text_table(study: Study[SegmentationCell], reference: Reference | None = None) -> str:
    """mIoU of every start and column, in columns of text; published figures in rows of their own."""
    return in_columns([["", *(column.name for column in study.columns)], *_rows(study, reference or {})])


def _rows(study: Study[SegmentationCell], reference: Reference, best: bool = False) -> list[list[str]]:
    rows = []
    for start in study.starts:
        values = [cell.best if best else cell.last for cell in study.row(start)]
        rows.append([title_of(start.name), *(plus_minus(mean(each), spread(each), 2) for each in values)])
    for name, figures in reference.items():
        rows.append([name, *(f"{figures[c.name]:.2f}" if c.name in figures else "" for c in study.columns)])
    return rows


def study_page(
    title: str,
    lead: str,
    study: Study[SegmentationCell],
    config: SegmentationConfig,
    picture: str = "",
    reference: Reference | None = None,
) -> str:
    """The whole page. picture: an SVG."""
    head = ["start", *(column.name for column in study.columns)]
    views = (
        "without test-time augmentation" if config.views == 1 else f"over {config.views} views (test-time augmentation)"
    )
    words = " ".join(SCORED.split()).format(views=views, seeds=seeds_in_words(study, "fine-tuning"))
    sections = [
        Section("scores", "Scores", picture + paragraph(words) + table(head, _rows(study, reference or {}))
                + folded("at the best epoch", paragraph(" ".join(BEST.split()))
                         + table(head, _rows(study, {}, best=True)))),
        Section("classes", "Every class", value_tables(study, "class", "IoU in %", lambda cell: cell.per_class)),
        Section("labels", "Labels", label_tables(study)),
        Section("making", "How it was made", making(study, config)),
    ]  # fmt: skip
    return page(title, paragraph(lead), sections)
