"""Vehicles parked along the streets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streetsim.assets.asset import Asset
from streetsim.assets.cars import car
from streetsim.assets.trucks import trailer, truck
from streetsim.town.ground import clear_stretches
from streetsim.town.stage import Stage
from streetsim.town.streets import Axis
from streetsim.town.town import Town

CLEARANCE_M = 11.0
WITHIN_M = 60.0
CAR_SPACE_M = 5.8
TRUCK_SPACE_M = 12.5
KERB_GAP_M = 0.25


def add_parked_vehicles(
    stage: Stage, town: Town, near: Callable[[float, float], float], rng: np.random.Generator
) -> None:
    """Fills the parking strips near the route, each to a degree of its own."""
    for axis in Axis:
        for street in town.grid.along(axis):
            if not street.parking_m:
                continue
            for side in (1, -1):
                fill = rng.uniform(0.25, 0.85)
                for start, end in clear_stretches(town.grid, axis, CLEARANCE_M):
                    u = start
                    while u < end - CAR_SPACE_M:
                        asset, space = _draw(rng)
                        if u + space > end:
                            asset, space = car(rng), CAR_SPACE_M
                        if rng.random() < fill:
                            half_width = float(asset.shape.size_m[1]) / 2
                            across = street.centre_m + side * (street.half_width_m - KERB_GAP_M - half_width)
                            along = u + space / 2 + rng.uniform(-0.3, 0.3)
                            s, t = (across, along) if axis is Axis.VERTICAL else (along, across)
                            if near(s, t) < WITHIN_M:
                                stage.place(
                                    asset,
                                    s,
                                    t,
                                    _heading(axis, side) + rng.normal(0, 0.02),
                                    0.0,
                                    "vehicle.parked",
                                    follows_slope=True,
                                )
                        u += space


def _draw(rng: np.random.Generator) -> tuple[Asset, float]:
    choice = rng.random()
    if choice < 0.86:
        return car(rng), CAR_SPACE_M
    return (truck(rng) if choice < 0.93 else trailer(rng)), TRUCK_SPACE_M


def _heading(axis: Axis, side: int) -> float:
    """Along the traffic of this side of the street: people drive on the right."""
    if axis is Axis.VERTICAL:
        return np.pi / 2 if side > 0 else -np.pi / 2
    return 0.0 if side < 0 else np.pi
