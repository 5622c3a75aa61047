"""What one driver does: how hard to accelerate or brake in the next tenth of a second.

The intelligent driver model (Treiber, Hennecke, Helbing 2000) behind whatever stands or moves on the next metres of the
driver's own path: other vehicles, people, a stop line that is not green or behind which there is no room. Who turns
left also waits for those who would be in the way in one or two seconds.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from streetsim.traffic.paths import STEP_M

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]

ACCELERATION_MPS2, BRAKING_MPS2, HARDEST_BRAKING_MPS2 = 1.6, 2.2, 7.0
HEADWAY_S, STANDSTILL_GAP_M = 1.2, 2.2
MARGIN_M = 0.3
PERSON_RADIUS_M = 0.5
PERSON_AHEAD_S = 1.2
SIGHT_M, SIGHT_S, LONGEST_SIGHT_M = 6.0, 2.6, 34.0
BOX_START_M, BOX_END_M = 7.0, 22.0
"""The junction lies this far behind the stop line; nobody enters without room behind it."""
STANDS_MPS = 1.0
NOBODY = -1
FREE_M = 1e9


class Fleet(NamedTuple):
    """All drivers; the ego is number 0. Paths and stops lie one after the other, driver k's from `first[k]` on.

    Attributes:
        points_m: (points, 2) world, `STEP_M` apart within a path.
        limits_mps: (points,) speed that the curves allow.
        path_first: (drivers + 1,).
        stop_arc_m, stop_junction, stop_approach, stop_is_left: (stops,) place of the stop line on its path, number of
            the junction, code of the approach, whether the route turns left behind it.
        stop_first: (drivers + 1,).
        length_m, half_width_m, desired_mps, arc_m, speed_mps: (drivers,); arc and speed at the beginning, of the front.
    """

    points_m: Array
    limits_mps: Array
    path_first: Indices
    stop_arc_m: Array
    stop_junction: Indices
    stop_approach: Indices
    stop_is_left: Flags
    stop_first: Indices
    length_m: Array
    half_width_m: Array
    desired_mps: Array
    arc_m: Array
    speed_mps: Array


class Street(NamedTuple):
    """What everybody sees at one moment.

    Attributes:
        arc_m, speed_mps: (drivers,) of the fronts.
        circles_m, circle_count: (drivers, circles, 2) places along every vehicle, and how many of them count.
        heading: (drivers, 2) unit vectors.
        next_stop: (drivers,) the first stop line that is not done with.
        yields_not: (drivers,) whom a driver does not wait for any longer, `NOBODY` if it waits for all.
        person_m, person_mps, person_walks: (people, 2), (people, 2), (people,).
        green, yellow: (junctions,) masks of approaches.
    """

    arc_m: Array
    speed_mps: Array
    circles_m: Array
    circle_count: Indices
    heading: Array
    next_stop: Indices
    yields_not: Indices
    person_m: Array
    person_mps: Array
    person_walks: Flags
    green: Indices
    yellow: Indices


@numba.njit(cache=True, error_model="numpy")
def place(fleet: Fleet, driver: int, arc_m: float) -> tuple[float, float]:
    """x and y at an arc length on a driver's path."""
    first, last = fleet.path_first[driver], fleet.path_first[driver + 1] - 1
    position = min(max(arc_m / STEP_M, 0.0), last - first - 1e-6)
    k = int(position)
    fraction = position - k
    a, b = fleet.points_m[first + k], fleet.points_m[first + k + 1]
    return a[0] + fraction * (b[0] - a[0]), a[1] + fraction * (b[1] - a[1])


@numba.njit(cache=True, error_model="numpy")
def _follow(speed: float, allowed: float, gap: float, closing: float) -> float:
    """Intelligent driver model: metres to an obstacle and how fast they shrink; `FREE_M` for an empty street."""
    free = ACCELERATION_MPS2 * (1 - (speed / max(allowed, 0.1)) ** 4)
    if gap >= FREE_M:
        return free
    braking_m = speed * closing / (2 * np.sqrt(ACCELERATION_MPS2 * BRAKING_MPS2))
    wanted = STANDSTILL_GAP_M + max(0.0, speed * HEADWAY_S + braking_m)
    return free - ACCELERATION_MPS2 * (wanted / max(gap, 0.3)) ** 2


@numba.njit(cache=True, error_model="numpy")
def decide(driver: int, fleet: Fleet, street: Street) -> tuple[float, int]:
    """Acceleration of a driver, and the other driver it waits for (`NOBODY` if none)."""
    arc, speed = street.arc_m[driver], street.speed_mps[driver]
    point = fleet.path_first[driver] + int((arc + 1.0) / STEP_M)
    allowed = min(fleet.desired_mps[driver], fleet.limits_mps[min(point, fleet.path_first[driver + 1] - 1)])
    sight = min(SIGHT_M + SIGHT_S * speed, LONGEST_SIGHT_M)
    line_gap, turns_left = _stop_line(driver, fleet, street, sight)
    decision = _follow(speed, allowed, line_gap, speed)
    blocker = NOBODY
    ahead = np.empty((int(sight), 2))
    for k in range(len(ahead)):
        ahead[k, 0], ahead[k, 1] = place(fleet, driver, arc + k)
    for other in range(len(fleet.length_m)):
        if other in (driver, street.yields_not[driver]):
            continue
        middle = street.circles_m[other, street.circle_count[other] // 2]
        if np.hypot(middle[0] - ahead[0, 0], middle[1] - ahead[0, 1]) > sight + 40.0:
            continue
        reach = fleet.half_width_m[driver] + fleet.half_width_m[other] + MARGIN_M
        facing = street.heading[other] * street.heading[driver]
        along = street.speed_mps[other] * (facing[0] + facing[1])
        is_crossing = street.speed_mps[other] > 1.0 and along < 0.5 * speed + 0.5
        for seconds in range(3 if turns_left and is_crossing else 1):
            shift = street.heading[other] * street.speed_mps[other] * seconds
            gap = _first_contact(ahead, street.circles_m[other], street.circle_count[other], shift, reach)
            if gap < FREE_M:
                wish = _follow(speed, allowed, gap, speed - max(along, 0.0))
                if wish < decision:
                    decision, blocker = wish, other
    reach = fleet.half_width_m[driver] + PERSON_RADIUS_M + MARGIN_M
    for person in range(len(street.person_m)):
        if not street.person_walks[person]:
            continue
        for moment in range(2):
            shift = street.person_mps[person] * PERSON_AHEAD_S * moment
            gap = _first_contact(ahead, street.person_m[person : person + 1], 1, shift, reach)
            if gap < FREE_M:
                wish = _follow(speed, allowed, gap, speed)
                if wish < decision:
                    decision, blocker = wish, NOBODY
    return max(min(decision, 1.8), -HARDEST_BRAKING_MPS2), blocker


@numba.njit(cache=True, error_model="numpy")
def _stop_line(driver: int, fleet: Fleet, street: Street, sight: float) -> tuple[float, bool]:
    """Metres to a stop line to stop at (`FREE_M` if none), and whether to beware of oncoming traffic in a left turn."""
    arc, speed = street.arc_m[driver], street.speed_mps[driver]
    turns_left = False
    for stop in range(street.next_stop[driver], fleet.stop_first[driver + 1]):
        gap = fleet.stop_arc_m[stop] - arc
        if gap > sight:
            break
        bit = 1 << fleet.stop_approach[stop]
        green, yellow = street.green[fleet.stop_junction[stop]], street.yellow[fleet.stop_junction[stop]]
        if fleet.stop_is_left[stop] and gap < 8.0 and (green | bit) != bit:
            turns_left = True
        must_stop = (green & bit) == 0
        if must_stop and (yellow & bit) != 0 and gap < speed * speed / (2 * 3.0):
            must_stop = False
        if not must_stop and 0.0 < gap < 14.0:
            must_stop = _has_no_room(driver, fleet, street, fleet.stop_arc_m[stop])
        if must_stop and gap > -0.5:
            # Drivers stop at the line, not at a standstill gap before it.
            return max(gap + 1.6, 0.2), turns_left
    return FREE_M, turns_left


@numba.njit(cache=True, error_model="numpy")
def _has_no_room(driver: int, fleet: Fleet, street: Street, stop_arc_m: float) -> bool:
    """Whether somebody stands where the driver would have to leave the junction."""
    start, end = stop_arc_m + BOX_START_M, stop_arc_m + BOX_END_M + fleet.length_m[driver]
    ahead = np.empty((int((end - start) / 1.5), 2))
    for k in range(len(ahead)):
        ahead[k, 0], ahead[k, 1] = place(fleet, driver, start + 1.5 * k)
    for other in range(len(fleet.length_m)):
        if other == driver or street.speed_mps[other] > STANDS_MPS:
            continue
        reach = fleet.half_width_m[driver] + fleet.half_width_m[other]
        circles, count = street.circles_m[other], street.circle_count[other]
        if _first_contact(ahead, circles, count, np.zeros(2), reach) < FREE_M:
            return True
    return False


@numba.njit(cache=True, error_model="numpy")
def _first_contact(ahead: Array, circles: Array, count: int, shift: Array, reach: float) -> float:
    """Points of the own path until a circle of another, moved by `shift`, is nearer than `reach`; else `FREE_M`."""
    for k in range(len(ahead)):
        for c in range(count):
            dx, dy = circles[c, 0] + shift[0] - ahead[k, 0], circles[c, 1] + shift[1] - ahead[k, 1]
            if dx * dx + dy * dy < reach * reach:
                return float(k)
    return FREE_M
