"""The eight corruptions by name."""

from __future__ import annotations

import torch

from lima.evaluate.corruptions.beam_missing import beam_missing
from lima.evaluate.corruptions.corrupted import Corrupted, KnownClasses, Severity
from lima.evaluate.corruptions.cross_sensor import cross_sensor
from lima.evaluate.corruptions.crosstalk import crosstalk
from lima.evaluate.corruptions.fog import fog
from lima.evaluate.corruptions.incomplete_echo import incomplete_echo
from lima.evaluate.corruptions.motion_blur import motion_blur
from lima.evaluate.corruptions.snow import snow
from lima.evaluate.corruptions.wet_ground import wet_ground
from lima.scene import Sweep

CORRUPTIONS = (
    "fog", "wet_ground", "snow", "motion_blur", "beam_missing", "crosstalk", "incomplete_echo", "cross_sensor"
)  # fmt: skip
"""in Robo3D's order"""
UNSEEDED = ("wet_ground", "cross_sensor")
"""nothing is drawn at random for these"""


def corrupt(name: str, sweep: Sweep, known: KnownClasses, severity: Severity, generator: torch.Generator) -> Corrupted:
    """One corruption of a sweep: the same state of the generator, the same result.

    Raises ValueError for an unknown name, and where a dataset lacks the classes that a corruption strikes.
    """
    match name:
        case "fog":
            return fog(sweep, severity, generator)
        case "wet_ground":
            return wet_ground(sweep, known, severity)
        case "snow":
            return snow(sweep, known, severity, generator)
        case "motion_blur":
            return motion_blur(sweep, severity, generator)
        case "beam_missing":
            return beam_missing(sweep, severity, generator)
        case "crosstalk":
            return crosstalk(sweep, severity, generator)
        case "incomplete_echo":
            return incomplete_echo(sweep, known, severity, generator)
        case "cross_sensor":
            return cross_sensor(sweep, severity)
    raise ValueError(f"there is no corruption {name!r}; there are {', '.join(CORRUPTIONS)}")
