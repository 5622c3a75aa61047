"""Oracle: arithmetic by hand from values to pixels, and an XML parser that reads the SVG back."""

import math
import re
from xml.etree import ElementTree

import pytest

from lima.evaluate import charts
from lima.evaluate.charts import BarGroup, Line, Scale, bar_chart, line_chart, scale_over, smoothed

NAN = math.nan


def svg_of(html: str) -> ElementTree.Element:
    return ElementTree.fromstring(html[html.index("<svg") : html.index("</svg>") + 6])


def numbers(path: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.?\d*", path)]


def test_a_scale_is_a_straight_line() -> None:
    scale = Scale(low=10.0, high=30.0, start=100.0, end=0.0)
    assert [scale.position(value) for value in (10.0, 20.0, 30.0, 40.0)] == [100, 50, 0, -50]


@pytest.mark.parametrize(
    ("low", "high", "about", "ticks"),
    [
        (0.0, 100.0, 5, [0, 20, 40, 60, 80, 100]),
        (0.0, 1.0, 5, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (-3.0, 7.0, 5, [-2, 0, 2, 4, 6]),
        (0.01, 0.031, 4, [0.01, 0.02, 0.03]),
        (0.0, 41.0, 5, [0, 10, 20, 30, 40]),
    ],
)
def test_ticks_are_round(low: float, high: float, about: int, ticks: list[float]) -> None:
    assert Scale(low, high, 0.0, 1.0).ticks(about) == pytest.approx(ticks)


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0), (NAN, 1.0), (0.0, math.inf)])
def test_a_scale_refuses_what_it_cannot_draw(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="low < high"):
        Scale(low, high, 0.0, 1.0)


def test_a_scale_over_values_leaves_out_nan_and_holds_a_constant() -> None:
    scale = scale_over([1.0, NAN, 3.0], 0.0, 100.0, margin=0.5)
    assert (scale.low, scale.high) == (0, 4)
    assert scale_over([2.0, 2.0], 0.0, 1.0).position(2.0) == 0.5
    assert math.isfinite(scale_over([NAN], 0.0, 1.0).position(0.5))


def test_a_line_stands_where_its_values_say() -> None:
    svg = svg_of(line_chart([Line("a", 2, (0.0, 50.0, 100.0), (0.0, 1.0, 0.5))], "step", "loss", height=200.0))
    (path,) = (part for part in svg.iter() if part.get("class") == "line s2")
    x0, y0, x1, y1, x2, y2 = numbers(path.get("d") or "")
    left, right = charts.LEFT, charts.WIDTH - charts.RIGHT
    floor, top = 200 - charts.BOTTOM, charts.TOP
    assert (x0, x1, x2) == (left, (left + right) / 2, right)
    # Values from 0 to 1 with a margin of 0.05 at both ends: 0 lies 0.05 / 1.1 of the height above the floor.
    per_unit = (floor - top) / 1.1
    expected = [floor - 0.05 * per_unit, floor - 1.05 * per_unit, floor - 0.55 * per_unit]
    assert [y0, y1, y2] == pytest.approx(expected, abs=0.06)


def test_nan_is_a_gap_in_a_line() -> None:
    svg = svg_of(line_chart([Line("a", 1, (0.0, 1.0, 2.0, 3.0, 4.0), (1.0, 2.0, NAN, 2.0, 1.0))], "x", "y"))
    (path,) = (part.get("d") or "" for part in svg.iter() if part.get("class") == "line s1")
    assert [letter for letter in path if letter in "ML"] == ["M", "L", "M", "L"]
    assert "nan" not in path


def test_bars_are_as_long_as_their_values_and_whiskers_as_their_spreads() -> None:
    groups = [BarGroup("car", (20.0, 40.0), (None, 5.0)), BarGroup("bus", (10.0, NAN), (NAN, None))]
    html = bar_chart(groups, [("one", 1), ("two", 3)], "IoU in %")
    svg = svg_of(html)
    per_percent = (charts.WIDTH - charts.BAR_RIGHT - charts.BAR_LEFT) / 45  # the longest: 40 and a spread of 5
    bars = [part for part in svg.iter() if (part.get("class") or "").startswith("bar")]
    assert [bar.get("class") for bar in bars] == ["bar s1", "bar s3", "bar s1"]
    assert [float(bar.get("width") or 0) for bar in bars] == pytest.approx(
        [20 * per_percent, 40 * per_percent, 10 * per_percent], abs=0.06
    )
    assert all(float(bar.get("x") or 0) == charts.BAR_LEFT for bar in bars)
    (whisker,) = (part for part in svg.iter() if part.get("class") == "whisker")
    start, _, end = numbers(whisker.get("d") or "")
    assert (start, end) == pytest.approx(
        (charts.BAR_LEFT + 35 * per_percent, charts.BAR_LEFT + 45 * per_percent), abs=0.06
    )
    assert [part.text for part in svg.iter() if part.get("class") == "absent"] == ["absent"]
    assert "car, two: 40.0 ± 5.0" in html
    assert "nan" not in html.lower()


def test_smoothing_is_the_mean_of_the_neighbours_without_nan() -> None:
    assert smoothed([1.0, 2.0, 6.0, 10.0], window=3) == pytest.approx([1.5, 3.0, 6.0, 8.0])
    assert smoothed([1.0, NAN, 3.0], window=3) == pytest.approx([1.0, 2.0, 3.0])
    assert smoothed([4.0, 8.0], window=1) == (4.0, 8.0)


def test_words_are_escaped() -> None:
    html = line_chart([Line("<a> & b", 1, (0.0, 1.0), (0.0, 1.0)), Line("c", 2, (0.0,), (0.0,))], "x<y", "l")
    assert "<a>" not in html
    assert "&lt;a&gt; &amp; b" in html
    svg_of(html)


def test_a_line_needs_as_many_values_as_positions() -> None:
    with pytest.raises(ValueError, match="2 positions for 1 values"):
        Line("a", 1, (0.0, 1.0), (0.0,))
