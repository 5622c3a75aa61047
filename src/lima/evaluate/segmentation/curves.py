"""Label efficiency as a picture: an SVG that stands alone, in a page or as a file."""

from __future__ import annotations

import math
from collections.abc import Sequence as Series
from dataclasses import dataclass
from html import escape

from lima.evaluate.charts import Scale, scale_over

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


def efficiency_picture(curves: Series[Curve], ticks: Series[tuple[float, str]], y_label: str = "mIoU in %") -> str:
    """Curves over the share of the labels, on a logarithmic axis; whiskers reach one spread up and down.

    ticks: shares in percent and what is written under them.
    """
    across = _across([percent for percent, _ in ticks])
    ends = [
        mean + sign * (0.0 if math.isnan(spread) else spread)
        for curve in curves
        for mean, spread in zip(curve.means, curve.spreads, strict=True)
        for sign in (-1, 1)
    ]
    up = scale_over(ends, HEIGHT - BOTTOM, TOP)
    parts = [f'<rect width="{WIDTH:g}" height="{HEIGHT:g}" fill="#ffffff"/>', _grid(across, up, ticks, y_label)]
    labels: list[tuple[float, str, str]] = []
    for number, curve in enumerate(curves):
        colour = COLOURS[number % len(COLOURS)]
        shift = 3.0 * (number - (len(curves) - 1) / 2)  # whiskers of neighbours stand side by side
        points = [
            (across.position(math.log10(percent)) + shift, mean, spread)
            for percent, mean, spread in zip(curve.percent, curve.means, curve.spreads, strict=True)
            if not math.isnan(mean)
        ]
        path = " ".join(f"{x:.1f},{up.position(mean):.1f}" for x, mean, _ in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, mean, spread in points:
            title = f"<title>{escape(curve.name)}: {mean:.1f}</title>"
            parts.append(f'<circle cx="{x:.1f}" cy="{up.position(mean):.1f}" r="3.5" fill="{colour}">{title}</circle>')
            if not math.isnan(spread):
                low, high = up.position(mean - spread), up.position(mean + spread)
                parts.append(f'<path d="M{x:.1f} {low:.1f}V{high:.1f}" stroke="{colour}" stroke-width="1.5"/>')
        if points:
            labels.append((up.position(points[-1][1]), curve.name, colour))
    parts += _names(labels)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="13" aria-label="{escape(y_label)} over the share of the '
        f'labels">{"".join(parts)}</svg>'
    )


def _across(percents: Series[float]) -> Scale:
    low, high = math.log10(min(percents)), math.log10(max(percents))
    margin = 0.06 * (high - low) or 0.5
    return Scale(low - margin, high + margin, LEFT, WIDTH - RIGHT)


def _grid(across: Scale, up: Scale, ticks: Series[tuple[float, str]], y_label: str) -> str:
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
