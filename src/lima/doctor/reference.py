"""Where LiDAR and images of a vehicle fit best when all is well: offsets are counted from there.

Real calibrations are some tenths of a degree off, and the fit has small preferences of its own. Both stay the same
from drive to drive, so that a change of calibration shows against a drive that is known to be good long before it shows
by itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import torch

from lima.doctor.evidence import Evidence
from lima.doctor.moves import camera_moves


@dataclass(frozen=True)
class Reference:
    """places: by camera, degrees about and metres along its axes, as `Offset.place` of a `CameraFit`."""

    places: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def apply(self, evidence: Evidence) -> Evidence:
        """The outlines where they should be; as they are for a camera that the reference does not know."""
        if evidence.name not in self.places:
            return evidence
        offset = torch.tensor(self.places[evidence.name], dtype=torch.float64)
        return evidence.moved(camera_moves(evidence, offset))


def read_reference(file: Path) -> Reference:
    """From what `lima doctor --json` wrote: medians over its drives. Raises FileNotFoundError, ValueError."""
    try:
        drives = json.loads(file.read_text(encoding="utf-8"))["drives"]
        fits = [fit for drive in drives if drive["alignment"] for fit in drive["alignment"]["cameras"]]
        found: dict[str, list[list[float]]] = {}
        for fit in fits:
            found.setdefault(fit["camera"], []).append([float(value) for value in fit["offset"]["place"]])
        places = {camera: tuple(map(median, zip(*each, strict=True))) for camera, each in found.items()}
    except (ValueError, KeyError, TypeError) as problem:
        raise ValueError(f"{file} is not what lima doctor --json writes: {problem!r}") from None
    if not places:
        raise ValueError(f"{file} tells of no camera how LiDAR and images fit: make it from drives with images")
    return Reference(places)
