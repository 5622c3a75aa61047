"""What the two measurements say: LiDAR against images, and sweeps against each other."""

from __future__ import annotations

from collections.abc import Sequence as Series
from dataclasses import dataclass

from lima.doctor.alignment import Alignment, CameraFit
from lima.doctor.finding import Finding, named
from lima.doctor.following import Following
from lima.doctor.witness import Offset

SURE = 0.99
NOTABLE_DEG = 0.15
CLEAR = 4.0  # standard deviations
LATE_S = 0.025
SHARED = 0.7  # of the cameras' own gains: an offset of all that gives so much explains them
AS_GOOD = 0.8  # a delay that gives so much of a camera's gain may be its cause
SMALLEST_DEG, SMALLEST_M = 0.03, 0.005  # said of an offset
MANY_OUTLINES = 300
STEP_OFF_M, STEP_OFF_DEG = 0.4, 2.0
USUALLY_OFF_M, USUALLY_OFF_DEG = 0.15, 0.5
TIMES_USUAL = 5.0
ASKEW = 0.02  # metres of correction per metre driven: about a degree

CAMERA_WORDS = (("down", "up"), ("left", "right"), ("anticlockwise", "clockwise"))
CAMERA_MOVES = (("left", "right"), ("up", "down"), ("back", "forward"))
LIDAR_WORDS = (("over to the left", "over to the right"), ("up in front", "down in front"), ("right", "left"))
LIDAR_MOVES = (("back", "forward"), ("right", "left"), ("down", "up"))


@dataclass(frozen=True)
class Tolerance:
    """By how much points may be shifted in an image, and sensors be turned or moved, before that is wrong."""

    turn_deg: float
    move_m: float

    def exceeded(self, offset: Offset) -> bool:
        """Whether the offset is wrong; turns and moves count by themselves where they are clearly told apart."""
        return (
            offset.shift_deg > self.turn_deg
            or _clearly_beyond(self.turn_deg, offset.place[:3], offset.spread[:3])
            or _clearly_beyond(self.move_m, offset.place[3:], offset.spread[3:])
        )


def check_alignment(name: str, alignment: Alignment, tolerance: Tolerance) -> list[Finding]:
    """Offsets that are sure and large enough to matter; the cause that all cameras share is named once.

    Offsets from `NOTABLE_DEG` on are said, those beyond the tolerance are wrong.
    """
    findings = [
        Finding("notice", "alignment", f"{name}, {camera}", f"cannot be judged: {reason}")
        for camera, reason in alignment.unjudged
    ]
    lost = [fit for fit in alignment.cameras if fit.distinct < SURE and fit.outlines >= MANY_OUTLINES]
    for fit in lost:
        words = (
            "the LiDAR's outlines are nowhere near the image's edges: another calibration, or images of other frames?"
        )
        findings.append(Finding("wrong", "alignment", f"{name}, {fit.camera}", words))
    judged = [fit for fit in alignment.cameras if fit.distinct >= SURE]
    off = [fit for fit in judged if _sure(fit.offset)]
    own = sum(max(fit.offset.gain, 0) * fit.outlines for fit in judged) / max(sum(fit.outlines for fit in judged), 1)
    late, lidar = alignment.late, alignment.lidar
    if off and late is not None and _is_late(late) and late.gain >= SHARED * own:
        return [*findings, Finding("wrong", "alignment", name, _late_words("images", late))]
    if len(off) > 1 and lidar is not None and _sure(lidar) and lidar.gain >= SHARED * own:
        offset = offset_words(lidar, LIDAR_WORDS, LIDAR_MOVES)
        words = (
            f"in all cameras the LiDAR's points fit best {offset}, {lidar.shift_deg:.2f} degrees from where they are"
        )
        return [*findings, Finding("wrong" if tolerance.exceeded(lidar) else "notice", "alignment", name, words)]
    return findings + [_camera_finding(name, fit, tolerance) for fit in off]


def _camera_finding(name: str, fit: CameraFit, tolerance: Tolerance) -> Finding:
    where = f"{name}, {fit.camera}"
    if fit.late is not None and _is_late(fit.late) and fit.late.gain >= AS_GOOD * fit.offset.gain:
        return Finding("wrong", "alignment", where, _late_words("its images", fit.late))
    offset = offset_words(fit.offset, CAMERA_WORDS, CAMERA_MOVES)
    words = f"points fit best {offset}, {fit.offset.shift_deg:.2f} degrees from where they are"
    return Finding("wrong" if tolerance.exceeded(fit.offset) else "notice", "alignment", where, words)


def offset_words(
    offset: Offset, turns: Series[tuple[str, str]] = CAMERA_WORDS, moves: Series[tuple[str, str]] = CAMERA_MOVES
) -> str:
    """An offset in words, without what may as well be nothing."""
    parts = [
        f"{abs(degrees):.2f} ± {spread:.2f}° {words[degrees > 0]}"
        for degrees, spread, words in zip(offset.place[:3], offset.spread[:3], turns, strict=True)
        if abs(degrees) > max(2 * spread, SMALLEST_DEG)
    ]
    parts += [
        f"{100 * abs(metres):.1f} ± {100 * spread:.1f} cm {words[metres > 0]}"
        for metres, spread, words in zip(offset.place[3:], offset.spread[3:], moves, strict=True)
        if abs(metres) > max(2 * spread, SMALLEST_M)
    ]
    return ", ".join(parts) if parts else "where they are"


def _late_words(what: str, late: Offset) -> str:
    seconds, spread = late.place[0], late.spread[0]
    return (
        f"{what} fit best as taken {abs(1e3 * seconds):.0f} ± {1e3 * spread:.0f} ms "
        f"{'later' if seconds > 0 else 'earlier'} than they say: do the clocks differ? At a steady speed the LiDAR or "
        f"the cameras mounted farther {'back or ahead'} would look the same"
    )


def _sure(offset: Offset) -> bool:
    """Surely better than none, and large enough to matter: a turn about the axis of view shifts points but little."""
    notable = offset.shift_deg >= NOTABLE_DEG or _clearly_beyond(NOTABLE_DEG, offset.place[:3], offset.spread[:3])
    return offset.confidence >= SURE and notable


def _clearly_beyond(limit: float, place: Series[float], spread: Series[float]) -> bool:
    return any(abs(value) > max(limit, CLEAR * spread) for value, spread in zip(place, spread, strict=True))


def _is_late(late: Offset) -> bool:
    return late.confidence >= SURE and abs(late.place[0]) >= LATE_S


def check_following(name: str, following: Following) -> list[Finding]:
    """Poses that do not lay sweeps on each other: at single frames, everywhere, or in proportion to the way."""
    pairs = [pair for pair in following.neighbours if pair.known >= 1]
    if not pairs:
        return []
    usual = following.drifts[0]
    findings = []
    off = [
        pair
        for pair in pairs
        if pair.shift_m > max(STEP_OFF_M, TIMES_USUAL * usual.shift_m)
        or pair.turn_deg > max(STEP_OFF_DEG, TIMES_USUAL * usual.turn_deg)
    ]
    if off:
        worst = max(off, key=lambda pair: pair.shift_m)
        words = (
            f"poses and sweeps disagree before {named([pair.later for pair in off])}, by up to {worst.shift_m:.2f} m "
            f"and {max(pair.turn_deg for pair in off):.1f} degrees: do the poses jump?"
        )
        findings.append(Finding("wrong", "following", name, words))
    share = following.per_metre
    askew = share is not None and max(abs(share[1]), abs(share[2])) > ASKEW
    if share is not None and askew:
        words = (
            f"sweeps lie off by {100 * abs(share[1]):.1f} cm {'left' if share[1] < 0 else 'right'} and "
            f"{100 * abs(share[2]):.1f} cm {'down' if share[2] < 0 else 'up'} with every metre driven: is the LiDAR "
            f"turned against the vehicle?"
        )
        findings.append(Finding("wrong", "following", name, words))
    elif usual.shift_m > USUALLY_OFF_M or usual.turn_deg > USUALLY_OFF_DEG:
        words = (
            f"neighbouring sweeps lie {usual.shift_m:.2f} m and {usual.turn_deg:.2f} degrees off under the poses, half "
            f"of them more: better poses come from lima odometry"
        )
        findings.append(Finding("wrong", "following", name, words))
    return findings
