"""Fog: every echo fades, and the fog itself echoes (Hahner et al., Fog Simulation on Real LiDAR Point Clouds, 2021)."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from jaxtyping import Float64
from torch import Tensor

from lima.evaluate.corruptions.corrupted import Corrupted, Severity, moved
from lima.scene import Sweep

BACKSCATTERING_PER_M_SR = {"light": 0.008, "moderate": 0.05, "heavy": 0.2}
ATTENUATIONS_PER_M = (0.0, 0.005, 0.01, 0.02, 0.03, 0.06)
"""one is drawn for every sweep, at every severity, as for the published set: visibility ln 20 / alpha, 50 m and more"""
HARD_TARGET_PER_SR = 1e-6 / math.pi
"""beta_0, the differential reflectivity of the thing behind the fog, as for the published set"""
PULSE_S = 20e-9
"""tau_h, the width of the pulse at half its power; the pulse lasts twice as long"""
OVERLAP_M = (0.9, 1.0)
"""between these ranges the receiver comes to see the whole beam"""
SCATTER_M = 10.0
"""fog echoes are spread as if the thing behind were nearer or farther by up to so much"""
SPEED_OF_LIGHT_M_S = 299_792_458.0
STEP_M = 0.1
FARTHEST_M = 200.0
PULSE_STEPS = 400


def fog(sweep: Sweep, severity: Severity, generator: torch.Generator) -> Corrupted:
    """The sweep in fog; points that the fog itself sent back are unreal.

    Parameters of Robo3D: the severity is the backscattering, the attenuation is drawn at random.
    """
    drawn = int(torch.randint(len(ATTENUATIONS_PER_M), (1,), generator=generator))
    return foggy(sweep, ATTENUATIONS_PER_M[drawn], BACKSCATTERING_PER_M_SR[severity], generator)


def foggy(
    sweep: Sweep, attenuation_per_m: float, backscattering_per_m_sr: float, generator: torch.Generator
) -> Corrupted:
    """Equations 5 to 11 of the paper for one fog.

    The thing at range r answers with i exp(-2 alpha r). The fog before it answers strongest from a range R* with
    i r^2 beta / beta_0 max_R I(R), where I is the integral of the pulse over the fog (`soft_response`); where that is
    more, the echo comes from there. The published tool spreads fog echoes by r / U(r - 10 m, r + 10 m), which turns
    points nearer than 10 m through the sensor; we spread over at most half the range.
    """
    range_m = sweep.points_lidar.double().norm(dim=1)
    clear = sweep.intensity.double()
    hard = clear * torch.exp(-2 * attenuation_per_m * range_m)
    response, at_m = strongest_response(attenuation_per_m)
    entry = (range_m / STEP_M).round().long().clamp(max=len(response) - 1)
    soft = clear * range_m.square() * backscattering_per_m_sr / HARD_TARGET_PER_SR * response[entry]
    of_fog = soft > hard
    half_m = torch.minimum(torch.tensor(SCATTER_M), range_m / 2)
    spread_m = half_m * (2 * torch.rand(len(range_m), generator=generator, dtype=torch.float64) - 1)
    fog_m = at_m[entry] * range_m / (range_m + spread_m).clamp(min=1e-6)
    factor = torch.where(of_fog, fog_m / range_m.clamp(min=1e-6), 1.0)
    intensity = torch.where(of_fog, soft, hard).clamp(max=1.0)
    return moved(sweep, sweep.points_lidar * factor[:, None].float(), intensity.float(), of_fog)


@lru_cache(maxsize=32)
def strongest_response(
    attenuation_per_m: float,
) -> tuple[Float64[Tensor, "ranges"], Float64[Tensor, "ranges"]]:
    """For things at range 0, 0.1 m, … 200 m: the largest I(R) with R up to the thing, and the range R* it comes from.

    Up to the thing all of the pulse is in fog, so that I(R) does not depend on where the thing is, and the maximum is
    a running one.
    """
    ranges_m = torch.arange(round(FARTHEST_M / STEP_M) + 1, dtype=torch.float64) * STEP_M
    strongest, at = soft_response(ranges_m, attenuation_per_m).cummax(dim=0)
    return strongest, ranges_m[at]


def soft_response(ranges_m: Float64[Tensor, "ranges"], attenuation_per_m: float) -> Float64[Tensor, "ranges"]:
    """I(R) in seconds per square metre: what a metre of fog sends back by the time an echo from R arrives.

    The integral over the pulse's 2 tau_h of sin^2(pi t / 2 tau_h) xi(r) exp(-2 alpha r) / r^2 with r = R - c t / 2, by
    the midpoint rule.
    """
    step_s = 2 * PULSE_S / PULSE_STEPS
    time_s = (torch.arange(PULSE_STEPS, dtype=torch.float64) + 0.5) * step_s
    pulse = torch.sin(math.pi * time_s / (2 * PULSE_S)).square()
    from_m = ranges_m[:, None] - SPEED_OF_LIGHT_M_S * time_s / 2
    seen = ((from_m - OVERLAP_M[0]) / (OVERLAP_M[1] - OVERLAP_M[0])).clamp(0, 1)
    from_m = from_m.clamp(min=OVERLAP_M[0])
    return (pulse * seen * torch.exp(-2 * attenuation_per_m * from_m) / from_m.square()).sum(dim=1) * step_s
