"""Beam missing: some lasers of the sensor are dead or covered (Robo3D).

As many beams are gone as the paper says. Its published script draws that number with replacement, for nuScenes from
beams 2 … 28 and for SemanticKITTI from 4 … 58, so that on average 7.0, 12.2 and 16.1 of 32 are gone, and 14.0, 24.4 and
32.2 of 64: n (1 - (1 - 1/n)^draws) of the n it draws from.
"""

from __future__ import annotations

import torch

from lima.evaluate.corruptions.beams import beam_of_point
from lima.evaluate.corruptions.corrupted import Corrupted, Severity, kept
from lima.scene import Sweep

SHARE = {"light": 0.25, "moderate": 0.5, "heavy": 0.75}
"""8, 16 and 24 of nuScenes' 32 beams; 16, 32 and 48 of 64"""


def beam_missing(sweep: Sweep, severity: Severity, generator: torch.Generator) -> Corrupted:
    """The sweep without the points of a share of its beams, drawn at random for every sweep."""
    return without_beams(sweep, SHARE[severity], generator)


def without_beams(sweep: Sweep, share: float, generator: torch.Generator) -> Corrupted:
    """Drops share x beams beams, rounded to a whole number, but leaves one."""
    beam = beam_of_point(sweep)
    beams = int(beam.max()) + 1
    alive = torch.ones(beams, dtype=torch.bool)
    alive[torch.randperm(beams, generator=generator)[: min(round(share * beams), beams - 1)]] = False
    return kept(sweep, alive[beam])
