"""Oracle: positions by the rules of a logarithmic axis, and the numbers that go in."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import pytest

from lima.evaluate.curves import Curve, efficiency_picture, efficiency_pictures


def test_the_picture_is_where_the_numbers_are() -> None:
    curves = [Curve("one", (1.0, 10.0, 100.0), (20.0, math.nan, 40.0), (1.0, math.nan, math.nan))]
    picture = efficiency_picture(curves, [(1.0, "1 %"), (10.0, "10 %"), (100.0, "all")], "mIoU in %")
    points = re.search(r'points="([^"]*)"', picture)
    assert points is not None
    (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in points[1].split())
    places = {words: float(x) for x, words in re.findall(r'<text x="([\d.]+)" y="330.0" [^>]*>([^<]*)</text>', picture)}
    assert (x1, x2) == (places["1 %"], places["all"])
    assert places["10 %"] == pytest.approx((x1 + x2) / 2, abs=0.2)  # logarithmic
    assert y1 > y2  # higher is better
    assert picture.count("<path d=") - picture.count('stroke="#e3e5e3"') == 2  # one whisker, one axis
    ET.fromstring(picture)


def test_several_scores_stand_one_under_another() -> None:
    curves = [Curve("one", (1.0, 10.0), (20.0, 40.0), (1.0, 1.0))]
    ticks = [(1.0, "1 %"), (10.0, "10 %")]
    one, both = (
        ET.fromstring(efficiency_pictures(panels, ticks))
        for panels in ([(curves, "mAP in %")], [(curves, "mAP in %"), (curves, "NDS in %")])
    )
    width, height = (float(number) for number in one.attrib["viewBox"].split()[2:])
    assert both.attrib["viewBox"] == f"0 0 {width:g} {2 * height:g}"
    first, second = list(both)
    assert (first.attrib["transform"], second.attrib["transform"]) == ("translate(0 0)", f"translate(0 {height:g})")
    for panel, name in zip(both, ("mAP in %", "NDS in %"), strict=True):
        assert [words for words in panel.itertext() if words.endswith("in %")] == [name]
