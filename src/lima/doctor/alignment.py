"""How well LiDAR and images fit: the offset at which the LiDAR's outlines lie best on the images' edges.

After Levinson and Thrun, "Automatic online calibration of cameras and lasers" (2013), with other means: outlines are
stretches between beams, edges are compared with their surroundings, many frames are pooled, and an offset found on some
parts of the drive must help on the others before it is believed.
"""

from __future__ import annotations

from collections.abc import Sequence as Series
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from lima.doctor.climbing import Summit, climb
from lima.doctor.evidence import Evidence
from lima.doctor.moves import camera_moves, lidar_moves, time_moves
from lima.doctor.witness import Moves, Offset, Witness, confidence, judged, together

FINE_DEG, COARSE_DEG = 0.2, 0.8
OUTLINES, OUTLINES_COARSE = 6000, 2000
CAMERA_UNITS = torch.tensor([0.15, 0.15, 0.3, 0.03, 0.03, 0.15], dtype=torch.float64)
LIDAR_UNITS = torch.tensor([0.15, 0.15, 0.15, 0.03, 0.03, 0.03], dtype=torch.float64)
TIME_UNITS = torch.tensor([0.02], dtype=torch.float64)
WIDENED = 3.0  # coarse units
NEAR = 2.0  # fine units: from there the climb leads to the same summit
SEARCHED_DEG, SEARCH_STEP_DEG = 5.0, 1.0
SEARCHED_S, SEARCH_STEP_S = 0.25, 0.025
CHARTED_DEG, CHART_STEP_DEG = 1.5, 0.1
LEAST_OUTLINES, LEAST_BLOCKS = 100, 4
SLOWEST_MPS = 1.0


@dataclass(frozen=True, eq=False)
class CameraFit:
    """One camera.

    offset: how its points should move: degrees about, then metres along, its axes (right, down, forward). late: the
    seconds by which its images seem taken later than they say. fit: mean likeness as calibrated. distinct: confidence
    that outlines lie better on edges than when they are turned by some degrees at random. profiles: the likeness over
    turns about the axes to the right and down, as (degrees, likeness): what a chart shows.
    """

    camera: str
    outlines: int
    offset: Offset
    late: Offset | None
    fit: float
    distinct: float
    profiles: dict[str, tuple[tuple[float, float], ...]]


@dataclass(frozen=True, eq=False)
class Alignment:
    """All cameras of a drive, and what they have in common.

    lidar: how the LiDAR's points should move: degrees about, then metres along, the vehicle's axes (forward, left, up);
    None where fewer than two cameras tell. late: as a camera's, of all of them; None where the vehicle is too slow for
    it. unjudged: cameras that tell too little, and why.
    """

    cameras: tuple[CameraFit, ...]
    lidar: Offset | None
    late: Offset | None
    unjudged: tuple[tuple[str, str], ...]


def align(evidences: Series[Evidence], lidar_m: Float64[Tensor, "3"]) -> Alignment:
    """Every camera by itself, then all of them together. lidar_m: where the LiDAR is on the vehicle."""
    judged_by, unjudged = [], []
    for evidence in evidences:
        reason = _too_little(evidence)
        if reason is None:
            judged_by.append(evidence)
        else:
            unjudged.append((evidence.name, reason))
    blocks = max((int(evidence.place.max()) + 1 for evidence in judged_by), default=0)
    fine = [Witness.of(evidence, blocks, FINE_DEG, OUTLINES) for evidence in judged_by]
    coarse = [Witness.of(evidence, blocks, COARSE_DEG, OUTLINES_COARSE) for evidence in judged_by]
    return Alignment(
        cameras=tuple(_camera_fit(one, other) for one, other in zip(fine, coarse, strict=True)),
        lidar=_lidar_offset(fine, coarse, lidar_m) if len(fine) > 1 else None,
        late=_lateness(fine),
        unjudged=tuple(unjudged),
    )


def _too_little(evidence: Evidence) -> str | None:
    seen_from = len(torch.unique(evidence.place[evidence.frame]))
    if len(evidence.frame) < LEAST_OUTLINES:
        return f"only {len(evidence.frame)} outlines of things lie in its images"
    if seen_from < LEAST_BLOCKS:
        return f"its frames are from {seen_from} places only: the vehicle hardly moves"
    return None


def _camera_fit(fine: Witness, coarse: Witness) -> CameraFit:
    start, distinct = _search(coarse)
    summit = _best_summit([fine], [coarse], camera_moves, CAMERA_UNITS, start)
    height = together([fine], camera_moves, CAMERA_UNITS)
    return CameraFit(
        camera=fine.evidence.name,
        outlines=len(fine),
        offset=judged([fine], camera_moves, CAMERA_UNITS, height, summit),
        late=_lateness([fine]),
        fit=float(height(torch.zeros(6, dtype=torch.float64)).sum()) / len(fine),
        distinct=distinct,
        profiles={"turned up": _profile(fine, 0), "turned right": _profile(fine, 1)},
    )


def _lidar_offset(fine: Series[Witness], coarse: Series[Witness], lidar_m: Float64[Tensor, "3"]) -> Offset:
    def moves(evidence: Evidence, offset: Tensor) -> Tensor:
        return lidar_moves(evidence, offset, lidar_m)

    summit = _best_summit(fine, coarse, moves, LIDAR_UNITS, torch.zeros(6, dtype=torch.float64))
    return judged(fine, moves, LIDAR_UNITS, together(fine, moves, LIDAR_UNITS), summit)


def _lateness(witnesses: Series[Witness]) -> Offset | None:
    """When the images were really taken, from how the outlines pass by; None where they do not."""
    speeds_mps = [witness.evidence.velocity_mps.norm(dim=1) for witness in witnesses]
    if not witnesses or float(torch.cat(speeds_mps).median()) < SLOWEST_MPS:
        return None
    height = together(witnesses, time_moves, TIME_UNITS)
    searched = torch.arange(-SEARCHED_S, SEARCHED_S + 1e-9, SEARCH_STEP_S, dtype=torch.float64)[:, None] / TIME_UNITS
    start = max(searched, key=lambda place: float(height(place).sum()))
    return judged(witnesses, time_moves, TIME_UNITS, height, climb(height, start))


def _search(coarse: Witness) -> tuple[Float64[Tensor, "6"], float]:
    """The best of many turns up or down and sideways, and how sure one can be that they are not all alike."""
    height = together([coarse], camera_moves, CAMERA_UNITS)
    turns = torch.arange(-SEARCHED_DEG, SEARCHED_DEG + 1e-9, SEARCH_STEP_DEG, dtype=torch.float64)
    offsets = torch.zeros(len(turns) ** 2, 6, dtype=torch.float64)
    offsets[:, :2] = torch.cartesian_prod(turns, turns)
    heights = torch.stack([height(offset / CAMERA_UNITS) for offset in offsets])
    best = int(heights.sum(dim=1).argmax())
    return offsets[best], confidence(heights[best] - heights.mean(dim=0))


def _best_summit(
    fine: Series[Witness], coarse: Series[Witness], moves: Moves, units: Tensor, start: Float64[Tensor, "6"]
) -> Summit:
    """From a coarse summit to a fine one; or the fine one nearest to the calibration, if that is higher or the same."""
    rough = climb(together(coarse, moves, units, WIDENED), start / (units * WIDENED))
    height = together(fine, moves, units)
    nearest = climb(height, torch.zeros(6, dtype=torch.float64))
    if float((rough.place * WIDENED).norm()) < NEAR:
        return nearest
    summits = climb(height, rough.place * WIDENED), nearest
    return max(summits, key=lambda summit: float(summit.gain.sum()))


def _profile(witness: Witness, axis: int) -> tuple[tuple[float, float], ...]:
    """Mean likeness over turns about one of the camera's axes."""
    profile = []
    for degrees in torch.arange(-CHARTED_DEG, CHARTED_DEG + 1e-9, CHART_STEP_DEG, dtype=torch.float64).tolist():
        offset = torch.zeros(6, dtype=torch.float64)
        offset[axis] = degrees
        profile.append((degrees, float(witness.likeness(camera_moves(witness.evidence, offset)).mean())))
    return tuple(profile)
