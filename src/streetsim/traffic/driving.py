"""The compiled heart of the traffic: signals, drivers and people at crossings, step by step.

Drivers follow the intelligent driver model (Treiber, Hennecke, Helbing 2000) behind whatever stands or moves on the
next metres of their own path: other vehicles, people, a stop line that is not green. Who turns left also waits for
those who would be in the way in one or two seconds. Signals alternate between the two axes; as the ego comes near they
turn in its favour, so that a drive is not spent waiting.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

STEP_S = 0.1
GREEN_S, YELLOW_S, ALL_RED_S = 9.0, 2.0, 1.2
AXIS_MASKS = (3, 12)
"""Bits of the approaches along the vertical and the horizontal street, see `Approach.code`."""
EGO_REQUEST_M = 60.0
WALK_WINDOW_S = 3.0
"""People start to cross only this soon after the signal has changed."""
WAIT_S = 4.0
CLEAR_M = 7.0
"""Nobody steps onto the street with a moving vehicle this close."""

ACCELERATION_MPS2, BRAKING_MPS2, HARDEST_BRAKING_MPS2 = 1.6, 2.2, 7.0
HEADWAY_S, STANDSTILL_GAP_M = 1.2, 2.2
MARGIN_M = 0.3
PERSON_RADIUS_M = 0.5
CIRCLE_STEP_M = 1.4
MAX_CIRCLES = 24
PATH_STEP_M = 0.5


@numba.njit(cache=True, error_model="numpy")
def _place(points: Array, first: int, last: int, arc: float) -> tuple[float, float]:
    """Position at an arc length on the path whose points are first to last."""
    place = min(max(arc / PATH_STEP_M, 0.0), last - first - 1e-6)
    k = int(place)
    fraction = place - k
    a, b = points[first + k], points[first + k + 1]
    return a[0] + fraction * (b[0] - a[0]), a[1] + fraction * (b[1] - a[1])


@numba.njit(cache=True, error_model="numpy")
def _free_acceleration(speed: float, desired: float) -> float:
    return ACCELERATION_MPS2 * (1 - (speed / max(desired, 0.1)) ** 4)


@numba.njit(cache=True, error_model="numpy")
def _following_acceleration(speed: float, desired: float, gap: float, closing: float) -> float:
    """Intelligent driver model: gap to the obstacle in metres, closing speed in metres per second."""
    wanted = STANDSTILL_GAP_M + max(
        0.0, speed * HEADWAY_S + speed * closing / (2 * np.sqrt(ACCELERATION_MPS2 * BRAKING_MPS2))
    )
    return _free_acceleration(speed, desired) - ACCELERATION_MPS2 * (wanted / max(gap, 0.3)) ** 2


@numba.njit(cache=True, error_model="numpy")
def _step_signals(
    green: Indices, yellow: Indices, pending: Indices, clock: Array, request: Indices, cleared: NDArray[np.bool_]
) -> None:
    """One step of every junction's signal.

    green, yellow: bit masks of the approaches. pending: mask that comes next while the junction clears. clock: seconds
    since the last change. request: mask that the ego wants, 0 for none. cleared: False while the junction clears.
    """
    for j in range(len(green)):
        clock[j] += STEP_S
        if not cleared[j]:
            if clock[j] >= YELLOW_S:
                yellow[j] = 0
            if clock[j] >= YELLOW_S + ALL_RED_S:
                green[j] = pending[j]
                cleared[j] = True
                clock[j] = 0.0
            continue
        wanted = green[j]
        if request[j] != 0:
            wanted = request[j]
        elif clock[j] >= GREEN_S:
            wanted = AXIS_MASKS[1] if green[j] & AXIS_MASKS[0] else AXIS_MASKS[0]
        if wanted != green[j]:
            pending[j] = wanted
            yellow[j] = green[j] & ~wanted
            green[j] = green[j] & wanted
            cleared[j] = False
            clock[j] = 0.0


@numba.njit(cache=True, error_model="numpy")
def simulate(
    steps: int,
    points: Array,
    limits: Array,
    path_first: Indices,
    stop_arc: Array,
    stop_junction: Indices,
    stop_approach: Indices,
    stop_is_left: NDArray[np.bool_],
    stop_first: Indices,
    length: Array,
    half_width: Array,
    desired: Array,
    arc: Array,
    speed: Array,
    walker_ends: Array,
    walker_junction: Indices,
    walker_mask: Indices,
    walker_speed: Array,
    walker_progress: Array,
    signal_green: Indices,
    signal_clock: Array,
) -> tuple[Array, Array, NDArray[np.uint8], NDArray[np.uint8]]:
    """Runs the traffic; the arguments are the arrays of `Fleet`, of the crossers (world) and of the signals.

    Returns:
        (drivers, steps) arc of every front; (walkers, steps) way gone between the two ends; (junctions, steps) masks
        of the green and of the yellow approaches.
    """
    drivers, walkers, junctions = len(length), len(walker_speed), len(signal_green)
    arcs, ways = np.zeros((drivers, steps)), np.zeros((walkers, steps))
    greens, yellows = np.zeros((junctions, steps), np.uint8), np.zeros((junctions, steps), np.uint8)
    arc, speed = arc.copy(), speed.copy()
    green, yellow, pending = signal_green.copy(), np.zeros(junctions, np.int64), signal_green.copy()
    clock, cleared, request = signal_clock.copy(), np.ones(junctions, np.bool_), np.zeros(junctions, np.int64)
    way, walk_direction = walker_progress.copy(), np.ones(walkers)
    waited, walks = np.full(walkers, WAIT_S), walker_progress > 0
    walker_length = np.zeros(walkers)
    for w in range(walkers):
        walker_length[w] = np.hypot(
            walker_ends[w, 1, 0] - walker_ends[w, 0, 0], walker_ends[w, 1, 1] - walker_ends[w, 0, 1]
        )
        if (green[walker_junction[w]] & walker_mask[w]) != 0:
            walks[w], way[w] = False, 0.0
    circles, circle_count = np.zeros((drivers, MAX_CIRCLES, 2)), np.zeros(drivers, np.int64)
    heading, next_stop = np.zeros((drivers, 2)), stop_first[:-1].copy()
    acceleration = np.zeros(drivers)
    person, person_velocity = np.zeros((walkers, 2)), np.zeros((walkers, 2))
    for step in range(steps):
        for d in range(drivers):
            first, last = path_first[d], path_first[d + 1] - 1
            circle_count[d] = min(MAX_CIRCLES, int(np.ceil(length[d] / CIRCLE_STEP_M)) + 1)
            for c in range(circle_count[d]):
                back = min(c * length[d] / (circle_count[d] - 1), length[d] - 0.3)
                circles[d, c, 0], circles[d, c, 1] = _place(points, first, last, arc[d] - max(back, 0.3))
            ahead_x, ahead_y = _place(points, first, last, arc[d])
            behind_x, behind_y = _place(points, first, last, arc[d] - 1.5)
            norm = np.hypot(ahead_x - behind_x, ahead_y - behind_y) + 1e-9
            heading[d, 0], heading[d, 1] = (ahead_x - behind_x) / norm, (ahead_y - behind_y) / norm
            while next_stop[d] < stop_first[d + 1] and arc[d] > stop_arc[next_stop[d]] + 22.0:
                next_stop[d] += 1
        request[:] = 0
        if next_stop[0] < stop_first[1] and stop_arc[next_stop[0]] - arc[0] < EGO_REQUEST_M:
            n = next_stop[0]
            bit = 1 << stop_approach[n]
            both = AXIS_MASKS[0] if bit & AXIS_MASKS[0] else AXIS_MASKS[1]
            request[stop_junction[n]] = bit if stop_is_left[n] else both
        _step_signals(green, yellow, pending, clock, request, cleared)
        for w in range(walkers):
            j = walker_junction[w]
            if walks[w]:
                way[w] += walk_direction[w] * walker_speed[w] * STEP_S
                if way[w] <= 0.0 or way[w] >= walker_length[w]:
                    way[w] = min(max(way[w], 0.0), walker_length[w])
                    walks[w], walk_direction[w], waited[w] = False, -walk_direction[w], 0.0
            else:
                waited[w] += STEP_S
                is_red = ((green[j] | yellow[j]) & walker_mask[w]) == 0
                if is_red and cleared[j] and clock[j] < WALK_WINDOW_S and waited[w] >= WAIT_S:
                    walks[w] = _is_clear(walker_ends[w], circles, circle_count, speed)
            fraction = way[w] / walker_length[w]
            for k in range(2):
                along = walker_ends[w, 1, k] - walker_ends[w, 0, k]
                person[w, k] = walker_ends[w, 0, k] + fraction * along
                person_velocity[w, k] = 0.0
                if walks[w]:
                    person_velocity[w, k] = walk_direction[w] * walker_speed[w] * along / walker_length[w]
        for d in range(drivers):
            acceleration[d] = _decide(
                d,
                points,
                limits,
                path_first,
                stop_arc,
                stop_junction,
                stop_approach,
                stop_is_left,
                next_stop[d],
                stop_first[d + 1],
                half_width,
                desired[d],
                arc,
                speed,
                circles,
                circle_count,
                heading,
                person,
                person_velocity,
                walks,
                green,
                yellow,
            )
        for d in range(drivers):
            arcs[d, step] = arc[d]
            speed[d] = max(0.0, speed[d] + acceleration[d] * STEP_S)
            end = (path_first[d + 1] - path_first[d] - 1) * PATH_STEP_M
            arc[d] = min(arc[d] + speed[d] * STEP_S, end - 0.1)
        ways[:, step] = way
        greens[:, step] = green
        yellows[:, step] = yellow
    return arcs, ways, greens, yellows


@numba.njit(cache=True, error_model="numpy")
def _is_clear(ends: Array, circles: Array, circle_count: Indices, speed: Array) -> bool:
    """Whether no moving vehicle is near the line between two places."""
    for d in range(len(speed)):
        if speed[d] < 0.5:
            continue
        for fraction in (0.0, 0.5, 1.0):
            x = ends[0, 0] + fraction * (ends[1, 0] - ends[0, 0])
            y = ends[0, 1] + fraction * (ends[1, 1] - ends[0, 1])
            for c in range(circle_count[d]):
                if np.hypot(circles[d, c, 0] - x, circles[d, c, 1] - y) < CLEAR_M:
                    return False
    return True


@numba.njit(cache=True, error_model="numpy")
def _decide(
    d: int,
    points: Array,
    limits: Array,
    path_first: Indices,
    stop_arc: Array,
    stop_junction: Indices,
    stop_approach: Indices,
    stop_is_left: NDArray[np.bool_],
    next_stop: int,
    last_stop: int,
    half_width: Array,
    desired: float,
    arc: Array,
    speed: Array,
    circles: Array,
    circle_count: Indices,
    heading: Array,
    person: Array,
    person_velocity: Array,
    walks: NDArray[np.bool_],
    green: Indices,
    yellow: Indices,
) -> float:
    """Acceleration of driver d."""
    first, last = path_first[d], path_first[d + 1] - 1
    own_speed = speed[d]
    allowed = min(desired, limits[min(first + int((arc[d] + 1.0) / PATH_STEP_M), last)])
    decision = _free_acceleration(own_speed, allowed)
    sight = min(6.0 + 2.6 * own_speed, 34.0)
    turns_left = False
    for n in range(next_stop, last_stop):
        gap = stop_arc[n] - arc[d]
        if gap > sight:
            break
        bit = 1 << stop_approach[n]
        j = stop_junction[n]
        if stop_is_left[n] and gap < 8.0 and (green[j] | bit) != bit:
            turns_left = True
        must_stop = (green[j] & bit) == 0
        if must_stop and (yellow[j] & bit) != 0 and gap < own_speed * own_speed / (2 * 3.0):
            must_stop = False
        if must_stop and gap > -0.5:
            # The gap of the model ends a little before the line, not two metres.
            line_gap = max(gap + 1.6, 0.2)
            decision = min(decision, _following_acceleration(own_speed, allowed, line_gap, own_speed))
            break
    steps = int(sight)
    ahead_x, ahead_y = np.empty(steps), np.empty(steps)
    for k in range(steps):
        ahead_x[k], ahead_y[k] = _place(points, first, last, arc[d] + k)
    for other in range(len(arc)):
        if other == d:
            continue
        middle = circle_count[other] // 2
        far = np.hypot(circles[other, middle, 0] - ahead_x[0], circles[other, middle, 1] - ahead_y[0])
        if far > sight + 40.0:
            continue
        reach = half_width[d] + half_width[other] + MARGIN_M
        along = speed[other] * (heading[other, 0] * heading[d, 0] + heading[other, 1] * heading[d, 1])
        horizons = 3 if turns_left and speed[other] > 1.0 and along < 0.5 * own_speed + 0.5 else 1
        for horizon in range(horizons):
            shift_x = heading[other, 0] * speed[other] * horizon
            shift_y = heading[other, 1] * speed[other] * horizon
            gap = _first_contact(ahead_x, ahead_y, circles[other], circle_count[other], shift_x, shift_y, reach)
            if gap >= 0.0:
                closing = own_speed - max(along, 0.0)
                decision = min(decision, _following_acceleration(own_speed, allowed, gap, closing))
    for w in range(len(person)):
        if not walks[w]:
            continue
        reach = half_width[d] + PERSON_RADIUS_M + MARGIN_M
        for horizon in range(2):
            for k in range(steps):
                x = person[w, 0] + 1.2 * horizon * person_velocity[w, 0]
                y = person[w, 1] + 1.2 * horizon * person_velocity[w, 1]
                if np.hypot(ahead_x[k] - x, ahead_y[k] - y) < reach:
                    decision = min(decision, _following_acceleration(own_speed, allowed, float(k), own_speed))
                    break
    return max(min(decision, 1.8), -HARDEST_BRAKING_MPS2)


@numba.njit(cache=True, error_model="numpy")
def _first_contact(
    ahead_x: Array, ahead_y: Array, circles: Array, count: int, shift_x: float, shift_y: float, reach: float
) -> float:
    """Metres along the own path until one of another vehicle's circles is closer than `reach`; -1 if none is."""
    for k in range(len(ahead_x)):
        for c in range(count):
            dx, dy = circles[c, 0] + shift_x - ahead_x[k], circles[c, 1] + shift_y - ahead_y[k]
            if dx * dx + dy * dy < reach * reach:
                return float(k)
    return -1.0
