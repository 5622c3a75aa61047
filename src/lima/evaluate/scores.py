"""What linear probing measured, as it stands in `metrics.json`, and what may be said about it."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable
from collections.abc import Sequence as Series
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RANDOM = "random"
"""called so is the student without pretraining"""
TITLES = {RANDOM: "random initialisation", "one_frame": "one frame", "lima": "LiMA"}


@dataclass(frozen=True)
class ProbeScores:
    """Linear probing of one student, in percent: mean and standard deviation over the seeds of the probe.

    per_class: the IoU of every class; NaN where a class is in neither prediction nor truth. seeds: mIoU of each.
    split: where it learned and was scored, in words.
    """

    name: str
    miou: float
    miou_std: float
    per_class: dict[str, float]
    per_class_std: dict[str, float]
    seeds: tuple[float, ...] = ()
    split: str = ""

    @property
    def title(self) -> str:
        """The name as it is printed."""
        return title_of(self.name)


def scores_from_metrics(metrics: dict[str, Any]) -> list[ProbeScores]:
    """The students of `results.linear_probe`, in the order they stand there; none where nothing was probed."""
    return [
        ProbeScores(
            name=name,
            miou=number(entry["miou"]),
            miou_std=number(entry["miou_std"]),
            per_class={class_name: number(iou) for class_name, iou in entry["per_class"].items()},
            per_class_std={class_name: number(std) for class_name, std in entry.get("per_class_std", {}).items()},
            seeds=tuple(number(miou) for miou in entry.get("seeds", ())),
            split=entry.get("split", ""),
        )
        for name, entry in metrics.get("results", {}).get("linear_probe", {}).items()
    ]


def read_metrics(run: Path) -> dict[str, Any]:
    """RUN/metrics.json; an empty dictionary where nothing was measured."""
    file = run / "metrics.json"
    try:
        return json.loads(file.read_text()) if file.exists() else {}
    except json.JSONDecodeError as error:
        raise ValueError(f"{file} is not JSON ({error}): measure again, or remove it") from None


def comparison(scores: Series[ProbeScores]) -> str:
    """The last student beside the others, in a sentence that claims no more than the spread allows."""
    ours, others = scores[-1], scores[:-1]
    words = f"A linear layer on {ours.title}'s frozen features reaches {plus_minus(ours.miou, ours.miou_std)} % mIoU"
    for other in others:
        gain = ours.miou - other.miou
        spread = math.hypot(ours.miou_std, other.miou_std)
        words += f"; {abs(gain):.1f} points {'above' if gain >= 0 else 'below'} {other.title}"
        if math.isnan(spread):
            words += " (one seed, so without a spread)"
        elif abs(gain) <= 2 * spread:
            words += f", which is within twice the spread ({spread:.1f}) and shows nothing"
    return words


def plus_minus(mean: float, std: float | None, digits: int = 1) -> str:
    """A mean with its spread where there is one; "absent" for a class without a score."""
    if math.isnan(mean):
        return "absent"
    if std is None or math.isnan(std):
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ± {std:.{digits}f}"


def mean(values: Series[float]) -> float:
    """Of those that are there; NaN where none is."""
    there = [value for value in values if not math.isnan(value)]
    return statistics.fmean(there) if there else math.nan


def spread(values: Series[float]) -> float:
    """The sample standard deviation of those that are there; NaN for fewer than two."""
    there = [value for value in values if not math.isnan(value)]
    return statistics.stdev(there) if len(there) > 1 else math.nan


def check_each_once(what: str, values: Iterable[object]) -> None:
    """Raises ValueError where one of them would count twice in means and spreads. what: one is called."""
    seen: set[object] = set()
    for value in values:
        if value in seen:
            raise ValueError(
                f"{what} {value} was given twice, and would count twice in means and spreads: give it once"
            )
        seen.add(value)


def number(value: float | None) -> float:
    """JSON has no NaN: null stands for it."""
    return math.nan if value is None else float(value)


def json_number(value: float) -> float | None:
    """The way back."""
    return None if math.isnan(value) else value


def title_of(name: str) -> str:
    """A start or a student as it is printed."""
    return TITLES.get(name, name)
