"""The elevations at which points left the sensor, where the vehicle's motion has been taken out of the sweep.

A sweep that is compensated shows every point from where the sensor stood at one instant. The points of one beam then
lie on no cone any more: 1 m of travel in a turn moves a point 5 m away by degrees. How far the sensor moved shows in
the points themselves, because with the right travel the elevations fall into a comb.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32
from torch import Tensor

SAMPLE = 3000
NEAR_M = 3.0
"""nearer points do not tell beams apart"""
COARSE_DEG, FINE_DEG = 0.2, 0.06
FASTEST_M = 3.6
"""farthest travel tried during one turn: 36 m/s at 10 turns a second"""


@dataclass(frozen=True, eq=False)
class Travel:
    """Ways the sensor may have moved, one number each: metres forward during a turn, along which azimuth, at which
    azimuth the turn began, and the share of the turn after which the points are shown. A sensor that turns the other
    way round is among them, with the signs turned."""

    metres: Float32[Tensor, "ways"]
    along_rad: Float32[Tensor, "ways"]
    began_rad: Float32[Tensor, "ways"]
    shown: Float32[Tensor, "ways"]

    def elevations_deg(
        self, points_lidar: Float[Tensor, "points 3"], passes: int = 2
    ) -> Float32[Tensor, "ways points"]:
        """Elevations as the sensor saw them when it was where each way says.

        When it saw a point depends on the azimuth it saw it at, which is found by going over the points twice.
        """
        x, y, z = points_lidar.T
        seen_x, seen_y = x[None], y[None]
        for _ in range(passes):
            turned = torch.remainder(torch.atan2(seen_y, seen_x) - self.began_rad[:, None], 2 * math.pi) / (2 * math.pi)
            ahead_m = self.metres[:, None] * (turned - self.shown[:, None])
            seen_x = x + ahead_m * torch.cos(self.along_rad)[:, None]
            seen_y = y + ahead_m * torch.sin(self.along_rad)[:, None]
        return torch.rad2deg(torch.atan2(z, torch.hypot(seen_x, seen_y)))

    def sharpest(self, points_lidar: Float[Tensor, "points 3"], bin_deg: float, passes: int = 2) -> Travel:
        """The one of the ways under which the elevations crowd into the fewest bins: the sum of squared counts."""
        bins = (self.elevations_deg(points_lidar, passes) / bin_deg).floor().long() + round(90 / bin_deg)
        rows = torch.arange(len(bins))[:, None] * (round(180 / bin_deg) + 1)
        counts = torch.bincount((bins + rows).flatten(), minlength=len(bins) * (round(180 / bin_deg) + 1))
        best = counts.reshape(len(bins), -1).square().sum(dim=1).argmax()
        return Travel(*(each[best][None] for each in (self.metres, self.along_rad, self.began_rad, self.shown)))


def elevations_at_sensor_deg(points_lidar: Float[Tensor, "points 3"]) -> Float32[Tensor, "points"]:
    """The elevation of every point as its beam had it, degrees; as they are where no travel makes a better comb.

    Tried are travel along x or y up to 3.6 m in a turn, twelve azimuths at which the turn may begin, and points shown
    as from its beginning, middle or end; then finer around the best. Turning is no matter: it leaves elevations alone.
    """
    points = points_lidar.float()
    far = points[points.norm(dim=1) > NEAR_M]
    sample = far[:: 1 + len(far) // SAMPLE]
    if len(sample) == 0:
        return torch.rad2deg(torch.atan2(points[:, 2], points[:, :2].norm(dim=1)))
    coarse = _all_ways(
        torch.linspace(-FASTEST_M, FASTEST_M, 37),
        torch.tensor([0.0, math.pi / 2]),
        torch.arange(12) * math.pi / 6,
        torch.tensor([0.0, 0.5, 1.0]),
    ).sharpest(sample[::2], COARSE_DEG, passes=1)
    steps = torch.linspace(-1, 1, 9)
    fine = _all_ways(
        torch.cat([torch.zeros(1), coarse.metres + 0.2 * steps]),
        coarse.along_rad,
        coarse.began_rad + math.pi / 6 * steps,
        coarse.shown,
    ).sharpest(sample, FINE_DEG)
    return fine.elevations_deg(points)[0]


def _all_ways(metres: Tensor, along: Tensor, began: Tensor, shown: Tensor) -> Travel:
    return Travel(*torch.cartesian_prod(metres, along, began, shown).T)
