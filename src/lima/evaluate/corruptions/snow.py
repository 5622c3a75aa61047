"""Snowfall: flakes in the beam echo themselves and take light from what lies behind (Hahner et al., LiDAR Snowfall
Simulation for Robust 3D Object Detection, 2022, with the flake sizes of Gunn and Marshall, 1958)."""

from __future__ import annotations

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from lima.evaluate.corruptions.corrupted import Corrupted, KnownClasses, Severity, kept, moved
from lima.evaluate.corruptions.ground import faintest, ground_echoes, threshold
from lima.evaluate.corruptions.snowflakes import Snowfall, flakes_in_beams
from lima.scene import Sweep

SNOWFALL = {"light": Snowfall(0.5, 2.0), "moderate": Snowfall(1.0, 1.6), "heavy": Snowfall(2.5, 1.6)}
DIVERGENCE_RAD = 0.003
FLAKE_INTENSITY = 0.9
"""of a flake that fills the beam, 1 m away"""
PULSE_M = 2.99792458
"""c tau: an echo lasts 10 ns, and so blends with echoes from up to 3 m farther"""
OVERLAP_M = (0.9, 1.0)
"""between these ranges the receiver comes to see the whole beam"""
SAME_M = 0.2
"""an echo no farther than that from the thing is the thing's"""
NOISE_FLOOR = 0.7


def snow(sweep: Sweep, known: KnownClasses | None, severity: Severity, generator: torch.Generator) -> Corrupted:
    """The sweep in snowfall; echoes of flakes are unreal. Snowfall rates of Robo3D, with the falls of its scripts."""
    return snowy(sweep, known, SNOWFALL[severity], NOISE_FLOOR, generator)


def snowy(
    sweep: Sweep, known: KnownClasses | None, snowfall: Snowfall, noise_floor: float, generator: torch.Generator
) -> Corrupted:
    """Each beam's echo is the strongest of what its flakes and the thing behind them send back.

    Flake j sends 0.9 c_j / r_j^2, the thing its intensity times the share of the beam left, where c_j is what the flake
    covers of what nearer flakes left. Echoes are pulses of 10 ns, and add where they overlap. The paper reads the
    strongest off a grid of 0.1 m; we look at the middle of every pulse, which is where maxima of such sums lie but for
    the shift by a neighbour.

    Where the thing stays the strongest it is darker, and vanishes below `noise_floor` times the faintest echoes of the
    ground (labels tell it, or a fitted plane). The published tool's corrections for the focus of one Velodyne's lasers
    are left out.
    """
    clear = sweep.intensity.double()
    range_m = sweep.points_lidar.double().norm(dim=1)
    flakes = flakes_in_beams(range_m, DIVERGENCE_RAD, snowfall, generator)
    left = _left_before(flakes.beam, flakes.covered)
    seen = ((flakes.range_m - OVERLAP_M[0]) / (OVERLAP_M[1] - OVERLAP_M[0])).clamp(0, 1)
    power = FLAKE_INTENSITY * flakes.covered * left * seen / flakes.range_m.clamp(min=OVERLAP_M[0]).square()
    through = torch.ones_like(clear).scatter_reduce(0, flakes.beam, 1 - flakes.covered, "prod")

    beam = torch.cat([flakes.beam, torch.arange(len(clear))])
    at_m = torch.cat([flakes.range_m, range_m])
    power = torch.cat([power, clear * through])
    order = torch.argsort(beam + at_m / (float(range_m.max()) + 1), stable=True)
    beam, at_m, power = beam[order], at_m[order], power[order]
    power = _blended(beam, at_m, power)
    strongest = torch.full_like(clear, -1.0).scatter_reduce(0, beam, power, "amax")
    echo_m = _range_of_strongest(beam, at_m, power, strongest)

    of_flake = (range_m - echo_m) >= SAME_M
    intensity = torch.where(of_flake, strongest, torch.minimum(strongest, clear)).clamp(max=1.0)
    factor = torch.where(of_flake, echo_m / range_m.clamp(min=1e-6), 1.0)
    changed = moved(sweep, sweep.points_lidar * factor[:, None].float(), intensity.float(), of_flake)
    floor = _floor(sweep, known, range_m, noise_floor)
    heard = kept(changed.sweep, of_flake | (intensity >= floor) | (intensity >= clear))
    return Corrupted(heard.sweep, heard.source, of_flake[heard.source])


def _left_before(beam: Int64[Tensor, "flakes"], covered: Float64[Tensor, "flakes"]) -> Float64[Tensor, "flakes"]:
    """The share of the beam that the flakes before each one leave: the product of 1 - c over them."""
    logs = torch.log1p(-covered.clamp(max=1 - 1e-9))
    running = torch.cumsum(logs, dim=0) - logs
    starts = torch.ones_like(beam, dtype=torch.bool)
    starts[1:] = beam[1:] != beam[:-1]
    first = torch.cummax(torch.where(starts, torch.arange(len(beam)), 0), dim=0).values
    return torch.exp(running - running[first])


def _blended(
    beam: Int64[Tensor, "echoes"], at_m: Float64[Tensor, "echoes"], power: Float64[Tensor, "echoes"]
) -> Float64[Tensor, "echoes"]:
    """The sum of all pulses of the beam at the middle of each: cos^2 of the distance, nothing from half a pulse on.

    Echoes are in order, so the neighbours at distance one, two … in the list are met until none is near enough.
    """
    total = power.clone()
    for step in range(1, len(beam)):
        apart_m = at_m[step:] - at_m[:-step]
        near = (beam[step:] == beam[:-step]) & (apart_m < PULSE_M / 2)
        if not bool(near.any()):
            break
        shape = torch.where(near, torch.cos(torch.pi * apart_m / PULSE_M).square(), 0.0)
        total[step:] += shape * power[:-step]
        total[:-step] += shape * power[step:]
    return total


def _range_of_strongest(
    beam: Int64[Tensor, "echoes"],
    at_m: Float64[Tensor, "echoes"],
    power: Float64[Tensor, "echoes"],
    strongest: Float64[Tensor, "points"],
) -> Float64[Tensor, "points"]:
    """Where the strongest echo of every beam comes from; the farthest where several are equal."""
    best = power >= strongest[beam]
    return torch.zeros_like(strongest).scatter_reduce(0, beam[best], at_m[best], "amax")


def _floor(
    sweep: Sweep, known: KnownClasses | None, range_m: Float64[Tensor, "points"], noise_floor: float
) -> Float64[Tensor, "points"]:
    """The faintest echo that the sensor hears at every range: a share of the faintest of flat ground there."""
    echoes = ground_echoes(sweep, known)
    if not bool(echoes.on.any()):
        return torch.zeros_like(range_m)
    height_m = float((echoes.range_m * echoes.cos_incidence).median())
    cos_incidence = (height_m / range_m.clamp(min=height_m)).clamp(0, 1)
    return noise_floor * threshold(faintest(echoes), range_m) * cos_incidence
