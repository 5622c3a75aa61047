"""Vehicles in traffic: what drives, how long it is, how fast it wants to go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from streetsim.assets.asset import Asset
from streetsim.assets.buses import BELLOWS_M, bendy_bus, rigid_bus
from streetsim.assets.cars import ambulance, car, police_car
from streetsim.assets.construction import construction_vehicle
from streetsim.assets.cycles import bicycle, motorcycle
from streetsim.assets.trucks import trailer, truck

DRAWBAR_M = 0.9
PEDALLING_RAD_PER_M = 2.2


@dataclass(frozen=True)
class Unit:
    """One rigid part of a vehicle.

    Attributes:
        behind_front_m: from the front bumper of the whole vehicle back to the middle of this part's box.
    """

    asset: Asset
    behind_front_m: float


@dataclass(frozen=True)
class Vehicle:
    """Units in a row, the foremost first.

    Attributes:
        desired_speed_mps: on a free street.
        is_long: trucks and buses, which avoid tight corners.
        rides_at_edge: bicycles keep to the right edge of the lane.
    """

    units: tuple[Unit, ...]
    desired_speed_mps: float
    is_long: bool = False
    rides_at_edge: bool = False

    @property
    def length_m(self) -> float:
        last = self.units[-1]
        return last.behind_front_m + float(last.asset.shape.size_m[0]) / 2

    @property
    def half_width_m(self) -> float:
        return max(float(unit.asset.shape.size_m[1]) for unit in self.units) / 2


def _single(asset: Asset) -> tuple[Unit, ...]:
    return (Unit(asset, float(asset.shape.size_m[0]) / 2),)


def _towing(front: Asset, rear: Asset, gap_m: float) -> tuple[Unit, ...]:
    front_length, rear_length = float(front.shape.size_m[0]), float(rear.shape.size_m[0])
    return (Unit(front, front_length / 2), Unit(rear, front_length + gap_m + rear_length / 2))


def _car(rng: np.random.Generator) -> Vehicle:
    return Vehicle(_single(car(rng)), rng.uniform(7.5, 12))


def _truck(rng: np.random.Generator) -> Vehicle:
    return Vehicle(_single(truck(rng)), rng.uniform(7, 9), is_long=True)


def _truck_with_trailer(rng: np.random.Generator) -> Vehicle:
    return Vehicle(_towing(truck(rng), trailer(rng), DRAWBAR_M), rng.uniform(6.5, 8), is_long=True)


def _rigid_bus(rng: np.random.Generator) -> Vehicle:
    return Vehicle(_single(rigid_bus(rng)), rng.uniform(7, 9), is_long=True)


def _bendy_bus(rng: np.random.Generator) -> Vehicle:
    front, rear = bendy_bus(rng)
    # The bellows are part of the rear section's box.
    gap = BELLOWS_M - float(rear.shape.size_m[0] - 2 * (rear.shape.size_m[0] / 2 - rear.shape.centre_m[0]))
    return Vehicle(_towing(front, rear, max(gap, 0.1)), rng.uniform(7, 9), is_long=True)


def _motorcycle(rng: np.random.Generator) -> Vehicle:
    return Vehicle(_single(motorcycle(rng, has_rider=True)), rng.uniform(8, 12))


def _bicycle(rng: np.random.Generator) -> Vehicle:
    return Vehicle(_single(bicycle(rng, has_rider=True)), rng.uniform(3.5, 5.5), rides_at_edge=True)


def _police_car(rng: np.random.Generator) -> Vehicle:
    return Vehicle(_single(police_car(rng)), rng.uniform(8, 12))


def _ambulance(rng: np.random.Generator) -> Vehicle:
    return Vehicle(_single(ambulance(rng)), rng.uniform(8, 12))


def _construction_vehicle(rng: np.random.Generator) -> Vehicle:
    return Vehicle(_single(construction_vehicle(rng)), rng.uniform(4, 6), is_long=True)


# What drives, and how often.
MIX: tuple[tuple[Callable[[np.random.Generator], Vehicle], float], ...] = (
    (_car, 0.57),
    (_truck, 0.08),
    (_truck_with_trailer, 0.03),
    (_rigid_bus, 0.05),
    (_bendy_bus, 0.03),
    (_motorcycle, 0.08),
    (_bicycle, 0.12),
    (_police_car, 0.015),
    (_ambulance, 0.01),
    (_construction_vehicle, 0.015),
)


def draw_vehicle(rng: np.random.Generator) -> Vehicle:
    """A vehicle with driver, as often of each kind as the mix says."""
    shares = np.array([share for _, share in MIX])
    make, _ = MIX[int(rng.choice(len(MIX), p=shares / shares.sum()))]
    return make(rng)
