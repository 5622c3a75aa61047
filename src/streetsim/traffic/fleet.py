"""Vehicles on their routes, packed into arrays for the compiled simulation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streetsim.town.junctions import Junction
from streetsim.town.town import Town
from streetsim.traffic.drivers import Fleet
from streetsim.traffic.paths import STEP_M
from streetsim.traffic.routes import LEAD_IN_M, Route, draw_route, draw_start, lane_place
from streetsim.traffic.vehicles import Vehicle, draw_vehicle

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
WITHIN_M = 62.0
EDGE_OFFSET_M = 0.9
START_GAP_M = 2.6
START_AHEAD_M = 5.0


@dataclass(frozen=True)
class Driver:
    """One vehicle on its route, as far as driving goes."""

    route: Route
    length_m: float
    half_width_m: float
    desired_speed_mps: float
    speed_mps: float


@dataclass(frozen=True)
class Traveller:
    """A vehicle and its way."""

    vehicle: Vehicle
    driver: Driver


def draw_travellers(
    town: Town,
    ego: Driver,
    wanted: int,
    near: Callable[[float, float], float],
    travel_s: float,
    rng: np.random.Generator,
) -> list[Traveller]:
    """At most `wanted` vehicles that start near the ego's route, none in another's way, with routes for `travel_s`."""
    travellers: list[Traveller] = []
    taken = [_body_points(ego)]
    for _ in range(12 * wanted):
        if len(travellers) == wanted:
            break
        start = draw_start(town.grid, rng)
        if (
            near(*lane_place(town.grid, start.axis, start.street, start.direction, start.lane, start.position_m))
            > WITHIN_M
        ):
            continue
        vehicle = draw_vehicle(rng)
        if vehicle.is_long or vehicle.rides_at_edge:
            start = replace(start, lane=town.grid.along(start.axis)[start.street].lanes - 1)
        route = draw_route(
            town,
            start,
            vehicle.desired_speed_mps * travel_s + 20.0,
            rng,
            turns_sharply=not vehicle.is_long,
            right_of_lane_m=EDGE_OFFSET_M if vehicle.rides_at_edge else 0.0,
        )
        speed = vehicle.desired_speed_mps * rng.uniform(0.5, 0.95)
        driver = Driver(route, vehicle.length_m, vehicle.half_width_m, vehicle.desired_speed_mps, speed)
        body = _body_points(driver)
        if all(np.min(np.linalg.norm(body[:, None] - other[None], axis=2)) > START_GAP_M for other in taken):
            taken.append(body)
            travellers.append(Traveller(vehicle, driver))
    return travellers


def _body_points(driver: Driver) -> Array:
    """(points, 2) along the vehicle's place at the beginning and some metres ahead of it."""
    return driver.route.path.at(np.arange(LEAD_IN_M - driver.length_m, LEAD_IN_M + START_AHEAD_M, 1.5))


def pack(drivers: Sequence[Driver], junction_numbers: dict[Junction, int]) -> Fleet:
    """The fleet of these drivers, each with its front `LEAD_IN_M` along its path."""
    limits = [driver.route.path.speed_limits_mps() for driver in drivers]
    stops = [stop for driver in drivers for stop in driver.route.stops]
    entry = int(LEAD_IN_M / STEP_M)
    return Fleet(
        points_m=np.concatenate([driver.route.path.points_m for driver in drivers]),
        limits_mps=np.concatenate(limits),
        path_first=_firsts([len(driver.route.path.points_m) for driver in drivers]),
        stop_arc_m=np.array([stop.arc_m for stop in stops]),
        stop_junction=np.array([junction_numbers[stop.junction] for stop in stops], np.int64),
        stop_approach=np.array([stop.approach.code for stop in stops], np.int64),
        stop_is_left=np.array([stop.turn == "left" for stop in stops]),
        stop_first=_firsts([len(driver.route.stops) for driver in drivers]),
        length_m=np.array([driver.length_m for driver in drivers]),
        half_width_m=np.array([driver.half_width_m for driver in drivers]),
        desired_mps=np.array([driver.desired_speed_mps for driver in drivers]),
        arc_m=np.full(len(drivers), LEAD_IN_M),
        speed_mps=np.array(
            [min(driver.speed_mps, limit[entry]) for driver, limit in zip(drivers, limits, strict=True)]
        ),
    )


def _firsts(counts: list[int]) -> Indices:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
