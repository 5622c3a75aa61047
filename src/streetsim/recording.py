"""One drive, keyframe by keyframe: everything that a writer of files needs, whatever the format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streetsim.camera import Picture, take_picture, world_seen_from
from streetsim.exact import CameraAnswers, camera_answers, carried, in_view, thing_poses, unhidden
from streetsim.lidar import Scan, take_scan
from streetsim.mesh import Mesh
from streetsim.raycast import World
from streetsim.rigs import CameraMount, Rig
from streetsim.scenario import ThingBox, build_scenario
from streetsim.scene import Scene

ANNOTATED_M = 75.0
_SURFACE_SAMPLES = 24  # per thing, to tell how much of it the cameras see
_SEEN_WITHOUT_POINTS_M = 50.0  # things that no beam hits are annotated if this near and seen


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture with its time and the exact answers that belong to it."""

    mount: CameraMount
    time_s: float
    picture: Picture
    answers: CameraAnswers


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A picture with its time, of a moment between keyframes that nobody annotates."""

    mount: CameraMount
    time_s: float
    picture: Picture


@dataclass(frozen=True, eq=False)
class Annotation:
    """A box, and the share of its surface that the cameras see (0 … 1).

    points: inside it; echoes of the air do not count.
    """

    box: ThingBox
    points: int
    visible_share: float


@dataclass(frozen=True, eq=False)
class Keyframe:
    """All that is recorded at one instant.

    flow_m: float64 (points, 3), how far the surface of each point moves in the world until the next keyframe's
    timestamp. moving: bool (points,), whether its thing moves now.
    """

    index: int
    time_s: float
    scan: Scan
    shots: tuple[Shot, ...]
    annotations: tuple[Annotation, ...]
    flow_m: NDArray[np.float64]
    moving: NDArray[np.bool_]


class Recording:
    """A drive through one town; iterating over it takes the pictures and scans.

    identity: of the drive, a text that no drive of other settings has.
    """

    def __init__(
        self, rig: Rig, town: str, weather: str, seed: int, keyframes: int, sweeps: int, samples_per_pixel: int
    ) -> None:
        self.rig, self.seed, self.keyframes, self.sweeps = rig, seed, keyframes, sweeps
        self.samples_per_pixel = samples_per_pixel
        self.identity = repr((rig, town, weather, seed, keyframes, sweeps, samples_per_pixel))
        self.interval_s = 1.0 / rig.keyframes_per_s
        # a little longer than the last keyframe: its scene flow looks one interval ahead
        self.scenario = build_scenario(town, weather, seed, (keyframes + 1) * self.interval_s)
        self.scene = Scene.of(self.scenario)
        self._standing_surface = _surface_samples(self.scenario.static)

    def time_s(self, index: int) -> float:
        """Of a keyframe, from the start of the drive."""
        return index * self.interval_s

    def between(self, index: int) -> Iterator[tuple[float, Scan]]:
        """The sweeps between keyframe `index` - 1 and keyframe `index`, with their times."""
        for number in range(self.sweeps if index > 0 else 0):
            time_s = self.time_s(index) - self.interval_s * (1 - (number + 1) / (self.sweeps + 1))
            rng = np.random.default_rng([self.seed, index, number + 1])
            yield time_s, take_scan(self.scene, self.rig.lidar, time_s, rng)

    def snapshots(self, time_s: float) -> Iterator[Snapshot]:
        """What every camera sees around the sweep of that time."""
        for mount in self.rig.cameras:
            camera_s = time_s + mount.trigger_s
            world = world_seen_from(self.scene, mount, camera_s)
            seed = self.seed * 1000 + round(camera_s * 1e6)
            yield Snapshot(
                mount, camera_s, take_picture(self.scene, world, mount, camera_s, self.samples_per_pixel, seed)
            )

    def keyframe(self, index: int) -> Keyframe:
        """Take everything at one instant."""
        time_s = self.time_s(index)
        scan = take_scan(self.scene, self.rig.lidar, time_s, np.random.default_rng([self.seed, index, 0]))
        boxes = self.scenario.boxes(time_s)
        near = self._near(boxes, time_s)
        poses = {world_s: thing_poses(self.scenario.boxes(float(world_s))) for world_s in np.unique(scan.world_s)}
        shots = []
        samples: dict[int, list[int]] = {box.instance: [0, 0] for box in near}
        for mount in self.rig.cameras:
            camera_s = time_s + mount.trigger_s
            world = world_seen_from(self.scene, mount, camera_s)
            picture = take_picture(self.scene, world, mount, camera_s, self.samples_per_pixel, self.seed * 1000 + index)
            world_from_cam = self.scenario.ego_pose(camera_s) @ mount.ego_from_cam()
            surface_m = self._carried(scan, poses, thing_poses(self.scenario.boxes(camera_s)))
            answers = camera_answers(world, mount, world_from_cam, picture, surface_m, scan)
            shots.append(Shot(mount, camera_s, picture, answers))
            self._count_visible(world, mount, world_from_cam, samples)
        return Keyframe(
            index=index,
            time_s=time_s,
            scan=scan,
            shots=tuple(shots),
            annotations=tuple(self._annotations(near, samples, scan, time_s)),
            flow_m=self._carried(scan, poses, thing_poses(self.scenario.boxes(time_s + self.interval_s)))
            - scan.surface_m,
            moving=np.isin(scan.instance, [box.instance for box in boxes if np.hypot(*box.velocity_mps[:2]) > 0.3]),
        )

    def _near(self, boxes: list[ThingBox], time_s: float) -> list[ThingBox]:
        ego_m = self.scenario.ego_pose(time_s)[:2, 3]
        return [box for box in boxes if np.hypot(*(box.centre_m[:2] - ego_m)) < ANNOTATED_M]

    @staticmethod
    def _carried(
        scan: Scan, poses: dict[float, dict[int, NDArray[np.float64]]], after: dict[int, NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        """The scan's surface points where they are at another time; every point starts at its own."""
        moved = scan.surface_m.copy()
        for world_s, before in poses.items():
            rows = np.flatnonzero((scan.world_s == world_s) & (scan.instance > 0))
            moved[rows] = carried(scan.surface_m[rows], scan.instance[rows], before, after)
        return moved

    def _count_visible(
        self,
        world: World,
        mount: CameraMount,
        world_from_cam: NDArray[np.float64],
        samples: dict[int, list[int]],
    ) -> None:
        """Add to every thing how many samples of its surface lie in view, and how many of those are seen."""
        moving = _surface_samples(world.moving_mesh)
        points_m = np.concatenate([self._standing_surface[0], moving[0]])
        instance = np.concatenate([self._standing_surface[1], moving[1]])
        rows = np.flatnonzero(np.linalg.norm(points_m[:, :2] - world_from_cam[:2, 3], axis=1) < ANNOTATED_M + 10)
        rows = rows[in_view(points_m[rows], mount, world_from_cam) & np.isin(instance[rows], list(samples))]
        seen = unhidden(world, world_from_cam[:3, 3], points_m[rows], instance[rows])
        for thing in np.unique(instance[rows]):
            own = instance[rows] == thing
            samples[int(thing)][0] += int(own.sum())
            samples[int(thing)][1] += int(seen[own].sum())

    def _annotations(
        self, near: list[ThingBox], samples: dict[int, list[int]], scan: Scan, time_s: float
    ) -> Iterator[Annotation]:
        """The boxes that an annotator would draw: something of them has been measured or is seen."""
        world_from_lidar = self.scenario.ego_pose(time_s) @ self.rig.lidar.ego_from_lidar()
        ego_m = self.scenario.ego_pose(time_s)[:2, 3]
        points_lidar = scan.points_lidar[scan.on_surface].astype(np.float64)
        points_world = points_lidar @ world_from_lidar[:3, :3].T + world_from_lidar[:3, 3]
        for box in near:
            points = int(_inside(points_world, box).sum())
            in_sight, seen = samples[box.instance]
            share = seen / in_sight if in_sight else 0.0
            if points > 0 or (share >= 0.15 and np.hypot(*(box.centre_m[:2] - ego_m)) < _SEEN_WITHOUT_POINTS_M):
                yield Annotation(box, points, share)


def _inside(points_m: NDArray[np.float64], box: ThingBox) -> NDArray[np.bool_]:
    """Which world points lie in a box, faces included."""
    reach_m = float(np.linalg.norm(box.size_m)) / 2
    x, y = points_m[:, 0] - box.centre_m[0], points_m[:, 1] - box.centre_m[1]
    close = np.flatnonzero(x * x + y * y <= reach_m * reach_m)
    inside = np.zeros(len(points_m), np.bool_)
    local = (points_m[close] - box.centre_m) @ box.rotation
    inside[close] = (np.abs(local) <= box.size_m / 2).all(axis=1)
    return inside


def _surface_samples(mesh: Mesh) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Middles of some triangles of every annotated thing, and the things that they belong to."""
    rows = np.flatnonzero(mesh.instance > 0)
    order = rows[np.argsort(mesh.instance[rows], kind="stable")]
    instance = mesh.instance[order]
    _, first, count = np.unique(instance, return_index=True, return_counts=True)
    position = np.arange(len(order)) - np.repeat(first, count)
    stride = np.repeat(np.maximum(1, -(-count // _SURFACE_SAMPLES)), count)
    chosen = order[position % stride == 0]
    middles = mesh.vertices_m[mesh.triangles[chosen]].mean(axis=1, dtype=np.float64)
    return middles.reshape(-1, 3), mesh.instance[chosen]
