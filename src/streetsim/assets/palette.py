"""Colours that things come in: linear reflectance of red, green, blue."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streetsim.materials import Colour

# fmt: off
CAR_PAINTS: tuple[Colour, ...] = (
    (0.75, 0.75, 0.75), (0.55, 0.56, 0.58), (0.25, 0.26, 0.28), (0.03, 0.03, 0.035), (0.35, 0.02, 0.02),
    (0.03, 0.06, 0.25), (0.02, 0.12, 0.30), (0.50, 0.42, 0.30), (0.06, 0.16, 0.08), (0.60, 0.25, 0.02),
    (0.65, 0.50, 0.03), (0.30, 0.12, 0.06), (0.80, 0.80, 0.78), (0.12, 0.13, 0.15), (0.10, 0.30, 0.35),
)
TAXI: Colour = (0.75, 0.50, 0.02)
BUS_LIVERIES: tuple[tuple[Colour, Colour], ...] = (
    ((0.70, 0.70, 0.68), (0.05, 0.20, 0.50)), ((0.55, 0.04, 0.03), (0.75, 0.72, 0.65)),
    ((0.70, 0.45, 0.02), (0.05, 0.05, 0.05)), ((0.10, 0.35, 0.20), (0.75, 0.75, 0.70)),
    ((0.75, 0.75, 0.72), (0.50, 0.05, 0.30)),
)
SKIN: tuple[Colour, ...] = (
    (0.55, 0.36, 0.26), (0.45, 0.28, 0.19), (0.30, 0.17, 0.10), (0.16, 0.09, 0.05), (0.62, 0.43, 0.34),
)
LEAVES: tuple[Colour, ...] = (
    (0.10, 0.20, 0.04), (0.13, 0.20, 0.03), (0.07, 0.16, 0.05), (0.20, 0.20, 0.03), (0.30, 0.15, 0.03),
)
CONIFER: Colour = (0.045, 0.10, 0.05)
BUSHES: tuple[Colour, ...] = ((0.10, 0.20, 0.04), (0.07, 0.16, 0.05), (0.16, 0.22, 0.05), (0.25, 0.08, 0.08))
BRICK: tuple[Colour, ...] = (
    (0.32, 0.12, 0.08), (0.38, 0.17, 0.11), (0.28, 0.14, 0.10), (0.42, 0.26, 0.18), (0.24, 0.10, 0.08),
)
PLASTER: tuple[Colour, ...] = (
    (0.62, 0.56, 0.45), (0.66, 0.62, 0.55), (0.58, 0.42, 0.28), (0.50, 0.55, 0.56), (0.62, 0.48, 0.42),
    (0.45, 0.52, 0.42), (0.66, 0.60, 0.38), (0.40, 0.42, 0.50),
)
CONCRETE: tuple[Colour, ...] = ((0.42, 0.41, 0.39), (0.36, 0.36, 0.35), (0.50, 0.48, 0.44), (0.30, 0.32, 0.34))
DARK_GLASS: tuple[Colour, ...] = ((0.12, 0.16, 0.20), (0.10, 0.14, 0.14), (0.18, 0.17, 0.15))
PAINTED_WOOD: tuple[Colour, ...] = (
    (0.55, 0.55, 0.50), (0.30, 0.38, 0.42), (0.45, 0.20, 0.14), (0.50, 0.48, 0.30), (0.25, 0.30, 0.22),
)
SHEET_METAL: tuple[Colour, ...] = ((0.45, 0.46, 0.47), (0.20, 0.30, 0.42), (0.50, 0.47, 0.38), (0.32, 0.36, 0.30))
WINDOW_FRAMES: tuple[Colour, ...] = (
    (0.70, 0.69, 0.66), (0.25, 0.24, 0.23), (0.05, 0.05, 0.06), (0.30, 0.18, 0.10), (0.55, 0.50, 0.42),
)
ROOF_TILES: tuple[Colour, ...] = ((0.30, 0.09, 0.05), (0.20, 0.08, 0.05), (0.10, 0.10, 0.11), (0.16, 0.13, 0.12))
BINS: tuple[Colour, ...] = ((0.05, 0.20, 0.10), (0.08, 0.10, 0.30), (0.10, 0.10, 0.10), (0.30, 0.25, 0.05))
LAMP_POSTS: tuple[Colour, ...] = ((0.12, 0.13, 0.14), (0.30, 0.31, 0.32), (0.05, 0.12, 0.08))
# fmt: on


def pick(colours: Sequence[Colour], rng: np.random.Generator) -> NDArray[np.float64]:
    """One of the colours, each as likely as the others."""
    return np.array(colours[int(rng.integers(len(colours)))])


def draw_seed(rng: np.random.Generator) -> int:
    """A number that makes one object's pattern differ from another's."""
    return int(rng.integers(1_000_000))
