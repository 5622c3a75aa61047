"""Oracle: offsets that are given, and the sentences that a person should read of them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from lima.doctor.alignment import Alignment, CameraFit
from lima.doctor.as_json import plain
from lima.doctor.fits import LIDAR_MOVES, LIDAR_WORDS, Tolerance, check_alignment, offset_words
from lima.doctor.reference import read_reference
from lima.doctor.witness import Offset

DEFAULT, STRICT = Tolerance(0.7, 0.05), Tolerance(0.2, 0.03)
NONE = Offset((0.0,) * 6, (0.01, 0.01, 0.01, 0.002, 0.002, 0.002), 0.0, 0.0, 0.5)
ON_TIME = Offset((0.001,), (0.002,), 0.01, 0.0, 0.5)


def turned(*place: float, shift_deg: float = 0.3, gain: float = 0.05, confidence: float = 1.0) -> Offset:
    return replace(NONE, place=tuple(map(float, place)), shift_deg=shift_deg, gain=gain, confidence=confidence)


def fitted(camera: str, offset: Offset, late: Offset | None = ON_TIME, distinct: float = 1.0) -> CameraFit:
    return CameraFit(camera, 1000, offset, late, 0.8, distinct, {"turned up": ((0.0, 1.0),)})


def lines(alignment: Alignment, tolerance: Tolerance = DEFAULT) -> list[tuple[str, str]]:
    return [(finding.level, finding.line) for finding in check_alignment("d", alignment, tolerance)]


def test_words_have_the_signs_of_the_axes() -> None:
    offset = turned(0.2, 0.3, -0.4, -0.05, 0.06, 0.07)
    assert offset_words(offset) == (
        "0.20 ± 0.01° up, 0.30 ± 0.01° right, 0.40 ± 0.01° anticlockwise, 5.0 ± 0.2 cm left, 6.0 ± 0.2 cm down, "
        "7.0 ± 0.2 cm forward"
    )
    assert offset_words(turned(-0.2, 0, 0, 0, 0, 0.03), LIDAR_WORDS, LIDAR_MOVES) == (
        "0.20 ± 0.01° over to the left, 3.0 ± 0.2 cm up"
    )
    assert offset_words(NONE) == "where they are"


def test_what_fits_is_not_mentioned() -> None:
    assert lines(Alignment((fitted("front", NONE), fitted("back", NONE)), NONE, ON_TIME, ())) == []


def test_one_camera_is_said_or_wrong_by_its_size() -> None:
    small = Alignment((fitted("front", turned(0.3, 0, 0, 0, 0, 0)), fitted("back", NONE)), NONE, ON_TIME, ())
    assert [level for level, _ in lines(small)] == ["notice"]
    ((level, line),) = lines(small, STRICT)
    assert level == "wrong"
    assert line == "d, front: points fit best 0.30 ± 0.01° up, 0.30 degrees from where they are"
    moved = replace(small, cameras=(fitted("front", turned(0, 0, 0, 0.08, 0, 0)),))
    assert [level for level, _ in lines(moved)] == ["wrong"], "8 cm are too many, whatever the angle"
    unclear = replace(turned(0, 0, 0, 0.08, 0, 0), spread=(0.01, 0.01, 0.01, 0.03, 0.01, 0.01))
    assert [level for level, _ in lines(replace(moved, cameras=(fitted("front", unclear),)))] == ["notice"]


@pytest.mark.parametrize(
    "offset", [turned(0.3, 0, 0, 0, 0, 0, confidence=0.9), turned(0.1, 0, 0, 0, 0, 0, shift_deg=0.1)]
)
def test_unsure_and_tiny_offsets_are_not_said(offset: Offset) -> None:
    assert lines(Alignment((fitted("front", offset),), None, ON_TIME, ()), STRICT) == []


def test_a_shared_cause_is_named_once() -> None:
    off = turned(0.9, 0, 0, 0, 0, 0, shift_deg=0.9)
    cameras = (fitted("front", off), fitted("back", off))
    shared = turned(0, 0.9, 0, 0, 0, 0, shift_deg=0.9, gain=0.048)
    ((level, line),) = lines(Alignment(cameras, shared, ON_TIME, ()))
    assert level == "wrong"
    assert line.startswith("d: in all cameras the LiDAR's points fit best 0.90 ± 0.01° down in front")
    weak = replace(shared, gain=0.01)
    assert len(lines(Alignment(cameras, weak, ON_TIME, ()))) == 2, "it does not explain what the cameras say"


def test_a_clock_is_named_where_it_explains_the_offset() -> None:
    late = Offset((0.05,), (0.002,), 0.5, 0.049, 1.0)
    off = turned(0, 0, 0, 0, 0, 0.5, shift_deg=0.5)
    ((level, line),) = lines(Alignment((fitted("front", off), fitted("back", off)), NONE, late, ()))
    assert level == "wrong"
    assert line.startswith("d: images fit best as taken 50 ± 2 ms later than they say")
    ((_, line),) = lines(Alignment((fitted("front", off, late),), None, None, ()))
    assert line.startswith("d, front: its images fit best as taken 50 ± 2 ms later")


def test_images_of_something_else_are_wrong() -> None:
    ((level, line),) = lines(Alignment((fitted("front", NONE, distinct=0.5),), None, None, ()))
    assert level == "wrong"
    assert "nowhere near the image's edges" in line
    ((level, line),) = lines(Alignment((), None, None, (("front", "only 3 outlines"),)))
    assert (level, line) == ("notice", "d, front: cannot be judged: only 3 outlines")


def test_a_reference_is_the_median_of_drives(tmp_path: Path) -> None:
    drives = [
        {"alignment": plain(Alignment((fitted("front", turned(degrees, 0, 0, 0, 0, 0)),), None, None, ()))}
        for degrees in (0.1, 0.5, 0.2)
    ]
    file = tmp_path / "good.json"
    file.write_text(json.dumps({"drives": [*drives, {"alignment": None}]}))
    assert read_reference(file).places == {"front": (0.2, 0, 0, 0, 0, 0)}
    file.write_text(json.dumps({"drives": [{"alignment": None}]}))
    with pytest.raises(ValueError, match="tells of no camera"):
        read_reference(file)
    with pytest.raises(FileNotFoundError):
        read_reference(tmp_path / "nothing.json")


def test_numbers_that_are_none_are_null() -> None:
    assert plain({"a": (math.nan, 1.5), "b": ON_TIME}) == {
        "a": [None, 1.5],
        "b": {"place": [0.001], "spread": [0.002], "shift_deg": 0.01, "gain": 0.0, "confidence": 0.5},
    }
