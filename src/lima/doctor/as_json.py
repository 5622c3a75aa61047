"""What was found as plain values for other programs. A number that is none is null."""

from __future__ import annotations

import dataclasses
import math
from statistics import median
from typing import Any

from lima.doctor.examination import DriveReport, Examination


def as_json(examination: Examination) -> dict[str, Any]:
    """Everything but pictures. Units stand in the names; degrees, metres and seconds of an offset in its place."""
    return {
        "dataset": examination.dataset,
        "wrong": bool(examination.wrong),
        "findings": [plain(finding) for finding in examination.findings],
        "drives_there": examination.drives_there,
        "drives": [_drive(drive) for drive in examination.drives],
        "stopped": examination.stopped,
        "seconds": examination.seconds,
    }


def _drive(drive: DriveReport) -> dict[str, Any]:
    return {
        "name": drive.name,
        "frames": len(drive.sequence),
        "frames_read": len(drive.facts),
        "travelled_m": drive.travelled_m,
        "sensors": plain(drive.times),
        "sweeps": [
            {
                "frame": frame.index,
                "points": frame.sweep.points,
                "range_m": frame.sweep.range_m,
                "intensity": frame.sweep.intensity,
                "rings": frame.sweep.rings,
                "at_sensor": frame.sweep.at_sensor,
                "repeated": frame.sweep.repeated,
                "seen_by": frame.seen_by,
            }
            for frame in drive.facts
        ],
        "images": [
            {
                "camera": camera,
                "images": len(seen),
                "size_px": size_px,
                "seen": median(seen),
            }
            for (camera, size_px), seen in _images(drive).items()
        ],
        "alignment": plain(drive.alignment),
        "following": plain(drive.following),
    }


def _images(drive: DriveReport) -> dict[tuple[str, tuple[int, int]], list[float]]:
    """Shares of points seen, by camera and size."""
    seen: dict[tuple[str, tuple[int, int]], list[float]] = {}
    for frame in drive.facts:
        for image in frame.images:
            seen.setdefault((image.camera, image.size_px), []).append(image.seen)
    return seen


def plain(value: object) -> Any:
    """Dataclasses as dictionaries, tuples as lists, NaN as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
