"""Wet ground: a film of water mirrors the pulse away (Hahner et al., LiDAR Snowfall Simulation, 2022, section 3.3)."""

from __future__ import annotations

import torch
from jaxtyping import Float64
from torch import Tensor

from lima.evaluate.corruptions.corrupted import Corrupted, KnownClasses, Severity, kept, moved, unchanged
from lima.evaluate.corruptions.ground import emitted, faintest, ground_echoes, threshold
from lima.scene import Sweep

WATER_MM = {"light": 0.2, "moderate": 1.0, "heavy": 1.2}
NOISE_FLOOR = {"light": 0.2, "moderate": 0.3, "heavy": 0.7}
"""share of the faintest dry echo's strength that the sensor must still receive"""
TEXTURE_MM = 1.2
"""depth of the pavement's texture: so much water covers it whole"""
WATER_INDEX = 1.33
INSIDE_REFLECTANCE = 0.472
"""of the film's surface for diffuse light from below: 1 - (1 - 0.066) / n^2 (Lekner and Dorf, 1988)"""
DRY_REFLECTANCE = 1 / 15
"""of dry pavement on average, as in the paper's published tool"""
DARKEST, BRIGHTEST = 0.05, 1.0
FEW_POINTS = 100


def wet_ground(sweep: Sweep, known: KnownClasses | None, severity: Severity) -> Corrupted:
    """The sweep on wet pavement. Nothing is drawn at random.

    Where no class is ground, the ground is what lies at a plane fitted to the sweep.
    """
    return wetted(sweep, known, WATER_MM[severity], NOISE_FLOOR[severity])


def wetted(sweep: Sweep, known: KnownClasses | None, water_mm: float, noise_floor: float) -> Corrupted:
    """Ground echoes fade by (1 - f) + f wet / dry, f the share of the texture under water, and vanish in the noise.

    A point vanishes where the water took something from it and what is left is below `noise_floor` times the faintest
    dry echo of that range and angle. Fewer than 100 ground points: nothing changes.
    """
    echoes = ground_echoes(sweep, known)
    if int(echoes.on.sum()) < FEW_POINTS:
        return unchanged(sweep)
    covered = min(max(water_mm / TEXTURE_MM, 0.0), 1.0)
    reflectance = (echoes.normalised / emitted(echoes, DRY_REFLECTANCE).clamp(min=1e-12)).clamp(DARKEST, BRIGHTEST)
    factor = 1 - covered + covered * wet_over_dry(echoes.cos_incidence, reflectance)
    left = sweep.intensity[echoes.on].double() * factor
    floor = noise_floor * threshold(faintest(echoes), echoes.range_m) * echoes.cos_incidence
    intensity, keep = sweep.intensity.clone(), torch.ones(len(sweep.intensity), dtype=torch.bool)
    intensity[echoes.on] = left.float()
    keep[echoes.on] = (left >= floor) | (factor >= 1)
    return kept(moved(sweep, sweep.points_lidar, intensity, torch.zeros_like(keep)).sweep, keep)


def wet_over_dry(
    cos_incidence: Float64[Tensor, "*points"], reflectance: Float64[Tensor, "*points"]
) -> Float64[Tensor, "*points"]:
    """How much less a matt surface sends back the way the light came when it lies under a film of water.

    The light goes through the surface of the water twice; going out it spreads by n^2; part of it is thrown back from
    below and strikes the ground again, so that all orders together make 1 / (1 - rho p). The ratio to the dry surface
    is T^2 / n^2 / (1 - rho p).
    """
    through = transmittance(cos_incidence)
    return through.square() / WATER_INDEX**2 / (1 - INSIDE_REFLECTANCE * reflectance)


def transmittance(cos_incidence: Float64[Tensor, "*points"]) -> Float64[Tensor, "*points"]:
    """Share of unpolarised light that passes from air into water (Fresnel): 1 minus the mean of both polarisations.

    The paper's published tool takes the larger of the two; a LiDAR's pulse has no polarisation to rely on.
    """
    cos_in_water = torch.sqrt(1 - (1 - cos_incidence.square()) / WATER_INDEX**2)
    s = (cos_incidence - WATER_INDEX * cos_in_water) / (cos_incidence + WATER_INDEX * cos_in_water)
    p = (WATER_INDEX * cos_incidence - cos_in_water) / (WATER_INDEX * cos_incidence + cos_in_water)
    return 1 - (s.square() + p.square()) / 2
