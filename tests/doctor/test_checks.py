"""Oracle: a drive of which nothing is wrong, and the same drive with one thing wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from lima.datasets.parts import SequencePart
from lima.doctor import points, poses, timing
from lima.doctor.facts import FrameFacts, ImageFacts, seen_by, sweep_facts
from lima.doctor.finding import Finding, named
from lima.doctor.selection import choose, spread
from tests.doctor import hand_made
from tests.doctor.hand_made import STEP_NS, at, changed, drive_facts, image_changed, sweep_of


def check(facts: list[FrameFacts]) -> list[Finding]:
    return [
        *timing.check_camera_times("d", facts, STEP_NS * 1e-9),
        *points.check_sweeps("d", facts),
        *points.check_images("d", facts),
        *poses.check_poses("d", facts),
    ]


def test_nothing_is_wrong_with_a_good_drive() -> None:
    assert check(drive_facts()) == []


GOOD = drive_facts()


def with_images(make: Callable[[FrameFacts], ImageFacts]) -> list[FrameFacts]:
    """The same drive with other images."""
    return [replace(frame, images=(make(frame),)) for frame in GOOD]


WRONG = {
    "sparse": (changed(GOOD, 3, points=9_000), "frame 3 with less than half of the usual 30000 points"),
    "at the sensor": (
        [replace(frame, sweep=replace(frame.sweep, at_sensor=0.4)) for frame in GOOD],
        "40% of the points lie within 0.1 m of the sensor",
    ),
    "twice": (changed(GOOD, 2, repeated=0.5), "frame 2 with points that are there twice, up to 50%"),
    "far": (changed(GOOD, 1, range_m=(3.0, 9.0, 6e4)), "frame 1 with points up to 60000 m away"),
    "kilometres": (
        [replace(frame, sweep=replace(frame.sweep, range_m=(0.003, 0.009, 0.08))) for frame in GOOD],
        "are they metres?",
    ),
    "intensity": (changed(GOOD, 4, intensity=(0.0, 12.0, 255.0)), "intensities from 0 to 255; 0 … 1 was expected"),
    "dim": (
        [replace(frame, sweep=replace(frame.sweep, intensity=(0.0, 0.0004, 0.0039))) for frame in GOOD],
        "were they scaled twice?",
    ),
    "no intensity": (
        [replace(frame, sweep=replace(frame.sweep, intensity=(0.0, 0.0, 0.0))) for frame in GOOD],
        "every point has intensity 0: the sensor tells none",
    ),
    "rings gone": (changed(GOOD, 5, rings=16), "frame 5 with 16 beams where 32 are usual"),
    "rings crossed": (
        [replace(frame, sweep=replace(frame.sweep, rings_rise=False)) for frame in GOOD],
        "do not look higher the higher their number",
    ),
    "sweep copied": (changed(GOOD, 6, digest=b"sweep 2"), "frame 6 with the points of an earlier frame"),
    "black": (image_changed(GOOD, 2, spread=0.5), "frame 2 of one colour"),
    "image copied": (image_changed(GOOD, 7, digest=b"front 6"), "frame 7 with the picture of an earlier frame"),
    "sizes": (image_changed(GOOD, 1, size_px=(200, 100)), "images of 2 sizes: 200 x 100, 400 x 200"),
    "blind": (
        [replace(frame, images=(replace(frame.images[0], seen=0.001),)) for frame in GOOD],
        "less than 1% of the points project into its images",
    ),
    "no image": ([*GOOD[:3], replace(GOOD[3], images=(), cameras=()), *GOOD[4:]], "no image in frame 3 of 8 read"),
    "other lag": (
        image_changed(GOOD, 3, timestamp_ns=4 * STEP_NS + 200_000_000),
        "frame 3 more than 100 ms off the usual lag of +20 ms",
    ),
    "time stands": (
        image_changed(GOOD, 3, timestamp_ns=GOOD[2].images[0].timestamp_ns),
        "frame 3 with the time of the image before",
    ),
    "other frames' images": (
        [replace(frame, images=(hand_made.image_facts(frame.index, lag_s=0.3),)) for frame in GOOD],
        "images are +300 ms from their sweeps, which are 500 ms apart",
    ),
    "jump": (changed(GOOD, 4, world_from_ego=at(20.0, 3.0)), "poses jump by up to 3.00 m around frame"),
    "no metres": (
        [replace(frame, sweep=replace(frame.sweep, world_from_ego=at(5000.0 * frame.index))) for frame in GOOD],
        "faster than 252 km/h",
    ),
    "spin": (changed(GOOD, 4, world_from_ego=at(20.0, yaw_deg=90)), "turning faster than 120 degrees a second"),
    "camera elsewhere": (
        with_images(lambda frame: replace(frame.images[0], world_from_ego=at(5.0 * frame.index, 2.0))),
        "its poses are 2.01 m from where the vehicle was",
    ),
    "sweep's pose": (
        with_images(
            lambda frame: hand_made.image_facts(frame.index, lag_s=0.06, world_from_ego=at(5.0 * frame.index))
        ),
        "the vehicle had moved 0.60 m on",
    ),
    "other mount": (changed(GOOD, 5, ego_from_lidar=at(1.0, 0.0, 1.9)), "the LiDAR is mounted otherwise in frame 5"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(name: str) -> None:
    facts, words = WRONG[name]
    assert [finding for finding in check(facts) if words in finding.words], [finding.line for finding in check(facts)]


class Timed:
    """A sequence of which only the times matter."""

    def __init__(self, times_s: list[float]) -> None:
        self.name, self.timestamps_ns = "d", [round(time * 1e9) for time in times_s]
        self.tokens = [str(time) for time in times_s]

    def __len__(self) -> int:
        return len(self.timestamps_ns)

    def frame(self, index: int) -> Any:
        raise AssertionError("times are known without reading")


@pytest.mark.parametrize(
    ("times_s", "words"),
    [
        ([0, 0.5, 1.0, 1.5], None),
        ([0, 0.5, 1.0, 3.0, 3.5], "1 gap before frame 3, up to 2.00 s where 0.50 s is usual"),
        ([0, 0.5, 0.5, 1.0], "stands still or runs backwards at frame 2"),
        ([0, 5e-7, 1e-6, 1.5e-6], "are the times in another unit?"),
        ([1.0], None),
    ],
)
def test_times_of_sweeps(times_s: list[float], words: str | None) -> None:
    findings = timing.check_sweep_times(Timed(times_s))
    assert [finding for finding in findings if words and words in finding.words] == findings
    assert len(findings) == (words is not None)


def test_rates_gaps_and_lags() -> None:
    lidar = timing.lidar_times(Timed([0, 0.5, 1.0, 2.5]))
    assert (lidar.frames, lidar.rate_hz, lidar.longest_step_s, lidar.lag_ms) == (4, 2.0, 1.5, None)
    (camera,) = timing.camera_times(drive_facts())
    assert camera.rate_hz == pytest.approx(2.0)
    assert camera.lag_ms == pytest.approx((20.0, 20.0, 20.0))


def test_parts_of_a_drive_are_a_gap() -> None:
    whole = Timed([0, 0.5, 3.0, 3.5])
    parts = [SequencePart(whole, 0, 2, "d part 1"), SequencePart(whole, 2, 4, "d part 2")]
    (finding,) = timing.check_parts([*parts, SequencePart(Timed([0, 1]), 0, 2, "other")])
    assert finding.words == "a gap of 2.50 s before frame 2: were frames lost?"


def test_facts_of_a_sweep_are_counted() -> None:
    """Two points at the sensor, one of them twice, one on the vehicle, five outside: two of these are one."""
    distances = [0.0, 0.05, 2.0, 3.0, 4.0, 4.0, 10.0, 50.0]
    sweep = sweep_of(torch.tensor([[distance, 0.0, 0.0] for distance in distances]), ring=torch.arange(8) % 3)
    facts = sweep_facts(sweep)
    assert (facts.points, facts.rings) == (8, 3)
    assert facts.at_sensor == 0.25
    assert facts.repeated == pytest.approx(1 / 5)
    assert facts.range_m == (3.0, 4.0, 50.0)
    again = sweep_facts(sweep_of(sweep.points_lidar.clone()))
    assert (again.digest, again.rings) == (facts.digest, None)


def test_points_are_seen_by_none_one_or_more() -> None:
    visible = torch.tensor([[True, True, False, False], [True, False, False, False], [True, False, False, True]])
    assert seen_by(visible) == (0.25, 0.5, 0.25)
    assert seen_by(torch.zeros(0, 4, dtype=torch.bool)) == (1.0, 0.0, 0.0)


def test_frames_are_named_shortly() -> None:
    assert named([4]) == "frame 4"
    assert named([1, 2, 3]) == "frames 1, 2, 3"
    assert named(range(20)) == "frames 0, 1, 2 and 17 more"


def test_few_frames_are_chosen_as_stretches_over_the_whole() -> None:
    (chosen,) = choose([Timed([0.5 * index for index in range(100)])], 0, 24)
    assert chosen.frames[0] == 0
    assert chosen.frames[-1] == 99
    assert len(chosen.frames) == 24
    assert sum(after == before + 1 for before, after in zip(chosen.frames, chosen.frames[1:], strict=False)) == 20
    assert choose([Timed([0, 1, 2])], 0, 24)[0].frames == (0, 1, 2)
    assert choose([Timed([0, 1, 2])], 0, 0)[0].frames == (0, 1, 2)
    with pytest.raises(ValueError, match="0 \\(all\\) or more"):
        choose([], -1, 0)


@pytest.mark.parametrize(("count", "wanted"), [(10, 3), (10, 10), (3, 10), (7, 1), (0, 2)])
def test_places_are_spread_evenly(count: int, wanted: int) -> None:
    places = spread(count, wanted)
    assert len(set(places)) == min(count, wanted)
    assert places == sorted(places)
    assert all(0 <= place < count for place in places)
    if count > wanted > 1:
        assert (places[0], places[-1]) == (0, count - 1)
