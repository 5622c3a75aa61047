"""What one camera's frames tell about its place: the LiDAR's outlines in front of it, and its images' edges."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float16, Float32, Float64, Int64
from torch import Tensor

from lima.data.occlusion import hidden_points
from lima.doctor.depth_edges import DepthEdges
from lima.doctor.edge_map import blurred
from lima.geometry.camera import MIN_DEPTH_M, PinholeCamera
from lima.scene import CameraImage, Sweep

CLUTTER = 1.0  # an edge of usual strength counts as much as this
COARSEST_PX = 4.0  # of a blur: maps are halved until it is no wider


@dataclass(frozen=True, eq=False)
class Evidence:
    """Outlines and edges of all frames of a camera.

    camera: of the edge maps. stretches_cam: see `DepthEdges`, as calibration and poses place them before the camera.
    frame: which map every outline belongs to. maps: of the images, one after another. cam_from_ego: of every frame; the
    vehicle where it was when the sweep was taken. place: of every frame, a number that stays the same as long as the
    vehicle hardly moves. velocity_mps, turn_radps: how the camera moved, in its own axes; zero
    where that is not known.
    """

    name: str
    camera: PinholeCamera
    stretches_cam: Float32[Tensor, "edges samples 3"]
    frame: Int64[Tensor, "edges"]
    maps: Float16[Tensor, "frames 2 rows columns"]
    cam_from_ego: Float64[Tensor, "frames 4 4"]
    place: Int64[Tensor, "frames"]
    velocity_mps: Float64[Tensor, "frames 3"]
    turn_radps: Float64[Tensor, "frames 3"]

    @property
    def frames(self) -> int:
        return len(self.maps)

    def moved(self, moves: Float64[Tensor, "frames 4 4"]) -> Evidence:
        """The same with the outlines of every frame elsewhere, in the camera's axes."""
        move = moves.float()[self.frame]
        stretches = self.stretches_cam @ move[:, :3, :3].mT + move[:, None, :3, 3]
        return replace(self, stretches_cam=stretches)

    def some(self, most: int) -> Evidence:
        """The same with at most so many outlines, taken evenly."""
        return self.only(torch.arange(0, len(self.frame), max(1, -(-len(self.frame) // most))))

    def only(self, outlines: Int64[Tensor, "some"]) -> Evidence:
        """The same with some of the outlines."""
        return replace(self, stretches_cam=self.stretches_cam[outlines], frame=self.frame[outlines])


def outlines_before(
    image: CameraImage, sweep: Sweep, edges: DepthEdges, visible: Bool[Tensor, "points"]
) -> Float32[Tensor, "seen samples 3"]:
    """The outlines that lie wholly in the image, in the camera's axes, of things that nothing hides from it.

    visible: which of the sweep's points project into the image.
    """
    cam_from_lidar = image.world_from_cam.inverse() @ sweep.world_from_lidar
    seen = visible.clone()
    seen[visible] = ~hidden_points(cam_from_lidar.apply(sweep.points_lidar[visible].double()).float())
    stretches_cam = cam_from_lidar.apply(edges.stretches_lidar[seen[edges.point]].double()).float()
    uv_px, depth_m = image.camera.project(stretches_cam.reshape(-1, 3))
    inside = image.camera.sees(uv_px, depth_m).reshape(stretches_cam.shape[:2]).all(dim=1)
    return stretches_cam[inside]


@dataclass(frozen=True, eq=False)
class Likeness:
    """Says how well outlines lie on edges, blurred so that they may miss each other by about `blur_deg`."""

    evidence: Evidence
    camera: PinholeCamera
    maps: Float32[Tensor, "cells"]
    across: Float32[Tensor, "edges 1"]

    @staticmethod
    def of(evidence: Evidence, blur_deg: float) -> Likeness:
        """Coarse blurs make do with coarse maps."""
        camera, maps = evidence.camera, evidence.maps.float()
        blur_px = blur_deg * camera.fx_px * math.radians(1)
        while blur_px > COARSEST_PX:
            maps, camera = F.avg_pool2d(maps, 2), _halved(camera)
            blur_px /= 2
        ends = project(camera, evidence.stretches_cam[:, [0, -1]])
        direction = (ends[:, 1] - ends[:, 0]).square()
        across = direction[:, :1] / direction.sum(dim=1, keepdim=True).clamp(min=1e-9)
        return Likeness(evidence, camera, blurred(maps, blur_px).reshape(-1), across)

    def __call__(self, moves: Float64[Tensor, "frames 4 4"]) -> Float32[Tensor, "edges"]:
        """For every outline, the logarithm of clutter plus the mean strength of edges along its stretch.

        moves: what is done to the outlines of every frame, in the camera's axes.
        """
        uv = project(self.camera, self.evidence.moved(moves).stretches_cam)
        width, height = self.camera.width_px, self.camera.height_px
        u, v = uv[..., 0].clamp(0, width - 1.001), uv[..., 1].clamp(0, height - 1.001)
        left, top = u.floor(), v.floor()
        shares = u - left, v - top
        cell = (self.evidence.frame * (2 * width * height))[:, None] + (top * width + left).long()
        upright = self._read(cell, *shares, width)
        lying = self._read(cell + width * height, *shares, width)
        return torch.log(CLUTTER + torch.lerp(lying, upright, self.across).mean(dim=1))

    def _read(self, cell: Tensor, right_share: Tensor, low_share: Tensor, width: int) -> Tensor:
        """The maps between four pixels' centres."""
        maps = self.maps
        upper = torch.lerp(maps[cell], maps[cell + 1], right_share)
        lower = torch.lerp(maps[cell + width], maps[cell + width + 1], right_share)
        return torch.lerp(upper, lower, low_share)


def _halved(camera: PinholeCamera) -> PinholeCamera:
    """Of pixels twice as wide; a last odd row or column is given up."""
    return PinholeCamera(
        fx_px=camera.fx_px / 2,
        fy_px=camera.fy_px / 2,
        cx_px=(camera.cx_px + 0.5) / 2 - 0.5,
        cy_px=(camera.cy_px + 0.5) / 2 - 0.5,
        width_px=camera.width_px // 2,
        height_px=camera.height_px // 2,
    )


def project(camera: PinholeCamera, points_cam: Float32[Tensor, "*axes 3"]) -> Float32[Tensor, "*axes 2"]:
    """As the camera does, for any number of axes."""
    depth_m = points_cam[..., 2].clamp(min=MIN_DEPTH_M)
    u = points_cam[..., 0] / depth_m * camera.fx_px + camera.cx_px
    v = points_cam[..., 1] / depth_m * camera.fy_px + camera.cy_px
    return torch.stack([u, v], dim=-1)
