"""The compiled heart of the traffic: signals, drivers and people at crossings, step by step."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from streetsim.traffic.drivers import NOBODY, Fleet, Street, decide, place
from streetsim.traffic.paths import STEP_M
from streetsim.traffic.signals import AXIS_MASKS, STEP_S, step_signals

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]

EGO_REQUEST_M = 60.0
WALK_WINDOW_S = 3.0
"""People start to cross only this soon after the signal has changed."""
WAIT_S = 4.0
CLEAR_M = 7.0
"""Nobody steps onto the street with a moving vehicle this close."""
CIRCLE_STEP_M = 1.4
MAX_CIRCLES = 24
PASSED_M = 22.0
"""A stop line is done with once the front is this far behind it."""
STUCK_S = 4.0
PUSH_S = 6.0
"""When drivers have waited for each other in a circle for `STUCK_S`, one of them goes first, for `PUSH_S`."""


class People(NamedTuple):
    """Those who cross streets at junctions.

    Attributes:
        ends_m: (people, 2, 2) world; they walk to and fro between two places.
        junction: (people,) number of the junction.
        stop_mask: (people,) bits of the approaches that must be red to begin.
        speed_mps: (people,).
        way_m: (people,) way gone from the first end, at the beginning.
    """

    ends_m: Array
    junction: Indices
    stop_mask: Indices
    speed_mps: Array
    way_m: Array


class History(NamedTuple):
    """What happened, at every step.

    Attributes:
        arcs_m: (drivers, steps) of the fronts.
        ways_m: (people, steps).
        green, yellow: uint8 (junctions, steps) masks of approaches.
    """

    arcs_m: Array
    ways_m: Array
    green: NDArray[np.uint8]
    yellow: NDArray[np.uint8]


@numba.njit(cache=True, error_model="numpy")
def simulate(steps: int, fleet: Fleet, people: People, first_green: Indices, first_clock: Array) -> History:
    """Runs the traffic for a number of steps of `STEP_S`.

    Args:
        first_green: (junctions,) masks of green approaches at the beginning.
        first_clock: (junctions,) seconds since their last change.
    """
    drivers, walkers, junctions = len(fleet.length_m), len(people.speed_mps), len(first_green)
    history = History(
        np.zeros((drivers, steps)),
        np.zeros((walkers, steps)),
        np.zeros((junctions, steps), np.uint8),
        np.zeros((junctions, steps), np.uint8),
    )
    street = Street(
        fleet.arc_m.copy(),
        fleet.speed_mps.copy(),
        np.zeros((drivers, MAX_CIRCLES, 2)),
        np.zeros(drivers, np.int64),
        np.zeros((drivers, 2)),
        fleet.stop_first[:-1].copy(),
        np.full(drivers, NOBODY),
        np.zeros((walkers, 2)),
        np.zeros((walkers, 2)),
        people.way_m > 0,
        first_green.copy(),
        np.zeros(junctions, np.int64),
    )
    pending, clock, is_cleared = first_green.copy(), first_clock.copy(), np.ones(junctions, np.bool_)
    way, direction, waited = people.way_m.copy(), np.ones(walkers), np.full(walkers, WAIT_S)
    for walker in range(walkers):
        if first_green[people.junction[walker]] & people.stop_mask[walker]:
            street.person_walks[walker] = False
            way[walker] = 0.0
    acceleration, blocker = np.zeros(drivers), np.full(drivers, NOBODY)
    stood, pushes = np.zeros(drivers), np.zeros(drivers)
    for step in range(steps):
        _see_vehicles(fleet, street)
        request = _ego_request(fleet, street)
        step_signals(street.green, street.yellow, pending, clock, request, is_cleared)
        _step_people(people, street, way, direction, waited, clock, is_cleared)
        for driver in range(drivers):
            acceleration[driver], blocker[driver] = decide(driver, fleet, street)
        _untangle(street, blocker, stood, pushes)
        for driver in range(drivers):
            history.arcs_m[driver, step] = street.arc_m[driver]
            street.speed_mps[driver] = max(0.0, street.speed_mps[driver] + acceleration[driver] * STEP_S)
            end = (fleet.path_first[driver + 1] - fleet.path_first[driver] - 1) * STEP_M
            street.arc_m[driver] = min(street.arc_m[driver] + street.speed_mps[driver] * STEP_S, end - 0.1)
        history.ways_m[:, step] = way
        for junction in range(junctions):
            history.green[junction, step] = street.green[junction]
            history.yellow[junction, step] = street.yellow[junction]
    return history


@numba.njit(cache=True, error_model="numpy")
def _see_vehicles(fleet: Fleet, street: Street) -> None:
    """Updates circles, headings and next stop lines from the arcs."""
    for driver in range(len(fleet.length_m)):
        arc, length = street.arc_m[driver], fleet.length_m[driver]
        count = min(MAX_CIRCLES, int(np.ceil(length / CIRCLE_STEP_M)) + 1)
        street.circle_count[driver] = count
        for c in range(count):
            behind = min(max(c * length / (count - 1), 0.3), length - 0.3)
            street.circles_m[driver, c, 0], street.circles_m[driver, c, 1] = place(fleet, driver, arc - behind)
        front_x, front_y = place(fleet, driver, arc)
        back_x, back_y = place(fleet, driver, arc - 1.5)
        norm = np.hypot(front_x - back_x, front_y - back_y) + 1e-9
        street.heading[driver, 0], street.heading[driver, 1] = (front_x - back_x) / norm, (front_y - back_y) / norm
        stop = street.next_stop[driver]
        while stop < fleet.stop_first[driver + 1] and arc > fleet.stop_arc_m[stop] + PASSED_M:
            stop += 1
        street.next_stop[driver] = stop


@numba.njit(cache=True, error_model="numpy")
def _ego_request(fleet: Fleet, street: Street) -> Indices:
    """(junctions,) approaches the ego wants green: its own alone to turn left, else both of its street; 0 for none."""
    request = np.zeros(len(street.green), np.int64)
    stop = street.next_stop[0]
    if stop < fleet.stop_first[1] and fleet.stop_arc_m[stop] - street.arc_m[0] < EGO_REQUEST_M:
        bit = 1 << fleet.stop_approach[stop]
        both = AXIS_MASKS[0] if bit & AXIS_MASKS[0] else AXIS_MASKS[1]
        request[fleet.stop_junction[stop]] = bit if fleet.stop_is_left[stop] else both
    return request


@numba.njit(cache=True, error_model="numpy")
def _step_people(
    people: People, street: Street, way: Array, direction: Array, waited: Array, clock: Array, is_cleared: Flags
) -> None:
    """Everybody walks on, arrives and turns, waits, or starts when the street has just become red and is empty."""
    for walker in range(len(way)):
        junction = people.junction[walker]
        start, end = people.ends_m[walker, 0], people.ends_m[walker, 1]
        length = np.hypot(end[0] - start[0], end[1] - start[1])
        if street.person_walks[walker]:
            way[walker] += direction[walker] * people.speed_mps[walker] * STEP_S
            if way[walker] <= 0.0 or way[walker] >= length:
                way[walker] = min(max(way[walker], 0.0), length)
                street.person_walks[walker] = False
                direction[walker] = -direction[walker]
                waited[walker] = 0.0
        else:
            waited[walker] += STEP_S
            open_mask = (street.green[junction] | street.yellow[junction]) & people.stop_mask[walker]
            has_changed = is_cleared[junction] and clock[junction] < WALK_WINDOW_S
            if open_mask == 0 and has_changed and waited[walker] >= WAIT_S:
                street.person_walks[walker] = _is_clear(start, end, street)
        pace = direction[walker] * people.speed_mps[walker] if street.person_walks[walker] else 0.0
        for k in range(2):
            street.person_m[walker, k] = start[k] + (end[k] - start[k]) * way[walker] / length
            street.person_mps[walker, k] = pace * (end[k] - start[k]) / length


@numba.njit(cache=True, error_model="numpy")
def _is_clear(start: Array, end: Array, street: Street) -> bool:
    """Whether no moving vehicle is near the line between two places."""
    for driver in range(len(street.speed_mps)):
        if street.speed_mps[driver] < 0.5:
            continue
        for fraction in (0.0, 0.5, 1.0):
            x, y = start[0] + fraction * (end[0] - start[0]), start[1] + fraction * (end[1] - start[1])
            for c in range(street.circle_count[driver]):
                if np.hypot(street.circles_m[driver, c, 0] - x, street.circles_m[driver, c, 1] - y) < CLEAR_M:
                    return False
    return True


@numba.njit(cache=True, error_model="numpy")
def _untangle(street: Street, blocker: Indices, stood: Array, pushes: Array) -> None:
    """Lets the foremost number of every circle of drivers who wait for each other go first for a while."""
    drivers = len(blocker)
    for driver in range(drivers):
        stood[driver] = stood[driver] + STEP_S if street.speed_mps[driver] < 0.1 else 0.0
        if street.yields_not[driver] != NOBODY:
            pushes[driver] += STEP_S
            if pushes[driver] > PUSH_S:
                street.yields_not[driver] = NOBODY
        elif stood[driver] > STUCK_S:
            other, is_first = blocker[driver], True
            for _ in range(drivers):
                if other in (NOBODY, driver):
                    break
                is_first = is_first and driver < other
                other = blocker[other]
            if other == driver and is_first:
                street.yields_not[driver] = blocker[driver]
                pushes[driver] = 0.0
