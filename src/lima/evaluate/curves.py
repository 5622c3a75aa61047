"""Label efficiency as a picture: an SVG that stands alone, in a page or as a file."""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Sequence as Series
from dataclasses import dataclass
from html import escape

from lima.evaluate.charts import Scale, scale_over
from lima.evaluate.scores import mean, spread, title_of
from lima.evaluate.study import SomeCell, Study, percent_of

WIDTH, HEIGHT = 640.0, 360.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 150.0, 18.0, 48.0
COLOURS = ("#9aa3ad", "#e08a1e", "#1f77b4", "#2f9e6e", "#b0479b", "#8c6d31")
INK, SOFT, LINE = "#1c2126", "#5d6670", "#e3e5e3"


@dataclass(frozen=True)
class Curve:
    """One start: mean and spread at every fraction; a spread is NaN where there is one seed only."""

    name: str
    percent: tuple[float, ...]
    means: tuple[float, ...]
    spreads: tuple[float, ...]


Ticks = Series[tuple[float, str]]
"""shares in percent and what is written under them"""


def ticks_of(study: Study[SomeCell]) -> Ticks:
    """Of a study whose columns are fractions, in the order of their size."""
    return sorted((percent_of(column), column.name) for column in study.columns)


def curves_of(study: Study[SomeCell], values: Callable[[SomeCell], Series[float]]) -> list[Curve]:
    """The starts of a study whose columns are fractions. values: of the seeds of a cell, what is drawn."""
    columns = sorted(study.columns, key=percent_of)
    curves = []
    for start in study.starts:
        of_columns = [values(study.cells[start.name, column.name]) for column in columns]
        means, spreads = tuple(map(mean, of_columns)), tuple(map(spread, of_columns))
        curves.append(Curve(title_of(start.name), tuple(map(percent_of, columns)), means, spreads))
    return curves


def efficiency_picture(curves: Series[Curve], ticks: Ticks, y_label: str) -> str:
    """Curves over the share of the labels, on a logarithmic axis; whiskers reach one spread up and down."""
    return efficiency_pictures([(curves, y_label)], ticks)


def efficiency_pictures(panels: Series[tuple[Series[Curve], str]], ticks: Ticks) -> str:
    """The same of several scores, each with its name, one under another in one picture."""
    drawn = [
        f'<g transform="translate(0 {number * HEIGHT:g})">{_panel(curves, ticks, y_label)}</g>'
        for number, (curves, y_label) in enumerate(panels)
    ]
    words = " and ".join(y_label for _, y_label in panels)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {len(panels) * HEIGHT:g}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="13" aria-label="{escape(words)} over the share of the '
        f'labels">{"".join(drawn)}</svg>'
    )


def _panel(curves: Series[Curve], ticks: Ticks, y_label: str) -> str:
    across = _across([percent for percent, _ in ticks])
    ends = [
        middle + sign * (0.0 if math.isnan(reach) else reach)
        for curve in curves
        for middle, reach in zip(curve.means, curve.spreads, strict=True)
        for sign in (-1, 1)
    ]
    up = scale_over(ends, HEIGHT - BOTTOM, TOP)
    parts = [f'<rect width="{WIDTH:g}" height="{HEIGHT:g}" fill="#ffffff"/>', _grid(across, up, ticks, y_label)]
    labels: list[tuple[float, str, str]] = []
    for number, curve in enumerate(curves):
        colour = COLOURS[number % len(COLOURS)]
        shift = 3.0 * (number - (len(curves) - 1) / 2)  # whiskers of neighbours stand side by side
        points = [
            (across.position(math.log10(percent)) + shift, middle, reach)
            for percent, middle, reach in zip(curve.percent, curve.means, curve.spreads, strict=True)
            if not math.isnan(middle)
        ]
        path = " ".join(f"{x:.1f},{up.position(middle):.1f}" for x, middle, _ in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, middle, reach in points:
            title = f"<title>{escape(curve.name)}: {middle:.1f}</title>"
            parts.append(
                f'<circle cx="{x:.1f}" cy="{up.position(middle):.1f}" r="3.5" fill="{colour}">{title}</circle>'
            )
            if not math.isnan(reach):
                low, high = up.position(middle - reach), up.position(middle + reach)
                parts.append(f'<path d="M{x:.1f} {low:.1f}V{high:.1f}" stroke="{colour}" stroke-width="1.5"/>')
        if points:
            labels.append((up.position(points[-1][1]), curve.name, colour))
    return "".join([*parts, *_names(labels)])


def _across(percents: Series[float]) -> Scale:
    low, high = math.log10(min(percents)), math.log10(max(percents))
    margin = 0.06 * (high - low) or 0.5
    return Scale(low - margin, high + margin, LEFT, WIDTH - RIGHT)


def _grid(across: Scale, up: Scale, ticks: Ticks, y_label: str) -> str:
    floor = HEIGHT - BOTTOM
    parts = []
    for tick in up.ticks():
        y = up.position(tick)
        parts.append(f'<path d="M{LEFT:g} {y:.1f}H{WIDTH - RIGHT:g}" stroke="{LINE}"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{tick:g}", "end"))
    for percent, words in ticks:
        parts.append(_text(across.position(math.log10(percent)), floor + 18, words, "middle"))
    parts.append(f'<path d="M{LEFT:g} {floor:g}H{WIDTH - RIGHT:g}" stroke="{SOFT}"/>')
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "labels (logarithmic)", "middle"))
    middle = (TOP + floor) / 2
    parts.append(f'<g transform="rotate(-90 16 {middle:g})">{_text(16.0, middle, y_label, "middle")}</g>')
    return "".join(parts)


def _names(labels: Series[tuple[float, str, str]]) -> list[str]:
    """The curves' names at their right ends, moved apart where they would cover each other."""
    parts, free = [], TOP
    for y, name, colour in sorted(labels):
        y = max(y, free)
        free = y + 16
        parts.append(_text(WIDTH - RIGHT + 8, y + 4, name, "start", colour))
    return parts


def _text(x: float, y: float, words: str, anchor: str, colour: str = SOFT) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" style="fill:{colour}">{escape(words)}</text>'
