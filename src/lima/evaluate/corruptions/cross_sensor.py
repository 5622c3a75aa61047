"""Cross sensor: the view of a cheaper LiDAR, with fewer beams and half the points on each (Robo3D)."""

from __future__ import annotations

from fractions import Fraction

import torch
from jaxtyping import Int64
from torch import Tensor

from lima.evaluate.corruptions.beams import beam_of_point
from lima.evaluate.corruptions.corrupted import Corrupted, Severity, kept
from lima.scene import Sweep

SHARE_LEFT = {"light": Fraction(3, 4), "moderate": Fraction(1, 2), "heavy": Fraction(1, 4)}
"""8, 16 and 24 of 32 beams are dropped"""
EVERY = 2


def cross_sensor(sweep: Sweep, severity: Severity) -> Corrupted:
    """The sweep as a sensor with fewer beams sees it. Nothing is drawn at random."""
    return sparser(sweep, SHARE_LEFT[severity], EVERY)


def sparser(sweep: Sweep, share_left: Fraction, every: int) -> Corrupted:
    """Leaves an even comb of beams, and of each the points 0, every, 2 every … counted around the sensor.

    The published sets take every second point in the order of the file, which in nuScenes runs up the beams: they lose
    whole beams again there. Around the sensor is what a sensor of half the resolution does.
    """
    beam = beam_of_point(sweep)
    numbers = torch.arange(int(beam.max()) + 1)
    up, down = share_left.numerator, share_left.denominator
    left = ((numbers + 1) * up) // down > (numbers * up) // down
    return kept(sweep, left[beam] & (_place_around(sweep, beam) % every == 0))


def _place_around(sweep: Sweep, beam: Int64[Tensor, "points"]) -> Int64[Tensor, "points"]:
    """The how manieth point of its beam every point is, counted from azimuth -180 degrees."""
    azimuth = torch.atan2(sweep.points_lidar[:, 1].double(), sweep.points_lidar[:, 0].double())
    order = torch.argsort(beam * 10.0 + azimuth, stable=True)
    of_beam = torch.bincount(beam)
    first = torch.cumsum(of_beam, dim=0) - of_beam
    place = torch.empty(len(beam), dtype=torch.int64)
    place[order] = torch.arange(len(beam)) - first[beam[order]]
    return place
