"""Scores under corruption as numbers, as lines for a terminal and as a page."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from collections.abc import Sequence as Series
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jaxtyping import Int64
from PIL import Image
from torch import Tensor

from lima.evaluate.charts import BarGroup, bar_chart
from lima.evaluate.corruptions.corrupted import SEVERITIES, Severity
from lima.evaluate.corruptions.every import CORRUPTIONS
from lima.evaluate.corruptions.robo3d import (
    Baseline,
    corruption_error,
    mean_corruption_error,
    mean_resilience_rate,
    resilience_rate,
)
from lima.evaluate.page import Picture, Section, gallery, page, paragraph, table
from lima.evaluate.scores import json_number, plus_minus, spread, title_of
from lima.evaluate.segmentation.scoring import SegmentationScores, scores_from_confusion

UNREAL_WORDS = """Points that fog, snow or crosstalk made are not scored; points that a corruption took away are not
there to be scored. One confusion matrix over the split for each corruption, severity and seed."""
SHEET_WORDS = """One sweep of the split under all corruptions, from above, the way ahead up. Colours are intensities,
dark to bright; points of fog, snow and crosstalk are red."""


@dataclass(frozen=True, eq=False)
class RobustnessScores:
    """Confusion matrices of the clean split and of every corruption, severity and seed."""

    class_names: tuple[str, ...]
    clean_confusion: Int64[Tensor, "classes classes"]
    confusions: Mapping[str, Mapping[Severity, list[Int64[Tensor, "classes classes"]]]]

    @cached_property
    def clean(self) -> SegmentationScores:
        """Scores without corruption."""
        return scores_from_confusion(self.clean_confusion, self.class_names)

    def seeds(self, corruption: str, severity: Severity) -> list[float]:
        """mIoU in percent with every seed."""
        found = self.confusions[corruption][severity]
        return [scores_from_confusion(confusion, self.class_names).miou for confusion in found]

    @cached_property
    def mious(self) -> dict[str, tuple[float, ...]]:
        """mIoU in percent of every corruption at its three severities, means over the seeds."""
        return {
            name: tuple(statistics.fmean(self.seeds(name, severity)) for severity in SEVERITIES) for name in CORRUPTIONS
        }

    @property
    def mrr(self) -> float:
        """Mean resilience rate in percent."""
        return mean_resilience_rate(self.mious, self.clean.miou)

    def as_dict(self, baseline: Baseline | None) -> dict[str, Any]:
        """For metrics.json: null where there is no number."""
        corruptions = {}
        for name in CORRUPTIONS:
            levels: dict[str, Any] = {}
            for severity, miou in zip(SEVERITIES, self.mious[name], strict=True):
                each = self.seeds(name, severity)
                first = scores_from_confusion(self.confusions[name][severity][0], self.class_names)
                levels[severity] = {
                    "miou": json_number(miou),
                    "miou_std": json_number(spread(each)),
                    "seeds": [json_number(seed) for seed in each],
                    "per_class_first_seed": first.as_dict()["per_class"],
                    "points_first_seed": first.points,
                }
            corruptions[name] = {
                **levels,
                "mean": json_number(statistics.fmean(self.mious[name])),
                "rr": json_number(resilience_rate(self.mious[name], self.clean.miou)),
                "ce": _error(self.mious[name], name, baseline),
            }
        return {
            "clean": self.clean.as_dict(),
            "corruptions": corruptions,
            "mrr": json_number(self.mrr),
            "mce": None if baseline is None else json_number(mean_corruption_error(self.mious, baseline)),
            "baseline": None if baseline is None else {"name": baseline.name, "set": baseline.measured_on},
        }


def rows(scores: RobustnessScores, baseline: Baseline | None) -> list[list[str]]:
    """A row of words per corruption: its name, mIoU at every severity, their mean, RR and, with a baseline, CE."""
    made = []
    for name in CORRUPTIONS:
        row = [name.replace("_", " ")]
        for severity in SEVERITIES:
            each = scores.seeds(name, severity)
            row.append(plus_minus(statistics.fmean(each), spread(each), 2))
        mious = scores.mious[name]
        row += [f"{statistics.fmean(mious):.2f}", f"{resilience_rate(mious, scores.clean.miou):.1f}"]
        if baseline is not None:
            row.append(f"{corruption_error(mious, [baseline.corrupted[name]]):.1f}")
        made.append(row)
    return made


def heads(baseline: Baseline | None) -> list[str]:
    """What stands over the columns."""
    return ["corruption", *SEVERITIES, "mean", "RR", *([] if baseline is None else ["CE"])]


def summary(scores: RobustnessScores, baseline: Baseline | None) -> str:
    """The figures that stand for all, in one line."""
    words = f"clean {scores.clean.miou:.2f} % mIoU, mRR {scores.mrr:.2f} %"
    if baseline is None:
        return words + " (no mCE: no baseline was named)"
    return words + f", mCE {mean_corruption_error(scores.mious, baseline):.2f} % of {baseline.name}"


def table_lines(scores: RobustnessScores, baseline: Baseline | None) -> list[str]:
    """For a terminal."""
    lines = [heads(baseline), *rows(scores, baseline)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    printed = [
        "  ".join(word.ljust(width) if column == 0 else word.rjust(width) for column, (word, width) in pairs)
        for pairs in ([*enumerate(zip(line, widths, strict=True))] for line in lines)
    ]
    return [*printed, summary(scores, baseline)]


def report_page(
    name: str, set_name: str, scores: RobustnessScores, baseline: Baseline | None, sheet: Image.Image
) -> str:
    """One page: the table, a chart and the contact sheet."""
    groups = [
        BarGroup(
            corruption.replace("_", " "),
            scores.mious[corruption],
            tuple(spread(scores.seeds(corruption, severity)) for severity in SEVERITIES),
        )
        for corruption in CORRUPTIONS
    ]
    series = [(severity, number) for number, severity in enumerate(SEVERITIES, start=1)]
    content = [
        Section(
            "scores",
            "mIoU under corruption",
            paragraph(summary(scores, baseline) + ".")
            + table(heads(baseline), rows(scores, baseline))
            + paragraph(UNREAL_WORDS)
            + bar_chart(groups, series, "mIoU in %"),
        ),
        Section("sheet", "The corruptions", paragraph(SHEET_WORDS) + gallery([Picture("all 24", sheet)], 1)),
    ]
    return page(f"Robustness of {title_of(name)}", paragraph(f"Measured on {set_name}."), content)


def _error(mious: Series[float], name: str, baseline: Baseline | None) -> float | None:
    return None if baseline is None else json_number(corruption_error(mious, [baseline.corrupted[name]]))
