"""Which beam of the LiDAR every point belongs to, for any sensor."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import conv1d, pad

from lima.evaluate.corruptions.elevations import NEAR_M, elevations_at_sensor_deg
from lima.scene import Sweep

BIN_DEG = 0.02
SMOOTHING_BINS = (3, 5, 9, 15)
MARGIN_BINS = 16
LOWEST_PEAK = 0.02
DEEPEST_VALLEY = 0.5
FEWEST_BEAMS, MOST_BEAMS = 4, 160
AT_TEETH = 0.8
"""share of the points that must lie in the middle halves between two borders: 0.5 where there is no comb"""
BANDS = 64
FEWEST_IN_ORDER = 8
GOING_ROUND, IN_ORDER, FALLS_BACK_RAD, BESIDE_RAD = 0.95, 0.9, 0.5, 1e-4


def beam_of_point(sweep: Sweep) -> Int64[Tensor, "points"]:
    """The number of every point's beam, from 0 for the lowest, without gaps.

    The sensor's own `ring` where there is one, otherwise found in the points (`estimated_beams`).
    """
    if sweep.ring is None:
        return estimated_beams(sweep.points_lidar)
    return torch.unique(sweep.ring, return_inverse=True)[1]


def estimated_beams(points_lidar: Float[Tensor, "points 3"]) -> Int64[Tensor, "points"]:
    """Beams from the order of the points, from their elevations, or bands of the view: the first that there is.

    Files that go round beam after beam, as KITTI's do, tell the beams by their order (`beams_in_order`). Otherwise the
    elevations at which the points left the sensor are a comb: each peak of their histogram is a beam. Where they are
    not (a flash LiDAR, several sensors in one sweep), or the teeth cannot be told apart, the field of view is cut into
    64 bands of even height, which we chose: corruptions that take beams then take slices of the view.
    """
    in_order = beams_in_order(points_lidar)
    if in_order is not None:
        return in_order
    elevation_deg = elevations_at_sensor_deg(points_lidar)
    far_deg = elevation_deg[points_lidar.norm(dim=1) > NEAR_M]
    if len(far_deg) == 0:
        return torch.zeros(len(points_lidar), dtype=torch.int64)
    beams_deg = _teeth(far_deg)
    if len(beams_deg) < FEWEST_BEAMS or _share_at(beams_deg, far_deg) < AT_TEETH:
        lowest, highest = float(far_deg.min()), float(far_deg.max())
        beams_deg = lowest + (torch.arange(BANDS) + 0.5) * (highest - lowest) / BANDS
    borders = (beams_deg[1:] + beams_deg[:-1]) / 2
    return torch.unique(torch.bucketize(elevation_deg, borders), return_inverse=True)[1]


def beams_in_order(points_lidar: Float[Tensor, "points 3"]) -> Int64[Tensor, "points"] | None:
    """Beams of points that lie in the file turn by turn, one turn a beam; None where they do not.

    A turn ends where the azimuth falls back. Turns may begin along an axis, or where the file begins or ends: where the
    elevation jumps most, to the next beam. The rows must be as many as a sensor has beams and as the file has turns,
    and each must be higher, or each lower, than the one before.
    """
    azimuth = torch.atan2(points_lidar[:, 1], points_lidar[:, 0]).double()
    elevation = torch.atan2(points_lidar[:, 2], points_lidar[:, :2].norm(dim=1))
    steps = torch.remainder(azimuth.diff() + math.pi, 2 * math.pi) - math.pi
    if len(steps) < FEWEST_IN_ORDER or float((steps > 0).float().mean()) < 0.5:
        azimuth, steps = -azimuth, -steps
    if len(steps) < FEWEST_IN_ORDER or float((steps > -math.radians(1)).float().mean()) < GOING_ROUND:
        return None
    best, highest = torch.zeros(0), -math.inf
    beside_ends = (float(azimuth[0]) - BESIDE_RAD, float(azimuth[-1]) + BESIDE_RAD)
    for cut in (0.0, math.pi / 2, math.pi, -math.pi / 2, *beside_ends):
        ends = torch.remainder(azimuth - cut, 2 * math.pi).diff() < -FALLS_BACK_RAD
        jump = float(elevation.diff()[ends].abs().median()) if bool(ends.any()) else -math.inf
        if jump > highest:
            best, highest = ends, jump
    row = torch.cat([torch.zeros(1, dtype=torch.int64), torch.cumsum(best.long(), dim=0)])
    rows = int(row[-1]) + 1
    turned = float(steps.sum()) / (2 * math.pi)
    if not FEWEST_IN_ORDER <= rows <= MOST_BEAMS or abs(turned - rows) > 1 + rows / 4:
        return None
    height = torch.zeros(rows).index_add_(0, row, elevation.float()) / torch.bincount(row)
    rising = float((height.diff() > 0).float().mean())
    if max(rising, 1 - rising) < IN_ORDER:
        return None
    return row if rising > 0.5 else rows - 1 - row


def _share_at(beams_deg: Float[Tensor, "beams"], elevation_deg: Float[Tensor, "points"]) -> float:
    """How many of the points are nearer to a beam than a quarter of the way to the next beam on their side."""
    upper = torch.bucketize(elevation_deg, beams_deg).clamp(1, len(beams_deg) - 1)
    low, high = beams_deg[upper - 1], beams_deg[upper]
    apart = torch.minimum((elevation_deg - low).abs(), (high - elevation_deg).abs())
    return float((apart < (high - low) / 4).float().mean())


def _teeth(elevation_deg: Float[Tensor, "points"]) -> Float[Tensor, "teeth"]:
    """The elevations where points crowd: maxima of a smoothed histogram.

    A beam spreads over several bins and would be counted more than once; smoothing mends that until beams run into
    one another. So the smoothing is taken with which the teeth stand apart most evenly.
    """
    lowest = float(elevation_deg.min())
    counts = pad(torch.bincount(((elevation_deg - lowest) / BIN_DEG).long()).double(), (MARGIN_BINS, MARGIN_BINS))
    best, least = torch.zeros(0, dtype=torch.int64), torch.inf
    for width in SMOOTHING_BINS:
        window = torch.hann_window(width + 2, periodic=False, dtype=counts.dtype)[1:-1]
        teeth = _maxima(conv1d(counts[None, None], (window / window.sum())[None, None], padding="same")[0, 0])
        if FEWEST_BEAMS <= len(teeth) <= MOST_BEAMS:
            gaps = teeth.diff().double()
            unevenness = float(gaps.std() / gaps.mean())
            if unevenness < least:
                best, least = teeth, unevenness
    return (lowest + (best - MARGIN_BINS + 0.5) * BIN_DEG).float()


def _maxima(smooth: Float[Tensor, "bins"]) -> Int64[Tensor, "maxima"]:
    """Bins where a rise ends and a fall begins, without those that no deep valley divides from a higher one."""
    there = smooth > LOWEST_PEAK * smooth.max()
    rising = smooth[1:-1] > smooth[:-2]
    candidates = torch.nonzero(rising & (smooth[1:-1] >= smooth[2:]) & there[1:-1])[:, 0] + 1
    chosen: list[int] = []
    for candidate in candidates.tolist():
        if chosen:
            before = chosen[-1]
            lower = min(float(smooth[before]), float(smooth[candidate]))
            if float(smooth[before : candidate + 1].min()) > DEEPEST_VALLEY * lower:
                if smooth[candidate] > smooth[before]:
                    chosen[-1] = candidate
                continue
        chosen.append(candidate)
    return torch.tensor(chosen, dtype=torch.int64)
