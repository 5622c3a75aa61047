"""Road works at the edge of a street: barriers, cones, a machine and workers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streetsim.assets.construction import construction_vehicle
from streetsim.assets.people import pedestrian
from streetsim.assets.roadworks import BARRIER_KINDS, barrier, cone
from streetsim.town.blocks import SIDEWALK_Z_M
from streetsim.town.ground import clear_stretches
from streetsim.town.stage import Stage
from streetsim.town.streets import Axis, Street
from streetsim.town.town import Town

CLEARANCE_M = 10.0
HALF_LENGTH_M = 8.0
BARRIERS = 7
BARRIER_STEP_M = 2.3
CONES = 5
WITHIN_M = 36.0


def add_works(
    stage: Stage, town: Town, wanted: int, near: Callable[[float, float], float], rng: np.random.Generator
) -> None:
    """At most `wanted` sites near the route, in the parking strip or on the pavement."""
    made = 0
    for _ in range(60 * wanted):
        if made >= wanted:
            break
        axis, side = Axis(int(rng.integers(2))), int(rng.choice([-1, 1]))
        streets = town.grid.along(axis)
        street = streets[int(rng.integers(len(streets)))]
        stretches = clear_stretches(town.grid, axis, CLEARANCE_M + HALF_LENGTH_M)
        start, end = stretches[int(rng.integers(len(stretches)))]
        middle = rng.uniform(start, end)
        if near(*_place(axis, street, side, middle, street.half_width_m)) < WITHIN_M:
            made += _add_site(stage, axis, street, side, middle, rng)


def _place(axis: Axis, street: Street, side: int, along_m: float, across_m: float) -> tuple[float, float]:
    """(s, t) of a place on one side of a street."""
    across = street.centre_m + side * across_m
    return (across, along_m) if axis is Axis.VERTICAL else (along_m, across)


def _add_site(stage: Stage, axis: Axis, street: Street, side: int, middle: float, rng: np.random.Generator) -> bool:
    """One site; False if not even its machine and a barrier have room."""
    is_on_road = street.parking_m > 0
    z = 0.0 if is_on_road else SIDEWALK_Z_M
    machine_across = street.half_width_m - 0.7 if is_on_road else street.half_width_m + 2.4
    barrier_across = street.half_width_m - 2.35 if is_on_road else street.half_width_m + 0.45
    along_yaw = np.pi / 2 if axis is Axis.VERTICAL else 0.0
    machine_yaw = along_yaw + np.pi * float(rng.integers(2)) + rng.normal(0, 0.03)
    machine = construction_vehicle(rng)
    has_machine = stage.place(
        machine, *_place(axis, street, side, middle, machine_across), machine_yaw, z, "vehicle.stopped"
    )
    kind = BARRIER_KINDS[int(rng.integers(len(BARRIER_KINDS)))]
    placed = 0
    for number in range(BARRIERS):
        along = middle + BARRIER_STEP_M * (number - (BARRIERS - 1) / 2)
        # A barrier's long side is its y.
        yaw = along_yaw + np.pi / 2 + rng.normal(0, 0.03)
        placed += stage.place(barrier(rng, kind), *_place(axis, street, side, along, barrier_across), yaw, z)
    for number in range(CONES):
        for end in (1, -1):
            along = middle + end * (HALF_LENGTH_M + 0.4 + 1.1 * number)
            across = barrier_across + 0.42 * number
            stage.place(cone(rng), *_place(axis, street, side, along, across), rng.uniform(0, 6), z)
    behind = machine_across + (1.9 if is_on_road else -0.4)
    worker_z = SIDEWALK_Z_M
    for _ in range(int(rng.integers(1, 4))):
        worker = pedestrian(rng, "worker", walking=False)
        along = middle + rng.uniform(-6.5, 6.5)
        stage.place(
            worker,
            *_place(axis, street, side, along, behind + rng.uniform(-0.2, 0.4)),
            rng.uniform(0, 2 * np.pi),
            worker_z,
            "pedestrian.standing",
        )
    return has_machine or placed > 0
