"""`RUN/report.html`: what a run learned, on one page: scores, curves, pictures, and how all of it was made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence as Series
from pathlib import Path
from typing import Any

from lima.config import default_cache_folder
from lima.encoder import WEIGHTS_FILE, load_encoder
from lima.evaluate.charts import BarGroup, Line, bar_chart, line_chart, smoothed
from lima.evaluate.making import making_section
from lima.evaluate.page import Section, cards, folded, missing, page, paragraph, table
from lima.evaluate.probe_features import student_features
from lima.evaluate.probe_head import load_probe
from lima.evaluate.runs import ReportedRun, random_student, read_run
from lima.evaluate.scores import (
    RANDOM,
    TITLES,
    ProbeScores,
    comparison,
    plus_minus,
    read_metrics,
    scores_from_metrics,
)
from lima.evaluate.showing import Predict, Shown, picture_sections
from lima.train.run_folder import write_atomically

REPORT_FILE = "report.html"
PROBES = "probes"  # the linear layers that probing a run leaves in its folder
SMOOTHED_SHARE = 15  # a curve is smoothed over one part in so many of its length


SPREAD_WORDS = "The spread is over seeds of the probe; every student was pretrained once."
SCORE_WORDS = """The backbone is frozen, its statistics too; a batch norm and a linear layer on top learn the classes
of the training drives' points. Scored on all points of the validation drives with one confusion matrix, last epoch;
± is the standard deviation over the probe's seeds."""
CURVE_WORDS = """The distillation loss on the sweeps as they are, of every logged step (thin), and its moving mean.
Targets differ between runs (a memory adds points and averages features), so a lower curve is not yet a better
student; each should fall and level off."""


def write_report(run: Path, data: Path | None = None, compare: Series[Path] = (), cache: Path | None = None) -> Path:
    """Write RUN/report.html about the run, with others beside it, and return where it is.

    data: the dataset to draw; the one the run was trained on when left out. cache: folder of the teacher's features;
    beside the dataset when left out. Whatever is missing (scores, a log, the dataset) is left out with a sentence that
    says so. Raises ValueError for runs of one name, and for scores on different frames.
    """
    runs = [read_run(folder) for folder in (*compare, run)]
    _check_names(runs)
    scores = _scores_of(runs)
    page_file = run / REPORT_FILE
    data = Path(runs[-1].record["data"]) if data is None else data
    layers = {about.name: about.folder / PROBES / f"{about.name}.safetensors" for about in runs}
    layers[RANDOM] = run / PROBES / f"{RANDOM}.safetensors"
    predictors = {name: load_probe(file).predict for name, file in layers.items() if file.exists()}
    write_atomically(page_file, report_page(runs, scores, predictors, data, cache or default_cache_folder(data), {}))
    return page_file


def report_page(
    runs: Series[ReportedRun],
    scores: Series[ProbeScores],
    predictors: Mapping[str, Predict],
    data: Path,
    cache: Path,
    seconds: Mapping[str, float],
) -> str:
    """The whole page. The last run is the one that it is about; scores and predictors are by the runs' names."""
    title = f"{runs[-1].title}: what a LiDAR network learned from cameras"
    colours = {RANDOM: 1, **{run.name: number for number, run in enumerate(runs, start=2)}}
    return page(title, _lead(runs, scores, colours), [
        Section("scores", "Linear probing", _score_section(scores, colours)),
        Section("curves", "Training", _curve_section(runs, colours)),
        *_picture_sections(runs, predictors, data, cache),
        Section("making", "How it was made", making_section(runs, data, seconds)),
    ])  # fmt: skip


def _check_names(runs: Series[ReportedRun]) -> None:
    of_name: dict[str, Path] = {}
    for run in runs:
        if run.name == RANDOM:
            raise ValueError(
                f"{run.folder}: a run cannot be called {RANDOM}, which is the student without pretraining: rename its "
                f"folder and probe it again (lima probe)"
            )
        if run.name in of_name:
            raise ValueError(
                f"{of_name[run.name]} and {run.folder} are both called {run.name}: rename one of the folders and probe "
                f"it again (lima probe), since a report tells runs apart by the names of their folders"
            )
        of_name[run.name] = run.folder


def _check_same_frames(frames: Mapping[Path, tuple[str, Any]]) -> None:
    """frames: by run, where it was probed, in words and by tokens."""
    if not frames:
        return
    *others, (last, there) = frames.items()
    for folder, here in others:
        if here != there:
            raise ValueError(
                f"the probes of {folder} and {last} saw different frames and cannot share a table: {folder} "
                f"{here[0]}, {last} {there[0]}: probe both on the same data and labels (lima probe)"
            )


def _scores_of(runs: Series[ReportedRun]) -> list[ProbeScores]:
    """By the names of the runs, random initialisation first: that of the last run that has it."""
    scores: dict[str, ProbeScores] = {}
    frames: dict[Path, tuple[str, Any]] = {}
    for run in runs:
        metrics = read_metrics(run.folder)
        for score in scores_from_metrics(metrics):
            frames[run.folder] = score.split, metrics.get("splits")
            name = score.name if score.name == RANDOM else run.name
            scores[name] = dataclasses.replace(score, name=name)
    _check_same_frames(frames)
    return sorted(scores.values(), key=lambda score: score.name != RANDOM)


def _lead(runs: Series[ReportedRun], scores: Series[ProbeScores], colours: Mapping[str, int]) -> str:
    method = runs[-1].config.method
    words = (
        f"A {runs[-1].config.student.backbone} was pretrained without labels: it learned to give every LiDAR point the "
        f"feature that a frozen image network has at the same place, "
    )
    words += f"gathered over {method.frames} frames of the drive." if method.frames > 1 else "from one frame at a time."
    if not scores:
        return paragraph(words) + missing("Nothing has been measured yet: lima probe RUN DATA.")
    figures = []
    for score in scores:
        mean, _, spread = plus_minus(score.miou, score.miou_std).partition(" ")
        figures.append((mean, f"{spread} % mIoU".strip(), score.title, colours[score.name]))
    return paragraph(words) + paragraph(f"{comparison(scores)}. {SPREAD_WORDS}") + cards(figures)


def _score_section(scores: Series[ProbeScores], colours: Mapping[str, int]) -> str:
    if not scores:
        return missing("There is no metrics.json in the run's folder, so there are no scores: lima probe RUN DATA.")
    best = max(range(len(scores)), key=lambda index: scores[index].miou)
    rows = [
        [score.title, plus_minus(score.miou, score.miou_std, 2), ", ".join(f"{miou:.2f}" for miou in score.seeds)]
        for score in scores
    ]
    classes = list(scores[0].per_class)
    per_class = [
        [
            name.replace("_", " "),
            *(plus_minus(score.per_class[name], score.per_class_std.get(name)) for score in scores),
        ]
        for name in classes
    ]
    groups = [
        BarGroup(
            name.replace("_", " "),
            tuple(score.per_class[name] for score in scores),
            tuple(score.per_class_std.get(name) for score in scores),
        )
        for name in classes
    ]
    return (
        paragraph(SCORE_WORDS)
        + (paragraph(f"The probe {scores[-1].split}.", "soft") if scores[-1].split else "")
        + table(["student", "mIoU in %", "each seed"], rows, {1: best})
        + bar_chart(groups, [(score.title, colours[score.name]) for score in scores], "IoU in %")
        + folded("IoU of every class, in %", table(["class", *(score.title for score in scores)], per_class))
    )


def _curve_section(runs: Series[ReportedRun], colours: Mapping[str, int]) -> str:
    logged = [run for run in runs if len(run.log) > 1]
    if not logged:
        return missing("There are no curves: log.jsonl of the run is missing or empty.")
    return (
        paragraph(CURVE_WORDS)
        + line_chart([_loss_curve(run, colours[run.name]) for run in logged], "step", "loss")
        + paragraph("The learning rate: one cycle, up and then down to nearly nothing.")
        + line_chart([_rate_curve(run, colours[run.name]) for run in logged], "step", "learning rate", height=170.0)
    )


def _loss_curve(run: ReportedRun, series: int) -> Line:
    values = tuple(float(record["loss"]["distillation"]) for record in run.log)
    return Line(run.title, series, _steps(run), smoothed(values, max(1, len(values) // SMOOTHED_SHARE)), faint=values)


def _rate_curve(run: ReportedRun, series: int) -> Line:
    return Line(run.title, series, _steps(run), tuple(float(record["learning_rate"]) for record in run.log))


def _steps(run: ReportedRun) -> tuple[float, ...]:
    return tuple(float(record["step"]) for record in run.log)


def _picture_sections(
    runs: Series[ReportedRun], predictors: Mapping[str, Predict], data: Path, cache: Path
) -> list[Section]:
    trained = [run for run in runs if (run.folder / WEIGHTS_FILE).exists()]
    if not trained:
        words = f"There are no pictures: {runs[-1].folder / WEIGHTS_FILE} is missing, the run has not finished."
        return [Section("pictures", "Pictures", missing(words))]
    shown = [
        Shown(run.title, student_features(load_encoder(run.folder).student), predictors.get(run.name))
        for run in reversed(trained)
    ]
    untrained = random_student(runs[-1].config)
    shown.append(Shown(TITLES[RANDOM], student_features(untrained), predictors.get(RANDOM)))
    try:
        return picture_sections(data, cache, runs[-1].config, shown)
    except FileNotFoundError as error:
        return [Section("pictures", "Pictures", missing(f"There are no pictures, as something is not there: {error}"))]
