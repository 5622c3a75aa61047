"""A picture: rays through the pixels' centres, more of them where neighbouring pixels differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streetsim.raycast import Hits, Rays, World
from streetsim.rigs import CameraMount
from streetsim.scene import Scene
from streetsim.shading.environment import EXPOSURE, SUN_DIRECTION, SUN_RADIUS
from streetsim.shading.film import develop, find_edges
from streetsim.shading.light import AMBIENT_REACH_M, SHADOW_REACH_M, ambient_rays, smooth, sun_rays
from streetsim.shading.radiance import radiance
from streetsim.surfaces import SurfacePoints, surfaces_at
from streetsim.visible import pixels_with_motion, primary_rays, within_wedge

# where the extra rays pass, in pixels from the centre: a rotated grid, whose first two already balance
_EXTRA_SAMPLES = np.array(
    [
        (-0.125, -0.375),
        (0.125, 0.375),
        (-0.375, 0.125),
        (0.375, -0.125),
        (-0.3125, -0.1875),
        (0.3125, 0.1875),
        (0.1875, -0.3125),
        (-0.1875, 0.3125),
    ]
)
MOST_SAMPLES = len(_EXTRA_SAMPLES)
_LARGE_SUN = 0.05
_VIGNETTE = 0.35


@dataclass(frozen=True, eq=False)
class Picture:
    """One image and the exact answers that belong to it.

    pixels: uint8 (height, width, 3). triangle: int32 (height, width), met by the ray through the pixel's centre, -1 for
    the sky. depth_m: float32 (height, width), along the optical axis, 0 for the sky.
    """

    pixels: NDArray[np.uint8]
    triangle: NDArray[np.int32]
    depth_m: NDArray[np.float32]


def world_seen_from(scene: Scene, mount: CameraMount, time_s: float) -> World:
    """The world at one time, with the moving things that the camera may see, or whose shadows it may see."""
    world_from_cam = scene.scenario.ego_pose(time_s) @ mount.ego_from_cam()
    axis = world_from_cam[:3, 2]
    to_sun = scene.weather[SUN_DIRECTION : SUN_DIRECTION + 3]
    shadow_m = 4.0 * float(np.hypot(to_sun[0], to_sun[1]) / max(to_sun[2], 0.05))
    # the corners of the image lie farther from a tilted axis than its middle; three degrees are plenty
    half_rad = np.radians(mount.horizontal_fov_deg / 2 + 3)
    heading_rad = float(np.arctan2(axis[1], axis[0]))
    margin_m = max(AMBIENT_REACH_M, min(shadow_m, 60.0))
    moving = within_wedge(scene.scenario.dynamic_mesh(time_s), world_from_cam[:2, 3], heading_rad, half_rad, margin_m)
    return World(scene.standing, moving)


def pixel_rays(
    mount: CameraMount, world_from_cam: NDArray[np.float64], pixels: NDArray[np.int64], offset_px: NDArray[np.float64]
) -> tuple[Rays, Rays]:
    """Origins and unit directions in the world of the rays through pixels, by their number in reading order."""
    rays = len(pixels)
    origins, directions = np.empty((rays, 3), np.float32), np.empty((rays, 3), np.float32)
    primary_rays(
        pixels, mount.width_px, offset_px[0], offset_px[1], mount.intrinsics(), world_from_cam, origins, directions
    )
    return origins, directions


def take_picture(
    scene: Scene, world: World, mount: CameraMount, time_s: float, samples_per_pixel: int, seed: int
) -> Picture:
    """The picture a camera takes at `time_s`, from where it is then.

    Args:
        world: at that time, see `world_seen_from`.
        samples_per_pixel: extra rays where neighbouring pixels differ, 0 … 8.
        seed: of the sensor's noise.
    """
    world_from_cam = scene.scenario.ego_pose(time_s) @ mount.ego_from_cam()
    exposure, white_balance = _sensor_character(mount.name)
    exposure *= float(scene.weather[EXPOSURE])
    tracer = _Tracer(scene, world, mount, world_from_cam, seed)
    width, height = mount.width_px, mount.height_px
    every = np.arange(width * height)

    hits, points, directions = tracer.trace(every, np.zeros(2))
    sun = tracer.sunlight(every, 0, hits, points, directions)
    open_sky = tracer.open_sky(every, hits, points, directions)
    ambient, soft_sun, is_soft = np.empty_like(open_sky), np.empty_like(sun), np.empty(width * height, np.bool_)
    large_sun = bool(scene.weather[SUN_RADIUS] > _LARGE_SUN)
    smooth(
        open_sky, sun, large_sun, hits.distance_m, points.normals, points.material, width, height,
        ambient, soft_sun, is_soft,
    )  # fmt: skip
    light = tracer.light(hits, points, directions, soft_sun, ambient)

    if samples_per_pixel > 0:
        edges = np.empty(width * height, np.bool_)
        find_edges(
            light, hits.distance_m, points.normals, points.material, points.object_row, width, height, exposure, edges
        )
        chosen = np.flatnonzero(edges)
        for sample in range(samples_per_pixel if len(chosen) else 0):
            more_hits, more_points, more_directions = tracer.trace(chosen, _EXTRA_SAMPLES[sample])
            more_sun = soft_sun[chosen]
            if not large_sun:
                sharp = tracer.sunlight(chosen, sample + 1, more_hits, more_points, more_directions)
                more_sun = np.where(is_soft[chosen], more_sun, sharp)
            light[chosen] += tracer.light(more_hits, more_points, more_directions, more_sun, ambient[chosen])
        light[chosen] /= samples_per_pixel + 1

    image = np.empty((height, width, 3), np.uint8)
    noise = 0.012 if scene.weather[EXPOSURE] < 1.5 else 0.03
    develop(light, width, height, exposure, white_balance, noise, _VIGNETTE, seed, image)
    along_axis = hits.distance_m * (directions @ world_from_cam[:3, 2].astype(np.float32))
    depth_m = np.where(hits.triangle >= 0, along_axis, np.float32(0)).astype(np.float32)
    return Picture(image, hits.triangle.reshape(height, width), depth_m.reshape(height, width))


def _sensor_character(name: str) -> tuple[float, NDArray[np.float64]]:
    """Exposure and white balance differ a little from camera to camera, always in the same way."""
    rng = np.random.default_rng(sum(map(ord, name)))
    white_balance = 1 + rng.uniform(-0.025, 0.025, 3)
    return 1 + float(rng.uniform(-0.06, 0.06)), white_balance


class _Tracer:
    """One camera in one world: from pixels to light."""

    def __init__(
        self, scene: Scene, world: World, mount: CameraMount, world_from_cam: NDArray[np.float64], seed: int
    ) -> None:
        self.scene, self.world, self.mount, self.world_from_cam, self.seed = scene, world, mount, world_from_cam, seed
        cam_from_world: NDArray[np.float64] = np.asarray(np.linalg.inv(world_from_cam))
        self.motion = pixels_with_motion(
            world.moving_mesh, cam_from_world, mount.intrinsics(), mount.width_px, mount.height_px
        )
        self.pixel_rad = 1.2 / mount.intrinsics()[0, 0]

    def trace(self, pixels: NDArray[np.int64], offset_px: NDArray[np.float64]) -> tuple[Hits, SurfacePoints, Rays]:
        """What the rays through these pixels meet, and the directions of the rays."""
        origins, directions = pixel_rays(self.mount, self.world_from_cam, pixels, offset_px)
        hits = self.world.nearest(origins, directions, np.flatnonzero(self.motion[pixels]))
        return hits, surfaces_at(self.world, hits, directions), directions

    def sunlight(
        self, pixels: NDArray[np.int64], sample: int, hits: Hits, points: SurfacePoints, directions: Rays
    ) -> NDArray[np.float32]:
        """1 where the sun reaches what the rays have met, else 0."""
        rays = len(pixels)
        origins = np.ascontiguousarray(np.broadcast_to(self.world_from_cam[:3, 3], (rays, 3)), dtype=np.float32)
        starts, towards = np.empty((rays, 3), np.float32), np.empty((rays, 3), np.float32)
        owner = np.empty(rays, np.int64)
        count = sun_rays(
            pixels, self.mount.width_px, sample, origins, directions, hits.distance_m, points.normals,
            points.face_normals, points.material, self.scene.weather, starts, towards, owner,
        )  # fmt: skip
        sun = np.zeros(rays, np.float32)
        if count:
            sun[owner[:count]] = ~self.world.blocked(starts[:count], towards[:count], SHADOW_REACH_M)
        return sun

    def open_sky(
        self, pixels: NDArray[np.int64], hits: Hits, points: SurfacePoints, directions: Rays
    ) -> NDArray[np.float32]:
        """1 where one ray into the hemisphere is free, 0 where it is blocked close by."""
        rays = len(pixels)
        origins = np.ascontiguousarray(np.broadcast_to(self.world_from_cam[:3, 3], (rays, 3)), dtype=np.float32)
        starts, towards = np.empty((rays, 3), np.float32), np.empty((rays, 3), np.float32)
        owner = np.empty(rays, np.int64)
        count = ambient_rays(
            pixels, self.mount.width_px, self.seed, origins, directions, hits.distance_m, points.normals,
            points.face_normals, points.material, starts, towards, owner,
        )  # fmt: skip
        free = np.ones(rays, np.float32)
        if count:
            free[owner[:count]] = ~self.world.blocked(starts[:count], towards[:count], AMBIENT_REACH_M)
        return free

    def light(
        self,
        hits: Hits,
        points: SurfacePoints,
        directions: Rays,
        sun: NDArray[np.float32],
        ambient: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Linear light along the rays, (rays, 3)."""
        scene = self.scene
        out = np.empty((len(directions), 3), np.float32)
        radiance(
            hits.triangle, hits.distance_m, directions, points.normals, points.local, points.material,
            points.object_row, sun, ambient, scene.object_parameters, scene.vertical_streets,
            scene.horizontal_streets, scene.road_style, scene.weather, self.pixel_rad, out,
        )  # fmt: skip
        return out
