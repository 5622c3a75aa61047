"""What was found as tables of words: the terminal and the page print the same ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Sequence as Series
from dataclasses import dataclass
from statistics import median

from lima.doctor.alignment import CameraFit
from lima.doctor.examination import DriveReport, Examination
from lima.doctor.fits import LIDAR_MOVES, LIDAR_WORDS, offset_words
from lima.doctor.witness import Offset


@dataclass(frozen=True)
class Table:
    """Words in the first column, figures in the others; note: how to read it."""

    name: str
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str


def tables(examination: Examination) -> list[Table]:
    """All that have a row."""
    build: tuple[Callable[[DriveReport], list[tuple[str, ...]]], ...]
    build = (_sensor_rows, _sweep_rows, _seen_rows, _alignment_rows, _following_rows)
    made = []
    for rows_of, (name, title, head, note) in zip(build, _TABLES, strict=True):
        rows = tuple(row for drive in examination.drives for row in rows_of(drive))
        if rows:
            made.append(Table(name, title, head, rows, note))
    return made


_TABLES = (
    (
        "sensors",
        "Sensors and clocks",
        ("drive, sensor", "frames", "rate", "longest step", "behind its sweep: median (least … greatest)"),
        "A camera's frames are those that were looked at; the LiDAR's are all of the drive.",
    ),
    (
        "sweeps",
        "Points",
        ("drive", "driven", "points a sweep", "range", "intensity", "rings", "there twice"),
        "Least … median … greatest over the frames. Range leaves out what is nearer than 2.5 m: the vehicle.",
    ),
    (
        "seen",
        "Points in the cameras' images",
        ("drive", "in none", "in one", "in two or more"),
        "Share of a sweep's points that project into so many images, whether something hides them or not.",
    ),
    (
        "alignment",
        "LiDAR against images",
        ("drive, camera", "outlines", "shift", "confidence", "images late by", "confidence", "best offset of points"),
        "Where the LiDAR's depth jumps, an image should have an edge. The offset is the one of all small turns, moves "
        "and delays at which outlines and edges meet best; confidence is the share of resampled drives that agree.",
    ),
    (
        "following",
        "Sweeps against each other",
        ("drive, frames apart", "pairs", "driven", "distance as posed", "when fitted", "shift", "turn"),
        "Medians over pairs of sweeps: distance of points to the other sweep's nearest under the given poses, then "
        "with the small correction that lays them on each other; shift and turn are that correction: the poses' drift.",
    ),
)  # fmt: skip


def _sensor_rows(drive: DriveReport) -> list[tuple[str, ...]]:
    return [
        (
            f"{drive.name}, {times.sensor}",
            str(times.frames),
            "–" if times.rate_hz is None else f"{times.rate_hz:.2f} Hz",
            "–" if times.longest_step_s is None else f"{times.longest_step_s:.3f} s",
            "–" if times.lag_ms is None else "{:+.1f} ms ({:+.1f} … {:+.1f})".format(*times.lag_ms),
        )
        for times in drive.times
    ]


def _sweep_rows(drive: DriveReport) -> list[tuple[str, ...]]:
    sweeps = [frame.sweep for frame in drive.facts]
    if not sweeps:
        return []
    rings = sorted({sweep.rings for sweep in sweeps if sweep.rings is not None})
    return [
        (
            drive.name,
            f"{drive.travelled_m:.0f} m",
            _spread([float(sweep.points) for sweep in sweeps], "{:.0f}"),
            _of([sweep.range_m for sweep in sweeps], "{:.1f}") + " m",
            _of([sweep.intensity for sweep in sweeps], "{:.2f}"),
            "–" if not rings else str(rings[0]) if len(rings) == 1 else f"{rings[0]} … {rings[-1]}",
            f"{max(sweep.repeated for sweep in sweeps):.1%}",
        )
    ]


def _seen_rows(drive: DriveReport) -> list[tuple[str, ...]]:
    with_images = [frame.seen_by for frame in drive.facts if frame.images]
    if not with_images:
        return []
    return [(drive.name, *(f"{median(shares):.1%}" for shares in zip(*with_images, strict=True)))]


def _alignment_rows(drive: DriveReport) -> list[tuple[str, ...]]:
    alignment = drive.alignment
    if alignment is None:
        return []
    rows = [_camera_row(drive, fit) for fit in alignment.cameras]
    rows += [(f"{drive.name}, {camera}", *5 * ("–",), f"not judged: {why}") for camera, why in alignment.unjudged]
    if alignment.lidar is not None:
        outlines = sum(fit.outlines for fit in alignment.cameras)
        words = offset_words(alignment.lidar, LIDAR_WORDS, LIDAR_MOVES)
        row = (f"{drive.name}, all together", str(outlines), *_sureness(alignment.lidar), *_late(alignment.late), words)
        rows.append(row)
    return rows


def _camera_row(drive: DriveReport, fit: CameraFit) -> tuple[str, ...]:
    words = offset_words(fit.offset)
    return f"{drive.name}, {fit.camera}", str(fit.outlines), *_sureness(fit.offset), *_late(fit.late), words


def _sureness(offset: Offset) -> tuple[str, str]:
    return f"{offset.shift_deg:.2f}°", f"{offset.confidence:.1%}"


def _late(late: Offset | None) -> tuple[str, str]:
    if late is None:
        return "–", "–"
    return f"{1e3 * late.place[0]:+.0f} ± {1e3 * late.spread[0]:.0f} ms", f"{late.confidence:.1%}"


def _following_rows(drive: DriveReport) -> list[tuple[str, ...]]:
    if drive.following is None:
        return []
    return [
        (
            f"{drive.name}, {drift.frames}",
            str(drift.pairs),
            f"{drift.travelled_m:.1f} m",
            _centimetres(drift.before_m),
            _centimetres(drift.after_m),
            _centimetres(drift.shift_m),
            f"{drift.turn_deg:.2f}°",
        )
        for drift in drive.following.drifts
    ]


def _centimetres(metres: float) -> str:
    return "–" if math.isnan(metres) else f"{100 * metres:.1f} cm"


def _spread(values: Series[float], form: str) -> str:
    return " … ".join(form.format(value) for value in (min(values), median(values), max(values)))


def _of(triples: Series[tuple[float, float, float]], form: str) -> str:
    """Of each frame's least, median and greatest: the least, the median, the greatest."""
    low, middle, high = zip(*triples, strict=True)
    return " … ".join(form.format(value) for value in (min(low), median(middle), max(high)))
