"""Robo3D's two figures, mCE and mRR, and the baselines that the first is relative to."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping
from collections.abc import Sequence as Series
from dataclasses import dataclass
from pathlib import Path

from lima.evaluate.corruptions.every import CORRUPTIONS

METRICS_FILE = "metrics.json"


@dataclass(frozen=True)
class Baseline:
    """What a corruption error is relative to, in percent.

    measured_on: the corrupted set, see `robustness.set_name`; a published set's name for published figures. corrupted:
    mIoU of every corruption, the mean over the three severities.
    """

    name: str
    measured_on: str
    clean: float
    corrupted: Mapping[str, float]

    def check_set(self, measured_on: str) -> None:
        """Raises ValueError where the scores to compare were measured on another corrupted set than the baseline."""
        if self.measured_on != measured_on:
            raise ValueError(
                f"the baseline {self.name} was measured on {self.measured_on}, these scores are of {measured_on}: an "
                f"mCE over both would compare the sets, not the networks. The codes stand for the tokens of the "
                f"keyframes and for the names of the classes. Name a baseline of the same set: --baseline FOLDER, "
                f"where lima robustness has left the scores of another run"
                + (", or score the published folder (--published)" if self.name in PUBLISHED else "")
            )


def _published(name: str, measured_on: str, clean: float, *corrupted: float) -> Baseline:
    return Baseline(name, measured_on, clean, dict(zip(CORRUPTIONS, corrupted, strict=True)))


PUBLISHED = {
    baseline.name: baseline
    for baseline in (
        _published(
            "minkunet18-nuscenes-c", "nuScenes-C", 75.76, 53.64, 73.91, 40.35, 73.39, 68.54, 26.58, 63.83, 50.95
        ),
        _published(
            "minkunet18-semantickitti-c", "SemanticKITTI-C",
            62.76, 55.87, 53.99, 53.28, 32.92, 56.32, 58.34, 54.43, 46.05,
        ),
    )
}  # fmt: skip
"""MinkUNet-18 as Robo3D publishes it, the starred rows of its tables"""


def corruption_error(mious: Series[float], baseline_mious: Series[float]) -> float:
    """CE in percent: the sum over severities of what is missing to 100 % mIoU, over the same sum of the baseline.

    Either may be given as the mean over the severities alone.
    """
    return 100 * (100 - statistics.fmean(mious)) / (100 - statistics.fmean(baseline_mious))


def resilience_rate(mious: Series[float], clean_miou: float) -> float:
    """RR in percent: the mean mIoU over the severities, over that on clean sweeps; NaN where that is zero."""
    if clean_miou == 0:
        return math.nan
    return 100 * statistics.fmean(mious) / clean_miou


def mean_corruption_error(mious: Mapping[str, Series[float]], baseline: Baseline) -> float:
    """mCE in percent: the mean CE over all eight corruptions; below 100 is better than the baseline."""
    return statistics.fmean(corruption_error(mious[name], [baseline.corrupted[name]]) for name in CORRUPTIONS)


def mean_resilience_rate(mious: Mapping[str, Series[float]], clean_miou: float) -> float:
    """mRR in percent: the mean RR over all eight corruptions."""
    return statistics.fmean(resilience_rate(mious[name], clean_miou) for name in CORRUPTIONS)


def named_baseline(name: str) -> Baseline:
    """A published baseline by its name, or what `lima robustness` has left in a folder.

    Raises FileNotFoundError, ValueError.
    """
    if name in PUBLISHED:
        return PUBLISHED[name]
    file = Path(name)
    file = file / METRICS_FILE if file.is_dir() else file
    if not file.is_file():
        raise FileNotFoundError(
            f"there is no baseline {name!r}: neither one of {', '.join(PUBLISHED)} nor a folder with the metrics.json "
            f"of lima robustness"
        )
    try:
        found = json.loads(file.read_text())["results"]["robustness"]
        corrupted = {name: float(found["corruptions"][name]["mean"]) for name in CORRUPTIONS}
        return Baseline(found["name"], found["set"], float(found["clean"]["miou"]), corrupted)
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{file} is no whole result of lima robustness: {error!r}") from error
