"""Traffic around the ego over the time of a scenario: the drive itself, other vehicles, people and signals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streetsim.things import Trajectory
from streetsim.town.junctions import Junction
from streetsim.town.town import Town
from streetsim.traffic.crossings import draw_crossers, pack_crossers
from streetsim.traffic.driving import simulate
from streetsim.traffic.fleet import Driver, draw_travellers, pack
from streetsim.traffic.movers import Mover, crossing_mover, ego_trajectory, vehicle_movers
from streetsim.traffic.routes import LEAD_IN_M, Route, Start, draw_route, draw_start
from streetsim.traffic.signals import AXIS_MASKS, GREEN_S, STEP_S, Signals

Array = NDArray[np.float64]
WARM_UP_S = 2.0
AFTER_S = 1.2
"""The traffic runs from this long before the scenario to this long after it."""
EGO_LENGTH_M, EGO_WIDTH_M = 4.1, 1.75
EGO_WHEELBASE_M = 2.59
EGO_FRONT_M = 3.45
"""From the rear axle to the front bumper."""
EGO_MIN_MEAN_MPS = 2.5
ATTEMPTS = 8
SHORT_DRIVE_M = 190.0
LONGEST_SHARE = 2.5
"""Long drives have at most this many times the traffic of a short one."""
CROSSING_SHARE = 0.25
"""People at crossings, as a share of all on foot."""
CROSSERS_WITHIN_M = 45.0


@dataclass(frozen=True)
class EgoDrive:
    """Where the ego wants to go, drawn before everything that depends on where it comes by."""

    route: Route
    speed_mps: float
    desired_speed_mps: float
    length_m: float

    @property
    def share(self) -> float:
        """How many times the traffic of a short drive this one needs."""
        return min(max(self.length_m / SHORT_DRIVE_M, 1.0), LONGEST_SHARE)

    def near(self, town: Town) -> Callable[[float, float], float]:
        """The distance in metres from a place (s, t) on the plan to the drive."""
        points = self.route.path.points_m[int(LEAD_IN_M / 0.5) : int((LEAD_IN_M + self.length_m) / 0.5) : 8]

        def distance_m(s: float, t: float) -> float:
            x, y = town.terrain.world(s, t)
            return float(np.sqrt(np.min((points[:, 0] - x) ** 2 + (points[:, 1] - y) ** 2)))

        return distance_m


@dataclass(frozen=True)
class Traffic:
    """The ego's trajectory (of its rear axle), everybody else's, and the signals."""

    ego: Trajectory
    movers: tuple[Mover, ...]
    signals: Signals


def draw_ego_drive(town: Town, duration_s: float, rng: np.random.Generator) -> EgoDrive:
    """A drive that begins shortly before a junction near the middle of the town and turns there two times of three."""
    grid = town.grid
    start = draw_start(grid, rng)
    turn = ("straight", "left", "right")[int(rng.choice(3, p=[0.3, 0.35, 0.35]))]
    crossing = grid.crossing(start.axis)
    before = [
        street.centre_m - start.direction * (street.half_width_m + rng.uniform(22, 46)) for street in crossing[1:-1]
    ]
    position = min(before, key=lambda place: abs(place))
    lanes = grid.along(start.axis)[start.street].lanes
    lane = {"left": 0, "right": lanes - 1}.get(turn, start.lane)
    desired = rng.uniform(7.5, 10.0)
    length = max(SHORT_DRIVE_M, desired * (WARM_UP_S + duration_s + AFTER_S) + 40.0)
    route = draw_route(
        town, Start(start.axis, start.street, start.direction, lane, position), length, rng, first_turn=turn
    )
    return EgoDrive(route, rng.uniform(6.0, 8.0), desired, length)


def run_traffic(town: Town, drive: EgoDrive, duration_s: float, density: float, rng: np.random.Generator) -> Traffic:
    """Runs the traffic; if the ego gets stuck, once more with others, and fewer of them."""
    for attempt in range(ATTEMPTS):
        crowd = density * (1 - attempt / (ATTEMPTS - 1))
        traffic = _run_once(town, drive, duration_s, crowd, rng)
        path = np.array([traffic.ego.position(time) for time in np.arange(0.0, duration_s + 0.05, 0.1)])
        driven = np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
        if driven >= EGO_MIN_MEAN_MPS * duration_s:
            return traffic
    raise AssertionError("the ego does not move even on empty streets")


def _run_once(town: Town, drive: EgoDrive, duration_s: float, density: float, rng: np.random.Generator) -> Traffic:
    near = drive.near(town)
    share = density * drive.share
    travel_s = WARM_UP_S + duration_s + AFTER_S
    ego = Driver(drive.route, EGO_LENGTH_M, EGO_WIDTH_M / 2, drive.desired_speed_mps, drive.speed_mps)
    travellers = draw_travellers(town, ego, int(share * town.preset.vehicles), near, travel_s, rng)
    crossers = draw_crossers(town, int(CROSSING_SHARE * share * town.preset.pedestrians), near, CROSSERS_WITHIN_M, rng)
    junctions = [(i, j) for i in range(len(town.grid.vertical)) for j in range(len(town.grid.horizontal))]
    numbers = {junction: row for row, junction in enumerate(junctions)}
    green, clock = _initial_signals(drive.route, numbers, rng)
    steps = int(np.ceil(travel_s / STEP_S)) + 1
    times = np.arange(steps, dtype=np.float64) * STEP_S - WARM_UP_S
    fleet = pack([ego, *(traveller.driver for traveller in travellers)], numbers)
    history = simulate(steps, fleet, pack_crossers(town, crossers, numbers), green, clock)
    movers: list[Mover] = []
    for number, traveller in enumerate(travellers, start=1):
        movers += vehicle_movers(
            town, traveller.vehicle, traveller.driver.route.path, history.arcs_m[number], times, number
        )
    for number, crosser in enumerate(crossers):
        movers.append(crossing_mover(town, crosser, history.ways_m[number], times, 1 + len(travellers) + number, rng))
    front_axle = history.arcs_m[0] - EGO_FRONT_M + EGO_WHEELBASE_M
    trajectory = ego_trajectory(town, drive.route.path, front_axle, EGO_WHEELBASE_M, times)
    return Traffic(trajectory, tuple(movers), Signals(times, history.green, history.yellow, numbers))


def _initial_signals(
    route: Route, numbers: dict[Junction, int], rng: np.random.Generator
) -> tuple[NDArray[np.int64], Array]:
    """Green masks and clocks at the beginning; the first signal on the route is green for the ego."""
    green = np.array([AXIS_MASKS[int(rng.integers(2))] for _ in numbers], np.int64)
    clock = rng.uniform(0, GREEN_S, len(numbers))
    first = route.stops[0]
    bit = 1 << first.approach.code
    both = AXIS_MASKS[0] if bit & AXIS_MASKS[0] else AXIS_MASKS[1]
    green[numbers[first.junction]] = bit if first.turn == "left" else both
    return green, clock
