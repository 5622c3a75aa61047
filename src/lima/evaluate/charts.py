"""Charts as SVG text: lines over steps and bars per class, coloured by the page's own style, light or dark.

Values become positions through `Scale` alone, so that a test can check a chart by arithmetic. Missing values (NaN) are
gaps in a line and words beside a bar, never zeros.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 640.0
LEFT, RIGHT, TOP, BOTTOM = 72.0, 16.0, 14.0, 40.0
BAR, BAR_GAP, BAR_LEFT, BAR_RIGHT = 9.0, 12.0, 148.0, 48.0


@dataclass(frozen=True)
class Scale:
    """A straight line from values to positions: `low` goes to `start`, `high` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"a scale needs low < high, both finite, got {self.low} and {self.high}")

    def position(self, value: float) -> float:
        """Where the value stands; beyond the ends it goes on in a straight line."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Round values between low and high: steps of 1, 2 or 5 times a power of ten, about that many."""
        step = _round_step((self.high - self.low) / max(about, 1))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(index * step, 12) for index in range(first, last + 1)]


def scale_over(values: Sequence[float], start: float, end: float, margin: float = 0.05) -> Scale:
    """A scale that holds all finite values with a margin at both ends."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    spread = (high - low) or abs(high) or 1.0
    return Scale(low - margin * spread, high + margin * spread, start, end)


@dataclass(frozen=True)
class Line:
    """One curve. series: which of the page's colours it has. faint: the values before smoothing, thinly behind."""

    name: str
    series: int
    x: tuple[float, ...]
    y: tuple[float, ...]
    faint: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y) or (self.faint is not None and len(self.faint) != len(self.x)):
            raise ValueError(f"line {self.name!r}: {len(self.x)} positions for {len(self.y)} values")


@dataclass(frozen=True)
class BarGroup:
    """The bars of one class: a value per series, NaN where the class was absent; spreads None or NaN where unknown."""

    name: str
    values: tuple[float, ...]
    spreads: tuple[float | None, ...]


def smoothed(values: Sequence[float], window: int) -> tuple[float, ...]:
    """The mean over a centred window, shorter at the ends; NaN values are left out of it."""
    means = []
    for index in range(len(values)):
        near = values[max(0, index - window // 2) : index + window // 2 + 1]
        finite = [value for value in near if math.isfinite(value)]
        means.append(sum(finite) / len(finite) if finite else math.nan)
    return tuple(means)


def line_chart(lines: Sequence[Line], x_label: str, y_label: str, height: float = 260.0) -> str:
    """Curves over a common axis."""
    values = [value for line in lines for value in (*line.y, *(line.faint or ()))]
    across = scale_over([value for line in lines for value in line.x], LEFT, WIDTH - RIGHT, margin=0.0)
    up = scale_over(values, height - BOTTOM, TOP)
    parts = [_grid(across, up, height, x_label, y_label)]
    for line in lines:
        if line.faint is not None:
            parts.append(f'<path class="line faint s{line.series}" d="{_path(line.x, line.faint, across, up)}"/>')
    for line in lines:
        title = f"<title>{escape(line.name)}</title>"
        parts.append(f'<path class="line s{line.series}" d="{_path(line.x, line.y, across, up)}">{title}</path>')
    names = [(line.name, line.series) for line in lines]
    return legend(names) + _svg(height, f"{y_label} over {x_label}", "".join(parts))


def bar_chart(groups: Sequence[BarGroup], series: Sequence[tuple[str, int]], unit: str) -> str:
    """Lying bars, one group per class with the series one under another; whiskers reach one spread to both sides.

    series: the name of every bar of a group, and which of the page's colours it has.
    """
    row = BAR * len(series) + BAR_GAP
    floor = TOP + row * len(groups)
    height = floor + BOTTOM
    ends = [
        value + (0.0 if spread is None or math.isnan(spread) else spread)
        for group in groups
        for value, spread in zip(group.values, group.spreads, strict=True)
    ]
    highest = max([end for end in ends if math.isfinite(end)], default=1.0)
    across = Scale(0.0, max(highest, 1e-9), BAR_LEFT, WIDTH - BAR_RIGHT)
    parts = []
    for tick in across.ticks():
        x = across.position(tick)
        parts.append(f'<path class="grid" d="M{x:.1f} {TOP:g}V{floor:g}"/>')
        parts.append(_text(x, floor + 17, f"{tick:g}", "middle"))
    parts.append(_text((BAR_LEFT + WIDTH - BAR_RIGHT) / 2, height - 4, unit, "middle", "label"))
    for index, group in enumerate(groups):
        top = TOP + row * index + BAR_GAP / 2
        parts.append(_text(BAR_LEFT - 8, top + BAR * len(series) / 2 + 4.5, group.name, "end", "name"))
        for place, ((name, number), value, spread) in enumerate(zip(series, group.values, group.spreads, strict=True)):
            parts.append(_bar(across, top + BAR * place, number, f"{group.name}, {name}", value, spread))
    return legend(series) + _svg(height, f"{unit} of every class", "".join(parts))


def legend(series: Sequence[tuple[str, int]]) -> str:
    """What the colours of the series mean; nothing where there is only one."""
    if len(series) < 2:
        return ""
    items = (f'<span><i class="key s{number}"></i>{escape(name)}</span>' for name, number in series)
    return f'<p class="legend">{"".join(items)}</p>'


def _bar(across: Scale, top: float, series: int, words: str, value: float, spread: float | None) -> str:
    thick = BAR - 1.5
    start = across.position(0.0)
    if not math.isfinite(value):
        return _text(start + 4, top + thick, "absent", "start", "absent")
    spread = None if spread is None or math.isnan(spread) else spread
    title = f"<title>{escape(words)}: {value:.1f}{'' if spread is None else f' ± {spread:.1f}'}</title>"
    end = across.position(value)
    place = f'x="{start:.1f}" y="{top:.1f}" width="{end - start:.1f}" height="{thick:.1f}" rx="1.5"'
    bar = f'<rect class="bar s{series}" {place}>{title}</rect>'
    if spread:
        low, high = across.position(max(value - spread, 0.0)), across.position(value + spread)
        bar += f'<path class="whisker" d="M{low:.1f} {top + thick / 2:.1f}H{high:.1f}"/>'
    return bar + _text(across.position(value + (spread or 0.0)) + 5, top + thick, f"{value:.1f}", "start", "figure")


def _grid(across: Scale, up: Scale, height: float, x_label: str, y_label: str) -> str:
    floor = height - BOTTOM
    parts = []
    for tick in up.ticks():
        y = up.position(tick)
        parts.append(f'<path class="grid" d="M{LEFT:g} {y:.1f}H{WIDTH - RIGHT:g}"/>')
        parts.append(_text(LEFT - 7, y + 4, f"{tick:g}", "end"))
    for tick in across.ticks(6):
        parts.append(_text(across.position(tick), floor + 17, f"{tick:g}", "middle"))
    parts.append(f'<path class="axis" d="M{LEFT:g} {floor:g}H{WIDTH - RIGHT:g}"/>')
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, height - 4, x_label, "middle", "label"))
    parts.append(f'<g transform="rotate(-90 13 {(TOP + floor) / 2:g})">')
    parts.append(_text(13.0, (TOP + floor) / 2, y_label, "middle", "label") + "</g>")
    return "".join(parts)


def _text(x: float, y: float, words: str, anchor: str, kind: str = "tick") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _path(x: Sequence[float], y: Sequence[float], across: Scale, up: Scale) -> str:
    """Straight pieces between neighbours; a NaN ends one piece and the next value begins another."""
    commands = []
    pen_down = False
    for value_x, value_y in zip(x, y, strict=True):
        if not (math.isfinite(value_x) and math.isfinite(value_y)):
            pen_down = False
            continue
        commands.append(f"{'L' if pen_down else 'M'}{across.position(value_x):.1f} {up.position(value_y):.1f}")
        pen_down = True
    return "".join(commands)


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))


def _svg(height: float, description: str, content: str) -> str:
    return (
        f'<div class="wide"><svg viewBox="0 0 {WIDTH:g} {height:g}" role="img" aria-label="{escape(description)}">'
        f"{content}</svg></div>"
    )
