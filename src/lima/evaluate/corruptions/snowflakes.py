"""How many snowflakes a beam meets, how large and how far away (Gunn and Marshall, 1958; Hahner et al., 2022).

Like Hahner et al. we look at a plane through the beam, in which flakes are discs: the cuts of balls whose diameters
are exponentially distributed and whose centres lie within half a diameter of the plane.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

LARGEST_MM = 20.0
SNOW_DENSITY = 0.1
"""of water's"""
FLAKE_DIAMETER_M = 0.003
"""in Rasmussen's relation between snowfall and rain"""


@dataclass(frozen=True)
class Snowfall:
    """Snow by its rate in millimetres of water an hour and the flakes' fall in metres a second."""

    rate_mm_h: float
    fall_m_s: float

    @property
    def rain_mm_h(self) -> float:
        """The rate that Gunn and Marshall's law wants: (S / (487 rho D v))^(3/2) (Rasmussen et al., 1999)."""
        return (self.rate_mm_h / (487 * SNOW_DENSITY * FLAKE_DIAMETER_M * self.fall_m_s)) ** 1.5

    @property
    def mean_diameter_mm(self) -> float:
        """Of the exponential distribution, before it is cut at 20 mm: 1 / Lambda, Lambda = 25.5 R^-0.48 per cm."""
        return 10 / (25.5 * self.rain_mm_h**-0.48)

    @property
    def occupancy(self) -> float:
        """Share of the volume, and so of any plane, that is snow: S / (3.6e6 rho v)."""
        return self.rate_mm_h / (3.6e6 * SNOW_DENSITY * self.fall_m_s)

    @property
    def mean_square_radius_m2(self) -> float:
        """Of the discs: E[D^2] / 6, for the height of the cut is even over the diameter."""
        mean, largest = self.mean_diameter_mm, LARGEST_MM
        ratio = largest / mean
        cut = math.exp(-ratio)
        square_mm2 = mean**2 * (2 - cut * (ratio**2 + 2 * ratio + 2)) / (1 - cut)
        return square_mm2 * 1e-6 / 6

    @property
    def discs_per_m2(self) -> float:
        """Discs in the plane: the occupancy over the mean area of a disc."""
        return self.occupancy / (math.pi * self.mean_square_radius_m2)


@dataclass(frozen=True, eq=False)
class Flakes:
    """Flakes in the beams of a sweep, by beam and then by range.

    beam: the number of the point whose beam it is. covered: the share of the beam's width that the flake takes.
    """

    beam: Int64[Tensor, "flakes"]
    range_m: Float64[Tensor, "flakes"]
    covered: Float64[Tensor, "flakes"]


def disc_radii_m(snowfall: Snowfall, count: int, generator: torch.Generator) -> Float64[Tensor, "{count}"]:
    """Radii of discs: sqrt(D^2 / 4 - h^2), D exponential up to 20 mm, h even within half a diameter."""
    mean = snowfall.mean_diameter_mm
    drawn = torch.rand(count, generator=generator, dtype=torch.float64)
    diameter_mm = -mean * torch.log1p(-drawn * (1 - math.exp(-LARGEST_MM / mean)))
    height = 2 * torch.rand(count, generator=generator, dtype=torch.float64) - 1
    return diameter_mm / 2000 * torch.sqrt(1 - height.square())


def flakes_in_beams(
    range_m: Float64[Tensor, "points"], divergence_rad: float, snowfall: Snowfall, generator: torch.Generator
) -> Flakes:
    """The flakes whose centres lie in each beam, a wedge of that angle, before the thing it strikes.

    Their number is Poisson with mean (flakes per square metre) x angle x range^2 / 2, their range has the density
    2 r / range^2. Every beam has flakes of its own: the published tool throws darts on one plane for all beams of a
    laser, where neighbouring beams share a flake when they overlap. What sticks out of the wedge is not counted, and
    what sticks in from outside neither: on average they are equal.
    """
    if snowfall.rate_mm_h == 0:
        return Flakes(torch.zeros(0, dtype=torch.int64), range_m[:0], range_m[:0])
    mean = snowfall.discs_per_m2 * divergence_rad * range_m.square() / 2
    counts = torch.poisson(mean, generator=generator).long()
    beam = torch.repeat_interleave(torch.arange(len(range_m)), counts)
    drawn = torch.rand(len(beam), generator=generator, dtype=torch.float64)
    flake_m = range_m[beam] * drawn.sqrt()
    radius_m = disc_radii_m(snowfall, len(beam), generator)
    covered = (2 * radius_m / (divergence_rad * flake_m).clamp(min=1e-9)).clamp(max=1.0)
    order = torch.argsort(beam + flake_m / (float(range_m.max()) + 1))
    return Flakes(beam[order], flake_m[order], covered[order])
