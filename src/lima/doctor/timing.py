"""Clocks: rates, gaps, and how the cameras' times lie to the LiDAR's."""

from __future__ import annotations

import itertools
from collections.abc import Sequence as Series
from dataclasses import dataclass
from statistics import median

from lima.datasets.parts import SequencePart
from lima.doctor.facts import FrameFacts, ImageFacts
from lima.doctor.finding import Finding, named
from lima.scene import Sequence

GAP_STEPS = 1.5
SLOWEST_STEP_S, FASTEST_STEP_S = 10.0, 0.005
LAG_STEPS = 0.5  # an image farther from its sweep than this share of a step belongs to another
JITTER_S = 0.1


@dataclass(frozen=True)
class SensorTimes:
    """One sensor's times. lag_ms: of images behind their sweeps: median, least, greatest; None of a LiDAR."""

    sensor: str
    frames: int
    rate_hz: float | None
    longest_step_s: float | None
    lag_ms: tuple[float, float, float] | None


def lidar_times(sequence: Sequence) -> SensorTimes:
    """Of the whole drive: sweeps' times are known without reading them."""
    return _times("LiDAR", steps_s(sequence.timestamps_ns), len(sequence), None)


def camera_times(facts: Series[FrameFacts]) -> list[SensorTimes]:
    """Of the frames that were read; steps are counted between neighbours only."""
    times = []
    for camera, images in _by_camera(facts).items():
        lags = [_lag_s(frame, image) * 1e3 for frame, image in images]
        steps = [
            (later.timestamp_ns - earlier.timestamp_ns) * 1e-9
            for (frame, earlier), (after, later) in itertools.pairwise(images)
            if after.index == frame.index + 1
        ]
        times.append(_times(camera, steps, len(images), (median(lags), min(lags), max(lags))))
    return times


def check_sweep_times(sequence: Sequence) -> list[Finding]:
    """Steps of the whole drive: gaps, times that do not ascend, and steps that no LiDAR makes."""
    steps = steps_s(sequence.timestamps_ns)
    if not steps:
        return []
    usual = median(steps)
    backwards = [index + 1 for index, step in enumerate(steps) if step <= 0]
    if backwards:
        words = f"time stands still or runs backwards at {named(backwards)}; ascending times were expected"
        return [Finding("wrong", "timing", sequence.name, words)]
    if not FASTEST_STEP_S <= usual <= SLOWEST_STEP_S:
        words = f"sweeps are {usual:.3g} s apart; 0.05 … 1 s would be usual: are the times in another unit?"
        return [Finding("wrong", "timing", sequence.name, words)]
    gaps = [index + 1 for index, step in enumerate(steps) if step > GAP_STEPS * usual]
    if not gaps:
        return []
    longest = max(steps)
    words = (
        f"{len(gaps)} gap{'s' if len(gaps) > 1 else ''} before {named(gaps)}, up to {longest:.2f} s where {usual:.2f} "
        f"s is usual: were frames lost?"
    )
    return [Finding("wrong", "timing", sequence.name, words)]


def check_parts(sequences: Series[Sequence]) -> list[Finding]:
    """Drives that were split where frames are missing."""
    parts = [sequence for sequence in sequences if isinstance(sequence, SequencePart)]
    findings = []
    for earlier, later in itertools.pairwise(parts):
        if later.whole is not earlier.whole:
            continue
        seconds = (later.timestamps_ns[0] - earlier.timestamps_ns[-1]) * 1e-9
        words = f"a gap of {seconds:.2f} s before {named([later.start])}: were frames lost?"
        findings.append(Finding("wrong", "timing", later.whole.name, words))
    return findings


def check_camera_times(name: str, facts: Series[FrameFacts], step_s: float | None) -> list[Finding]:
    """Images that are missing, belong to other frames, or are shown twice. step_s: usual time between sweeps."""
    findings = []
    every = {camera for frame in facts for camera in frame.cameras}
    for camera in sorted(every):
        without = [frame.index for frame in facts if camera not in frame.cameras]
        if without:
            words = f"no image in {named(without)} of {len(facts)} read"
            findings.append(Finding("wrong", "timing", f"{name}, {camera}", words))
    for camera, images in _by_camera(facts).items():
        findings += _check_lag(f"{name}, {camera}", images, step_s)
    return findings


def _check_lag(where: str, images: Series[tuple[FrameFacts, ImageFacts]], step_s: float | None) -> list[Finding]:
    usual = median(_lag_s(frame, image) for frame, image in images)
    if step_s and abs(usual) > LAG_STEPS * step_s:
        words = (
            f"images are {1e3 * usual:+.0f} ms from their sweeps, which are {1e3 * step_s:.0f} ms apart: do they "
            f"belong to other frames, or do the clocks differ?"
        )
        return [Finding("wrong", "timing", where, words)]
    allowed_s = min(JITTER_S, LAG_STEPS * step_s) if step_s else JITTER_S
    off = [frame.index for frame, image in images if abs(_lag_s(frame, image) - usual) > allowed_s]
    findings = []
    if off:
        words = f"{named(off)} more than {1e3 * allowed_s:.0f} ms off the usual lag of {1e3 * usual:+.0f} ms"
        findings.append(Finding("wrong", "timing", where, words))
    again = [
        after.index
        for (_, earlier), (after, later) in itertools.pairwise(images)
        if later.timestamp_ns == earlier.timestamp_ns
    ]
    if again:
        findings.append(Finding("wrong", "timing", where, f"{named(again)} with the time of the image before"))
    return findings


def _by_camera(facts: Series[FrameFacts]) -> dict[str, list[tuple[FrameFacts, ImageFacts]]]:
    cameras: dict[str, list[tuple[FrameFacts, ImageFacts]]] = {}
    for frame in facts:
        for image in frame.images:
            cameras.setdefault(image.camera, []).append((frame, image))
    return cameras


def _lag_s(frame: FrameFacts, image: ImageFacts) -> float:
    return (image.timestamp_ns - frame.sweep.timestamp_ns) * 1e-9


def steps_s(times_ns: Series[int]) -> list[float]:
    """The seconds between neighbours."""
    return [(later - earlier) * 1e-9 for earlier, later in itertools.pairwise(times_ns)]


def _times(sensor: str, steps: Series[float], frames: int, lag_ms: tuple[float, float, float] | None) -> SensorTimes:
    usual = median(steps) if steps else 0.0
    return SensorTimes(sensor, frames, 1 / usual if usual > 0 else None, max(steps) if steps else None, lag_ms)
