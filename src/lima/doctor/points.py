"""What sweeps and images hold, judged from their facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence as Series
from statistics import median

from lima.doctor.facts import AT_SENSOR_M, FrameFacts
from lima.doctor.finding import Finding, named

SPARSE_SHARE = 0.5  # of the usual number of points
AT_SENSOR_SHARE, REPEATED_SHARE = 0.25, 0.01
NEAREST_USUAL_M, FARTHEST_USUAL_M, FARTHEST_M = 2.5, 150.0, 1000.0
DIM = 0.02  # an intensity: nothing brighter than this is no intensity of 0 … 1
BLANK = 2.0  # grey values: lenses that are covered, frames that are black
BLIND_SHARE = 0.01


def check_sweeps(name: str, facts: Series[FrameFacts]) -> list[Finding]:
    """Too few points, of strange ranges or intensities, at the sensor itself, or there twice; beams that are gone."""
    if not facts:
        return []
    findings = []

    def say(level: str, words: str) -> None:
        findings.append(Finding("wrong" if level == "wrong" else "notice", "points", name, words))

    usual = median(frame.sweep.points for frame in facts)
    sparse = [frame.index for frame in facts if frame.sweep.points < SPARSE_SHARE * usual]
    if sparse:
        say("wrong", f"{named(sparse)} with less than half of the usual {usual:.0f} points: were packets lost?")
    at_sensor = median(frame.sweep.at_sensor for frame in facts)
    if at_sensor > AT_SENSOR_SHARE:
        say("wrong", f"{at_sensor:.0%} of the points lie within {AT_SENSOR_M} m of the sensor: beams without a return?")
    repeated = [frame.index for frame in facts if frame.sweep.repeated > REPEATED_SHARE]
    if repeated:
        worst = max(frame.sweep.repeated for frame in facts)
        say("wrong", f"{named(repeated)} with points that are there twice, up to {worst:.0%} of them")
    middle = median(frame.sweep.range_m[1] for frame in facts)
    if not NEAREST_USUAL_M < middle < FARTHEST_USUAL_M:
        say("wrong", f"half of the points are nearer than {middle:.3g} m; 3 … 50 m would be usual: are they metres?")
    far = [frame.index for frame in facts if frame.sweep.range_m[2] > FARTHEST_M]
    if far:
        farthest = max(frame.sweep.range_m[2] for frame in facts)
        say("wrong", f"{named(far)} with points up to {farthest:.0f} m away: are these returns?")
    findings += _check_intensity(name, facts)
    findings += _check_rings(name, facts)
    copies = _copies([(frame.index, frame.sweep.digest) for frame in facts])
    if copies:
        say("wrong", f"{named(copies)} with the points of an earlier frame: copied twice?")
    return findings


def _check_intensity(name: str, facts: Series[FrameFacts]) -> list[Finding]:
    least = min(frame.sweep.intensity[0] for frame in facts)
    most = max(frame.sweep.intensity[2] for frame in facts)
    if least < 0 or most > 1:
        words = f"intensities from {least:.3g} to {most:.3g}; 0 … 1 was expected: is the format's scale another one?"
        return [Finding("wrong", "points", name, words)]
    if least == most:
        return [Finding("notice", "points", name, f"every point has intensity {most:.3g}: the sensor tells none")]
    if most < DIM:
        words = f"no intensity above {most:.3g}, though they go from 0 to 1: were they scaled twice?"
        return [Finding("wrong", "points", name, words)]
    return []


def _check_rings(name: str, facts: Series[FrameFacts]) -> list[Finding]:
    rings = {frame.index: frame.sweep.rings for frame in facts if frame.sweep.rings is not None}
    if not rings:
        return []
    findings = []
    usual = Counter(rings.values()).most_common(1)[0][0]
    fewer = [index for index, count in rings.items() if count < usual]
    if fewer:
        words = f"{named(fewer)} with {min(rings.values())} beams where {usual} are usual"
        findings.append(Finding("notice", "points", name, words))
    crossed = [frame.index for frame in facts if not frame.sweep.rings_rise]
    if len(crossed) > len(facts) / 2:
        words = "beams do not look higher the higher their number: those of several LiDARs, or counted from the top?"
        findings.append(Finding("notice", "points", name, words))
    return findings


def check_images(name: str, facts: Series[FrameFacts]) -> list[Finding]:
    """Images that show nothing or the same as before, and cameras in whose view no point lies."""
    findings = []
    cameras = sorted({image.camera for frame in facts for image in frame.images})
    for camera in cameras:
        where = f"{name}, {camera}"
        images = [(frame.index, image) for frame in facts for image in frame.images if image.camera == camera]
        blank = [index for index, image in images if image.spread < BLANK]
        if blank:
            findings.append(Finding("wrong", "images", where, f"{named(blank)} of one colour: is the lens covered?"))
        blank_ones = set(blank)
        copies = _copies([(index, image.digest) for index, image in images if index not in blank_ones])
        if copies:
            words = f"{named(copies)} with the picture of an earlier frame: copied twice?"
            findings.append(Finding("wrong", "images", where, words))
        sizes = {image.size_px for _, image in images}
        if len(sizes) > 1:
            words = f"images of {len(sizes)} sizes: {', '.join(f'{w} x {h}' for w, h in sorted(sizes))}"
            findings.append(Finding("notice", "images", where, words))
        if max(image.seen for _, image in images) < BLIND_SHARE:
            words = f"less than {BLIND_SHARE:.0%} of the points project into its images: is its calibration right?"
            findings.append(Finding("wrong", "images", where, words))
    return findings


def _copies(digests: Series[tuple[int, bytes]]) -> list[int]:
    """Frames whose digest an earlier one has."""
    seen: set[bytes] = set()
    copies = []
    for index, digest in digests:
        if digest in seen:
            copies.append(index)
        seen.add(digest)
    return copies
