"""A study of detectors as tables and pictures: on the terminal, and on a page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from lima.config import DetectionConfig
from lima.evaluate.detection.classes import DETECTION_CLASSES
from lima.evaluate.detection.detect import PICTURES
from lima.evaluate.detection.pictures import SHOWN_SCORE, class_colour, split_picture
from lima.evaluate.detection.study import DetectionCell
from lima.evaluate.page import (
    Picture,
    Section,
    charts,
    folded,
    gallery,
    heading,
    missing,
    page,
    paragraph,
    swatches,
    table,
    tabs,
)
from lima.evaluate.scores import mean, plus_minus, spread, title_of
from lima.evaluate.study import Column, Start, Study
from lima.evaluate.study_page import in_columns, label_tables, making, seeds_in_words, value_tables

KEYFRAMES_SHOWN = 2
SCORED = """In percent, on all annotated keyframes of the validation drives by nuScenes's rules (detection_cvpr_2019),
at the last step; ± is the sample standard deviation over {seeds}. mAP counts a class without annotated boxes as
zero{absent}."""
PAPER = """The paper's figures are those it prints, made with its own lists of labels."""
SHOWN = """Found boxes with a score of {score:g} at least in the colours of their classes, annotated ones in white, a
stroke says the front; the detectors of seed {seed}."""

Reference = Mapping[str, Mapping[str, tuple[float, float]]]
"""published mAP and NDS: row by column"""


def text_table(study: Study[DetectionCell], reference: Reference | None = None) -> str:
    """mAP and NDS of every start and column, in columns of text; published figures in rows of their own."""
    return in_columns([_head(study), *_rows(study, reference or {})])


def _head(study: Study[DetectionCell]) -> list[str]:
    return ["", *(words for column in study.columns for words in (f"{column.name} mAP", "NDS"))]


def _rows(study: Study[DetectionCell], reference: Reference) -> list[list[str]]:
    rows = []
    for start in study.starts:
        values = [values for cell in study.row(start) for values in (cell.maps, cell.nds)]
        rows.append([title_of(start.name), *(plus_minus(mean(each), spread(each), 2) for each in values)])
    for name, figures in reference.items():
        words = [figures.get(column.name, ()) for column in study.columns]
        rows.append([name, *(word for each in words for word in ([f"{v:.1f}" for v in each] or ["", ""]))])
    return rows


def study_page(
    title: str,
    lead: str,
    study: Study[DetectionCell],
    config: DetectionConfig,
    pictures: tuple[str, ...],
    reference: Reference,
) -> str:
    """The whole page. pictures: SVGs."""
    annotated = study.cells[study.starts[0].name, study.columns[0].name].annotated
    absent = [name.replace("_", " ") for name, count in annotated.items() if count == 0]
    words = " ".join(SCORED.split()).format(
        seeds=seeds_in_words(study, "training a detector"), absent=f": here {', '.join(absent)}" if absent else ""
    )
    errors = value_tables(
        study, "error", "mean errors, smaller is better", lambda cell: _mean_and_spread(cell.errors), digits=3
    )
    sections = [
        Section("scores", "Scores", charts(pictures) + paragraph(words) + table(_head(study), _rows(study, reference))
                + (paragraph(PAPER) if reference else "")
                + folded("every seed", table(*_seeds(study)))),
        Section("pictures", "What they find", _pictures(study)),
        Section("classes", "Every class and error",
                value_tables(study, "class", "AP in %", lambda cell: _mean_and_spread(cell.ap)) + errors),
        Section("labels", "Labels", label_tables(study)),
        Section("making", "How it was made", making(study, config)),
    ]  # fmt: skip
    return page(title, paragraph(lead), sections)


def _mean_and_spread(values: Mapping[str, tuple[float, ...]]) -> dict[str, tuple[float, float]]:
    return {name: (mean(of_seeds), spread(of_seeds)) for name, of_seeds in values.items()}


def _seeds(study: Study[DetectionCell]) -> tuple[list[str], list[list[str]]]:
    """mAP, NDS and errors of each detector."""
    names = list(study.cells[study.starts[0].name, study.columns[0].name].errors)
    rows = []
    for start in study.starts:
        for column in study.columns:
            cell = study.cells[start.name, column.name]
            for place, seed in enumerate(study.seeds):
                errors = (f"{cell.errors[name][place]:.3f}" for name in names)
                place_words = f"{title_of(start.name)}, {column.name}, seed {seed}"
                rows.append([place_words, f"{cell.maps[place]:.2f}", f"{cell.nds[place]:.2f}", *errors])
    return ["detector", "mAP", "NDS", *map(_error_words, names)], rows


def _error_words(name: str) -> str:
    error, _, unit = name.partition("_")
    return f"{error} ({unit})"


def _pictures(study: Study[DetectionCell]) -> str:
    """Of every column the same keyframes, as each start's first detector left them."""
    panels = [(column.name, shown) for column in study.columns if (shown := _keyframes(study, column))]
    if not panels:
        return missing("No pictures were drawn (--pictures 0).")
    words = " ".join(SHOWN.split()).format(score=SHOWN_SCORE, seed=study.seeds[0])
    colours = swatches([(name.replace("_", " "), class_colour(name)) for name in DETECTION_CLASSES])
    return paragraph(words) + colours + (tabs("pictures", panels) if len(panels) > 1 else panels[0][1])


def _keyframes(study: Study[DetectionCell], column: Column) -> str:
    folders = {
        each.start: each.folder / PICTURES
        for each in study.trainings()
        if each.column == column and each.seed == study.seeds[0]
    }
    common = set.intersection(*({file.name for file in folder.glob("*.jpg")} for folder in folders.values()))
    chosen = sorted(common)[:: max(1, len(common) // KEYFRAMES_SHOWN)][:KEYFRAMES_SHOWN]
    return "".join(_keyframe(column, name, folders) for name in chosen)


def _keyframe(column: Column, name: str, folders: Mapping[Start, Path]) -> str:
    """The annotated boxes from above, and beside them what each start finds; folded, the same on the cameras."""
    parts = {start: split_picture(Image.open(folder / name)) for start, folder in folders.items()}
    first = next(iter(parts.values()))
    above = [Picture("annotated", first.annotated)]
    above += [Picture(title_of(start.name), part.found) for start, part in parts.items()]
    content = heading(name.removesuffix(".jpg")) + gallery(above, 2 if len(above) in (2, 4) else 3)
    cameras = [
        (title_of(start.name), gallery([Picture(title_of(start.name), part.cameras)], 1))
        for start, part in parts.items()
        if part.cameras is not None
    ]
    return content + (folded("on the cameras", tabs(f"{column.name} {name}", cameras)) if cameras else "")
