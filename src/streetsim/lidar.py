"""One turn of the LiDAR: every column is fired at its own time, from where the vehicle is then."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from streetsim.air import Air
from streetsim.echoes import receive
from streetsim.false_echoes import false_echoes
from streetsim.mesh import Mesh
from streetsim.raycast import Hits, World
from streetsim.rigs import LidarMount
from streetsim.scene import Scene
from streetsim.semantics import Semantic
from streetsim.surfaces import SurfacePoints, surfaces_at
from streetsim.visible import within_wedge

_STEP_S = 0.01  # things stand still for so long; at 15 m/s they are at most 8 cm from where they should be
_NEAREST_M = 1.0
_POINTING_NOISE_DEG = 0.015


@dataclass(frozen=True, eq=False)
class Scan:
    """The points of one turn.

    points_lidar: float32 (points, 3) metres, in the LiDAR's frame at the timestamp of the sweep: the vehicle's motion
    during the turn is compensated, that of others is not, as in nuScenes.
    intensity: float32 0 … 255. ring: uint8, 0 the lowest beam. time_s: float32, when each point was fired, from
    that timestamp. world_s: float64, the scenario's time at which moving things were met (exact to half a step).
    surface_m: float64 (points, 3), the place that was met, world, without noise.
    semantic: uint8, `Semantic`; DROPLETS where fog or rain was met. instance: int32, 0 where not annotated.
    """

    points_lidar: NDArray[np.float32]
    intensity: NDArray[np.float32]
    ring: NDArray[np.uint8]
    time_s: NDArray[np.float32]
    world_s: NDArray[np.float64]
    surface_m: NDArray[np.float64]
    semantic: NDArray[np.uint8]
    instance: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.points_lidar)

    @property
    def on_surface(self) -> NDArray[np.bool_]:
        """bool (points,): which points are not echoes of the air."""
        return np.asarray(self.semantic != Semantic.DROPLETS)


@dataclass(frozen=True, eq=False)
class _Shots:
    """The beams of some neighbouring columns, in the world."""

    origins_m: NDArray[np.float64]
    directions: NDArray[np.float64]
    time_s: NDArray[np.float64]
    ring: NDArray[np.int64]


def take_scan(scene: Scene, mount: LidarMount, time_s: float, rng: np.random.Generator) -> Scan:
    """The sweep with timestamp `time_s`.

    What the air sends back is drawn by a generator of its own, so that surfaces are measured alike in all weathers.
    """
    air, air_rng = Air.of(scene.scenario.weather), rng.spawn(1)[0]
    begin_s, end_s = time_s + mount.turn_s[0], time_s + mount.turn_s[1]
    steps = max(1, math.ceil((end_s - begin_s) / _STEP_S - 1e-6))
    column_edges = np.linspace(0, mount.columns, steps + 1).round().astype(int)
    world_from_lidar = scene.scenario.ego_pose(time_s) @ mount.ego_from_lidar()
    lidar_from_world: NDArray[np.float64] = np.asarray(np.linalg.inv(world_from_lidar))
    phase = float(rng.random())
    parts = []
    for first, last in itertools.pairwise(column_edges):
        shots = _fire(scene, mount, np.arange(first, last), phase, begin_s, end_s, rng)
        middle_s = begin_s + (end_s - begin_s) * (first + last) / 2 / mount.columns
        world = World(scene.standing, _near(scene, mount, middle_s, first, last))
        parts.append(_collect(scene, mount, world, middle_s, time_s, shots, lidar_from_world, air, rng, air_rng))
    return _joined(parts)


def _near(scene: Scene, mount: LidarMount, time_s: float, first: int, last: int) -> Mesh:
    """The moving things that some neighbouring columns can meet."""
    pose = scene.scenario.ego_pose(time_s)
    yaw_rad = math.atan2(pose[1, 0], pose[0, 0])
    heading_rad = yaw_rad + math.radians(mount.first_azimuth_deg) - math.pi * (first + last + 1) / mount.columns
    half_rad = math.pi * (last - first + 2) / mount.columns + 0.05
    apex_m = (pose @ mount.ego_from_lidar())[:2, 3]
    return within_wedge(scene.scenario.dynamic_mesh(time_s), apex_m, heading_rad, half_rad, 2.0)


def _fire(
    scene: Scene,
    mount: LidarMount,
    columns: NDArray[np.int64],
    phase: float,
    begin_s: float,
    end_s: float,
    rng: np.random.Generator,
) -> _Shots:
    """Beams of these columns; the pose of the vehicle is interpolated between the first and the last of them."""
    beams = len(mount.elevations_deg)
    share = (columns + phase) / mount.columns
    time_s = begin_s + (end_s - begin_s) * share
    # azimuths in the LiDAR's own frame, clockwise
    azimuth = np.radians(mount.first_azimuth_deg - mount.yaw_deg) - 2 * np.pi * share
    azimuth = azimuth[:, None] + rng.normal(0, np.radians(_POINTING_NOISE_DEG), (len(columns), beams))
    elevation = np.radians(np.array(mount.elevations_deg))[None]
    local = np.stack(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation) + 0 * azimuth],
        axis=-1,
    )
    ego_from_lidar = mount.ego_from_lidar()
    start = scene.scenario.ego_pose(float(time_s[0])) @ ego_from_lidar
    stop = scene.scenario.ego_pose(float(time_s[-1])) @ ego_from_lidar
    span_s = float(time_s[-1] - time_s[0])
    weight = (time_s - time_s[0]) / span_s if span_s > 0 else np.zeros(len(columns))
    pose = start + weight[:, None, None] * (stop - start)  # turns by milliradians at most: linear is exact enough
    directions = np.einsum("cij,cbj->cbi", pose[:, :3, :3], local)
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return _Shots(
        origins_m=np.repeat(pose[:, :3, 3], beams, axis=0),
        directions=directions.reshape(-1, 3),
        time_s=np.repeat(time_s, beams),
        ring=np.tile(np.arange(beams), len(columns)),
    )


def _collect(
    scene: Scene,
    mount: LidarMount,
    world: World,
    world_s: float,
    timestamp_s: float,
    shots: _Shots,
    lidar_from_world: NDArray[np.float64],
    air: Air,
    rng: np.random.Generator,
    air_rng: np.random.Generator,
) -> Scan:
    """What comes back from these shots."""
    directions = np.ascontiguousarray(shots.directions, dtype=np.float32)
    hits = world.nearest(np.ascontiguousarray(shots.origins_m, dtype=np.float32), directions)
    met = (hits.triangle >= 0) & (hits.distance_m > _NEAREST_M) & (hits.distance_m < mount.max_range_m)
    rows = np.flatnonzero(met)
    near = Hits(hits.triangle[rows], hits.u[rows], hits.v[rows], hits.distance_m[rows])
    points: SurfacePoints = surfaces_at(world, near, directions[rows])
    echoes = receive(scene, near, points, directions[rows], air, mount.max_range_m, mount.range_noise_m, rng)
    kept = echoes.detected & (echoes.range_m > _NEAREST_M)
    rows, triangle, intensity = rows[kept], near.triangle[kept], echoes.intensity[kept]
    measured_m, true_m = echoes.range_m[kept], near.distance_m[kept].astype(np.float64)
    if air.backscattering_per_m_sr > 0:
        received = np.zeros(len(directions))
        received[rows] = echoes.received[kept]
        free_m = np.where(hits.triangle >= 0, hits.distance_m, np.inf).astype(np.float64)
        false = false_echoes(air, free_m, received, _NEAREST_M, mount.max_range_m, air_rng)
        extra = np.flatnonzero(false.reported)
        left = ~false.reported[rows]
        rows = np.concatenate([rows[left], extra])
        triangle = np.concatenate([triangle[left], np.full(len(extra), -1, triangle.dtype)])
        intensity = np.concatenate([intensity[left], false.intensity[extra]])
        measured_m = np.concatenate([measured_m[left], false.range_m[extra]])
        true_m = np.concatenate([true_m[left], false.range_m[extra]])
        order = np.argsort(rows)
        rows, triangle, intensity = rows[order], triangle[order], intensity[order]
        measured_m, true_m = measured_m[order], true_m[order]
    origins_m, along = shots.origins_m[rows], shots.directions[rows]
    points_m = origins_m + along * measured_m[:, None]
    return Scan(
        points_lidar=(points_m @ lidar_from_world[:3, :3].T + lidar_from_world[:3, 3]).astype(np.float32),
        intensity=intensity,
        ring=shots.ring[rows].astype(np.uint8),
        time_s=(shots.time_s[rows] - timestamp_s).astype(np.float32),
        world_s=np.full(len(rows), world_s),
        surface_m=origins_m + along * true_m[:, None],
        semantic=world.per_triangle("semantic", triangle, Semantic.DROPLETS).astype(np.uint8),
        instance=world.per_triangle("instance", triangle, 0).astype(np.int32),
    )


def _joined(parts: list[Scan]) -> Scan:
    return Scan(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Scan)))
