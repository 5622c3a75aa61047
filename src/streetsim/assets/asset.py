"""A thing to put into the world: its shape, its colours and what it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from streetsim.assets.template import Template


@dataclass(frozen=True)
class Shape:
    """Templates of one body, one per phase of its gait, and the upright box around all of them.

    Attributes:
        phases: at least one template; a walking person has several, evenly spaced over two steps.
        centre_m, size_m: (3,) own frame: middle and extent (length, width, height) of the box.
    """

    phases: tuple[Template, ...]
    centre_m: NDArray[np.float64]
    size_m: NDArray[np.float64]

    def at_phase(self, phase_rad: float) -> Template:
        """The template for a place in the gait; 2 pi is a whole cycle."""
        turns = phase_rad / (2 * np.pi)
        return self.phases[int(np.floor(turns * len(self.phases) + 1e-9)) % len(self.phases)]


def shape_of(phases: Sequence[Template]) -> Shape:
    """The shape with the smallest box that holds every phase."""
    low = np.min([template.vertices_m.min(0) for template in phases], axis=0).astype(np.float64)
    high = np.max([template.vertices_m.max(0) for template in phases], axis=0).astype(np.float64)
    return Shape(tuple(phases), (low + high) / 2, high - low)


@dataclass(frozen=True)
class VehicleBody:
    """A modelled vehicle, to be painted: its shape and the lengths that its texture needs (`VehicleColumn`)."""

    shape: Shape
    columns: Mapping[IntEnum, float]


@dataclass(frozen=True)
class Asset:
    """A shape in its colours.

    Attributes:
        shape: see `Shape`.
        parameters: (24,) what the textures read, see `materials`.
        category: nuScenes category; empty for things that nobody annotates.
    """

    shape: Shape
    parameters: NDArray[np.float64]
    category: str = ""
