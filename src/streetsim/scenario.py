"""A town, its weather and its traffic over some seconds: everything that sensors can be pointed at.

All coordinates are world coordinates in metres (x east, y north, z up); times are seconds from the start.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streetsim.assets.signs import traffic_light_head, traffic_light_parameters
from streetsim.materials import LightState
from streetsim.mesh import Mesh, concatenate
from streetsim.things import Actor, StandingThing, ThingBox, Trajectory
from streetsim.town.ground import add_ground
from streetsim.town.junctions import LightHead, add_junctions
from streetsim.town.kerbside import add_kerbside
from streetsim.town.plots import add_plots, add_skyline
from streetsim.town.presets import TOWNS
from streetsim.town.stage import Stage
from streetsim.town.town import Town, draw_town
from streetsim.traffic.movers import Mover
from streetsim.traffic.overlaps import track, without_overlaps
from streetsim.traffic.parking import add_parked_vehicles
from streetsim.traffic.signals import Signals
from streetsim.traffic.traffic import (
    EGO_FRONT_M,
    EGO_LENGTH_M,
    EGO_WIDTH_M,
    draw_ego_drive,
    run_traffic,
)
from streetsim.traffic.walking import add_standing_people, draw_walkers
from streetsim.traffic.works import add_works
from streetsim.weather import WEATHERS, Weather, draw_weather

__all__ = ["TOWNS", "WEATHERS", "Scenario", "ThingBox", "build_scenario"]

Array = NDArray[np.float64]
ACTORS_WITHIN_M = 95.0
BEFORE_S = 1.0
"""Sensors may look this long before the start and after the end."""
OVERLAP_STEP_S = 0.2
TAKE_EVERY = 2
"""Every second footprint of the traffic keeps its ground clear of standing things."""
EGO_BOX_CENTRE_M = np.array([EGO_FRONT_M - EGO_LENGTH_M / 2, 0.0, 0.75])
EGO_BOX_SIZE_M = np.array([EGO_LENGTH_M, EGO_WIDTH_M, 1.5])
WALKING_SHARE, STANDING_SHARE = 0.55, 0.2
SITES = 2


@dataclass(frozen=True)
class Scenario:
    """What happens around the ego.

    Attributes:
        seed: everything drawn comes from it.
        duration_s: poses, meshes and boxes exist from `BEFORE_S` before 0 to `BEFORE_S` after this time.
        town: the plan; the road texture reads `town.vertical_streets`, `town.horizontal_streets`, `town.road_style`.
        static: everything that never changes, parked vehicles included.
        object_parameters: float64 (objects, 24), see `materials`.
        ego: trajectory of the ego's rear axle on the ground.
        actors: everybody who moves, or may.
        standing: annotated things in the static mesh.
    """

    seed: int
    duration_s: float
    weather: Weather
    town: Town
    static: Mesh
    object_parameters: Array
    ego: Trajectory
    actors: tuple[Actor, ...]
    standing: tuple[StandingThing, ...]
    light_heads: tuple[LightHead, ...]
    light_rows: dict[LightState, int]
    signals: Signals

    def ego_pose(self, time_s: float) -> Array:
        """(4, 4) world_from_ego: rear axle on the ground, x forward, y left, z up."""
        self._check_time(time_s)
        return self.ego.pose(time_s)

    def dynamic_mesh(self, time_s: float) -> Mesh:
        """Actors within `ACTORS_WITHIN_M` of the ego, posed as at exactly this time, and the traffic lights."""
        self._check_time(time_s)
        ego_m = self.ego.position(time_s)
        meshes = []
        for actor in self.actors:
            if np.hypot(*(actor.trajectory.position(time_s) - ego_m)[:2]) < ACTORS_WITHIN_M:
                meshes.append(actor.mesh(time_s))
        for head in self.light_heads:
            if np.hypot(*(head.pose[:3, 3] - ego_m)[:2]) < ACTORS_WITHIN_M:
                row = self.light_rows[self._light_state(head, time_s)]
                meshes.append(traffic_light_head().place(head.pose, row))
        return concatenate(meshes)

    def boxes(self, time_s: float) -> list[ThingBox]:
        """Boxes of all annotated things anywhere in the town, the standing ones first."""
        self._check_time(time_s)
        return [thing.box() for thing in self.standing] + [actor.box(time_s) for actor in self.actors]

    def _light_state(self, head: LightHead, time_s: float) -> LightState:
        green, yellow = self.signals.masks(head.junction, time_s)
        bit = 1 << head.approach.code
        if green & bit:
            return LightState.GREEN
        return LightState.YELLOW if yellow & bit else LightState.RED

    def _check_time(self, time_s: float) -> None:
        if not -BEFORE_S <= time_s <= self.duration_s + BEFORE_S:
            raise ValueError(
                f"time {time_s} s lies outside the scenario, which lasts from 0 to {self.duration_s} s "
                f"(and {BEFORE_S} s around it); build it with a longer duration_s"
            )


def build_scenario(town: str, weather: str, seed: int, duration_s: float, density: float = 1.0) -> Scenario:
    """Draws a scenario; the same arguments give the same scenario in every process.

    Args:
        town: one of `TOWNS`.
        weather: one of `WEATHERS`.
        seed: not negative.
        duration_s: how long the ego drives; routes turn within the town, so that there is no longest drive.
        density: multiplies the number of vehicles and people; 0 for empty streets.

    Raises:
        ValueError: for unknown names, a negative seed or density, or a duration that is not positive.
    """
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}")
    if duration_s <= 0:
        raise ValueError(f"duration_s must be positive, got {duration_s}")
    if density < 0:
        raise ValueError(f"density must not be negative, got {density}")
    streams = np.random.SeedSequence([seed, 20250705]).spawn(7)
    plan, drive_rng, traffic_rng, ground, furnishing, people, sky = (np.random.default_rng(s) for s in streams)
    day = draw_weather(weather, sky)
    place = draw_town(town, plan)
    drive = draw_ego_drive(place, duration_s, drive_rng)
    near = drive.near(place)
    traffic = run_traffic(place, drive, duration_s, density, traffic_rng)

    movers = list(traffic.movers)
    times = np.arange(-BEFORE_S, duration_s + BEFORE_S + 1e-9, OVERLAP_STEP_S)

    stage = Stage(place.terrain)
    add_ground(stage, place.grid, place.blocks, place.preset, ground)
    ego_track = track(traffic.ego, EGO_BOX_CENTRE_M, EGO_BOX_SIZE_M, times)
    mover_tracks = [_track(mover, times) for mover in movers]
    for rectangle in np.concatenate([ego_track, *mover_tracks])[::TAKE_EVERY]:
        stage.footprints.take(rectangle)
    ways = len(stage.footprints.rows)
    heads = add_junctions(stage, place.grid, near, furnishing)
    add_works(stage, place, SITES, near, furnishing)
    add_parked_vehicles(stage, place, near, furnishing)
    add_plots(stage, place.blocks, place.preset, near, furnishing)
    add_kerbside(stage, place.blocks, place.preset, near, furnishing)
    add_skyline(stage, place.grid, place.preset, furnishing)
    on_foot = density * place.preset.pedestrians * drive.share
    add_standing_people(stage, place, int(STANDING_SHARE * on_foot), near, people)
    standing = stage.footprints.rows[ways:]
    walkers = draw_walkers(place, int(WALKING_SHARE * on_foot), near, traffic.ego.times_s, standing, people)
    first_group = 1 + max((mover.group for mover in movers), default=0)
    movers += [
        Mover(walker.asset, walker.trajectory, walker.gait_rad, first_group + number)
        for number, walker in enumerate(walkers)
    ]
    tracks = np.stack([ego_track, *(_track(mover, times) for mover in movers)])
    keep = without_overlaps(tracks, np.array([0, *(mover.group for mover in movers)]), standing)
    kept = [mover for mover, is_kept in zip(movers, keep[1:], strict=True) if is_kept]
    actors = tuple(
        Actor(
            stage.next_instance(), stage.add_row(mover.asset.parameters), mover.asset, mover.trajectory, mover.gait_rad
        )
        for mover in kept
    )
    light_rows = {state: stage.add_row(traffic_light_parameters(state)) for state in LightState}
    return Scenario(
        seed=seed,
        duration_s=duration_s,
        weather=day,
        town=place,
        static=stage.mesh(),
        object_parameters=stage.object_parameters(),
        ego=traffic.ego,
        actors=actors,
        standing=tuple(stage.things),
        light_heads=heads,
        light_rows=light_rows,
        signals=traffic.signals,
    )


def _track(mover: Mover, times_s: Array) -> Array:
    """(samples, 5) footprints of a mover's box."""
    return track(mover.trajectory, mover.asset.shape.centre_m, mover.asset.shape.size_m, times_s)
