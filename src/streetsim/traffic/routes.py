"""Ways through the street grid: lanes, turns at junctions, stop lines."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streetsim.town.junctions import Approach, Junction
from streetsim.town.streets import Axis, Grid
from streetsim.town.town import Town
from streetsim.traffic.paths import STEP_M, Path, path_through, shifted_right

Array = NDArray[np.float64]
STOP_REACHED_M = 3.0
STOP_LINE_M = 6.3
"""Distance of the stop line from the kerb line of the crossing street."""
RIGHT_TURN_RADIUS_M = 7.0
LEFT_TURN_RADIUS_M = 10.0
CURVE_POINTS = 14
TURNS = ("straight", "left", "right")
TURN_SHARES = (0.6, 0.2, 0.2)
LEAD_IN_M = 24.0
"""Path behind the start, so that the tail of a long vehicle has one too."""


@dataclass(frozen=True)
class Start:
    """A place on a lane: `position_m` along the street, heading to higher (1) or lower (-1) values."""

    axis: Axis
    street: int
    direction: int
    lane: int
    position_m: float


@dataclass(frozen=True)
class Stop:
    """A stop line on a route.

    Attributes:
        arc_m: where on the path.
        turn: what the route does at the junction behind it.
    """

    arc_m: float
    junction: Junction
    approach: Approach
    turn: str


@dataclass(frozen=True)
class Route:
    """A path and the stop lines on it; the vehicle starts `LEAD_IN_M` along it."""

    path: Path
    stops: tuple[Stop, ...]


@dataclass
class _Walk:
    """Where a route under construction has come to."""

    axis: Axis
    street: int
    direction: int
    lane: int
    position_m: float
    corners: list[Array] = field(default_factory=list)
    radii: list[float] = field(default_factory=list)
    stops: list[tuple[Array, Junction, Approach, str]] = field(default_factory=list)


def lane_place(grid: Grid, axis: Axis, street: int, direction: int, lane: int, position_m: float) -> Array:
    """(s, t) of the middle of a lane."""
    road = grid.along(axis)[street]
    side = direction if axis is Axis.VERTICAL else -direction
    across = road.centre_m + side * road.lane_offset_m(lane)
    return np.array([across, position_m] if axis is Axis.VERTICAL else [position_m, across])


def inner_streets(grid: Grid, axis: Axis) -> range:
    """Streets that routes use: all but the outermost, so that the town goes on around every driver."""
    return range(1, len(grid.along(axis)) - 1)


def draw_start(grid: Grid, rng: np.random.Generator, margin_m: float = 14.0) -> Start:
    """Anywhere on the inner streets, `margin_m` away from the kerb lines of the junctions."""
    axis = Axis(int(rng.integers(2)))
    street = int(rng.choice(inner_streets(grid, axis)))
    junctions = inner_streets(grid, axis.other)
    before = int(rng.choice(junctions[:-1]))
    first, second = grid.crossing(axis)[before], grid.crossing(axis)[before + 1]
    low = first.centre_m + first.half_width_m + margin_m
    high = second.centre_m - second.half_width_m - margin_m
    return Start(
        axis=axis,
        street=street,
        direction=1 if rng.random() < 0.5 else -1,
        lane=int(rng.integers(grid.along(axis)[street].lanes)),
        position_m=rng.uniform(low, high) if high > low else (low + high) / 2,
    )


def draw_route(
    town: Town,
    start: Start,
    length_m: float,
    rng: np.random.Generator,
    first_turn: str | None = None,
    turns_sharply: bool = True,
    right_of_lane_m: float = 0.0,
) -> Route:
    """A way of at least this length that never leaves the inner streets.

    Args:
        first_turn: what to do at the first junction, if the street allows it; otherwise drawn like the others.
        turns_sharply: False for long vehicles, which turn right only where they must.
        right_of_lane_m: how far right of the middle of its lanes the route runs.
    """
    grid = town.grid
    walk = _Walk(start.axis, start.street, start.direction, start.lane, start.position_m)
    place = lane_place(grid, walk.axis, walk.street, walk.direction, walk.lane, walk.position_m)
    ahead = _unit(walk.axis, walk.direction)
    walk.corners.append(place - LEAD_IN_M * ahead)
    driven = 0.0
    while driven < length_m + 30.0:
        driven += _pass_junction(grid, walk, rng, first_turn, turns_sharply)
        first_turn = None
    end = walk.position_m + 15.0 * walk.direction
    walk.corners.append(lane_place(grid, walk.axis, walk.street, walk.direction, walk.lane, end))
    x, y = town.terrain.world(*_rounded(walk.corners, walk.radii).T)
    path = path_through(np.stack([x, y], -1))
    if right_of_lane_m:
        path = shifted_right(path, right_of_lane_m)
    return Route(path, _stops(town, path, walk))


def _pass_junction(grid: Grid, walk: _Walk, rng: np.random.Generator, wish: str | None, turns_sharply: bool) -> float:
    """Moves a walk to the middle of the next junction, headed as it leaves it; returns the metres on the way."""
    junctions = inner_streets(grid, walk.axis.other)
    crossing = grid.crossing(walk.axis)
    ahead = [q for q in junctions if (crossing[q].centre_m - walk.position_m) * walk.direction > 1.0]
    number = min(ahead, key=lambda q: abs(crossing[q].centre_m - walk.position_m))
    turn = _choose_turn(grid, walk, number, rng, wish, turns_sharply)
    junction = (walk.street, number) if walk.axis is Axis.VERTICAL else (number, walk.street)
    line = crossing[number].centre_m - walk.direction * (crossing[number].half_width_m + STOP_LINE_M)
    stop_place = lane_place(grid, walk.axis, walk.street, walk.direction, walk.lane, line)
    walk.stops.append((stop_place, junction, Approach(walk.axis, walk.direction), turn))
    driven = abs(crossing[number].centre_m - walk.position_m)
    if turn == "straight":
        walk.position_m = crossing[number].centre_m
        return driven
    axis, direction = walk.axis.other, turned_direction(walk.axis, walk.direction, turn)
    lane = grid.along(axis)[number].lanes - 1 if turn == "right" else 0
    old_lane = lane_place(grid, walk.axis, walk.street, walk.direction, walk.lane, 0.0)
    new_lane = lane_place(grid, axis, number, direction, lane, 0.0)
    is_vertical = walk.axis is Axis.VERTICAL
    walk.corners.append(np.array([old_lane[0], new_lane[1]] if is_vertical else [new_lane[0], old_lane[1]]))
    walk.radii.append(RIGHT_TURN_RADIUS_M if turn == "right" else LEFT_TURN_RADIUS_M)
    walk.position_m = grid.along(walk.axis)[walk.street].centre_m
    walk.axis, walk.street, walk.direction, walk.lane = axis, number, direction, lane
    return driven


def _choose_turn(
    grid: Grid, walk: _Walk, number: int, rng: np.random.Generator, wish: str | None, turns_sharply: bool
) -> str:
    """A turn after which the walk still has a junction ahead, if possible from the right lane."""
    own, other = inner_streets(grid, walk.axis), inner_streets(grid, walk.axis.other)
    possible = []
    for turn in TURNS:
        if turn == "straight":
            stays = number + walk.direction in other
        else:
            stays = walk.street + turned_direction(walk.axis, walk.direction, turn) in own
        if stays:
            possible.append(turn)
    if wish in possible:
        return wish
    lanes = grid.along(walk.axis)[walk.street].lanes
    proper = [
        turn
        for turn in possible
        if turn == "straight"
        or (turn == "right" and walk.lane >= lanes - 1 and turns_sharply)
        or (turn == "left" and walk.lane == 0)
    ]
    choices = proper or possible
    shares = np.array([TURN_SHARES[TURNS.index(turn)] for turn in choices])
    return choices[int(rng.choice(len(choices), p=shares / shares.sum()))]


def turned_direction(axis: Axis, direction: int, turn: str) -> int:
    """Direction along the other axis after a left or right turn."""
    heading_s, heading_t = _unit(axis, direction)
    turned = (-heading_t, heading_s) if turn == "left" else (heading_t, -heading_s)
    return int(turned[1] if axis is Axis.HORIZONTAL else turned[0])


def _unit(axis: Axis, direction: int) -> Array:
    return np.array([0.0, direction] if axis is Axis.VERTICAL else [direction, 0.0])


def _rounded(corners: list[Array], radii: list[float]) -> Array:
    """The polyline through the corners with arcs instead of the inner ones, densely sampled on the plan."""
    points = [corners[0]]
    for before, corner, after, wished_radius in zip(corners[:-2], corners[1:-1], corners[2:], radii, strict=True):
        incoming, outgoing = corner - before, after - corner
        length_in, length_out = float(np.linalg.norm(incoming)), float(np.linalg.norm(outgoing))
        radius = min(wished_radius, 0.45 * length_in, 0.45 * length_out)
        incoming, outgoing = incoming / length_in, outgoing / length_out
        centre = corner - incoming * radius + outgoing * radius
        angle = np.linspace(0, np.pi / 2, CURVE_POINTS)[:, None]
        points += list(centre - outgoing * radius * np.cos(angle) + incoming * radius * np.sin(angle))
    points.append(corners[-1])
    line = np.array(points)
    arc = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1)))
    even = np.append(np.arange(0, arc[-1], STEP_M), arc[-1])
    return np.stack([np.interp(even, arc, column) for column in line.T], -1)


def _stops(town: Town, path: Path, walk: _Walk) -> tuple[Stop, ...]:
    """The stop lines of a walk on its path, in order; a route may come through the same place again later."""
    stops = []
    first = 0
    for place, junction, approach, turn in walk.stops:
        x, y = town.terrain.world(*place)
        distance = np.hypot(path.points_m[first:, 0] - x, path.points_m[first:, 1] - y)
        reached = int(np.argmax(distance < STOP_REACHED_M))
        nearest = first + reached + int(np.argmin(distance[reached : reached + int(4 * STOP_REACHED_M / STEP_M)]))
        stops.append(Stop(STEP_M * nearest, junction, approach, turn))
        first = nearest + 1
    return tuple(stops)
