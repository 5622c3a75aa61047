"""Pictures of a frame: points and outlines laid over its images, and two sweeps laid over each other."""

from __future__ import annotations

import math

import torch
from PIL import Image, ImageDraw

from lima.data.pairs import pairs_from_frame
from lima.doctor.depth_edges import depth_edges
from lima.doctor.evidence import outlines_before, project
from lima.evaluate.colouring import scale_colours
from lima.evaluate.page import Picture
from lima.evaluate.pictures import PAPER, SUPERSAMPLING, birds_eye, faded, paint_points, photograph
from lima.scene import Frame

NEAR_M, FAR_M = 3.0, 60.0
DISC_SHARE, MANY_POINTS = 1 / 300, 4000  # of the picture's width; more points have smaller discs
OUTLINE = (255, 205, 40)
EARLIER_RGB, LATER_RGB = (31, 119, 180), (224, 108, 20)
ABOVE_M = 40.0


def points_on_images(frame: Frame, width_px: int) -> list[Picture]:
    """Every camera's image with the points that project into it, coloured by distance: dark is near."""
    pairs = pairs_from_frame(frame, occlusion_test=True)
    pictures = []
    for image, uv, visible in zip(frame.images, pairs.uv, pairs.visible, strict=True):
        cam_from_lidar = image.world_from_cam.inverse() @ frame.sweep.world_from_lidar
        distance_m = cam_from_lidar.apply(frame.sweep.points_lidar[visible].double()).norm(dim=1).float()
        colours = scale_colours(distance_m.clamp(min=NEAR_M).log(), math.log(NEAR_M), math.log(FAR_M))
        ground = faded(photograph(image.read_pixels(), width_px), 0.85, 0.1)
        radius_px = width_px * min(DISC_SHARE, DISC_SHARE * (MANY_POINTS / max(len(distance_m), 1)) ** 0.5)
        pictures.append(Picture(image.name, paint_points(ground, uv[visible], distance_m, colours, radius_px)))
    return pictures


def outlines_on_images(frame: Frame, width_px: int) -> list[Picture]:
    """Every camera's image with the stretches between beams in which the outline of a thing must lie."""
    edges = depth_edges(frame.sweep)
    visible = pairs_from_frame(frame).visible
    pictures = []
    for image, in_image in zip(frame.images, visible, strict=True):
        ends = outlines_before(image, frame.sweep, edges, in_image)[:, [0, -1]]
        ground = faded(photograph(image.read_pixels(), width_px), 0.8, 0.2)
        canvas = ground.resize((ground.width * SUPERSAMPLING, ground.height * SUPERSAMPLING), Image.Resampling.BILINEAR)
        scale = canvas.width / image.camera.width_px
        draw = ImageDraw.Draw(canvas)
        for (from_u, from_v), (to_u, to_v) in ((project(image.camera, ends) + 0.5) * scale).tolist():
            draw.line([from_u, from_v, to_u, to_v], fill=OUTLINE, width=SUPERSAMPLING + 1)
        pictures.append(Picture(image.name, canvas.resize(ground.size, Image.Resampling.BOX)))
    return pictures


def sweeps_together(earlier: Frame, later: Frame) -> Picture:
    """Two sweeps from above, where the poses put them, in the axes of the later vehicle."""
    ego_from_world = later.sweep.world_from_ego.inverse()
    points, colours = [], []
    for frame, colour in ((earlier, EARLIER_RGB), (later, LATER_RGB)):
        ego_from_lidar = ego_from_world @ frame.sweep.world_from_lidar
        raised = ego_from_lidar.apply(frame.sweep.points_lidar.double()).float()
        raised = raised[raised[:, 2] > 0.5]  # the ground would cover what stands on it
        points.append(raised)
        colours.append(torch.tensor(colour, dtype=torch.uint8).expand(len(raised), 3))
    words = f"{later.sequence}: frames {earlier.index} (blue) and {later.index} (orange)"
    picture = birds_eye(torch.cat(points), torch.cat(colours), ABOVE_M, 640, 0.9, ground=PAPER)
    return Picture(words, picture)
