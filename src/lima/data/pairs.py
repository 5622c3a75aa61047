"""Which pixel of which camera shows which point: LiDAR, world, camera, each at its own instant."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from lima.data.occlusion import hidden_points
from lima.scene import Frame


@dataclass(frozen=True, eq=False)
class PointPixelPairs:
    """Where every point of a sweep appears in every camera of its frame.

    uv: position in the image as a fraction of its width and height, (0, 0) the outer corner of the first pixel and
    (1, 1) the outer corner of the last, so that it holds for any size the image is resampled to. Where `visible` is
    false it has no meaning. visible: in front of the camera, inside the image and, where that was tested, not hidden.
    """

    uv: Float32[Tensor, "cams points 2"]
    visible: Bool[Tensor, "cams points"]


def pairs_from_frame(frame: Frame, occlusion_test: bool = False) -> PointPixelPairs:
    """Project the sweep into every camera, in the order of `frame.images`.

    The vehicle moves between the LiDAR's turn and a camera's shutter, so every point goes to the world with the pose
    of the LiDAR and from there to the camera with the pose of the camera (section 4.1 of the paper). Things that move
    by themselves are projected to where they were when the LiDAR saw them.

    occlusion_test: also leave out the points that clearly nearer points of the same sweep cover in the image.
    """
    coordinates = (
        frame.sweep.points_lidar.double().T.contiguous()
    )  # x, y and z each in one piece: quick to compute with
    points = coordinates.shape[1]
    uv = torch.zeros(len(frame.images), points, 2)
    visible = torch.zeros(len(frame.images), points, dtype=torch.bool)
    for cam, image in enumerate(frame.images):
        cam_from_lidar = image.world_from_cam.inverse() @ frame.sweep.world_from_lidar
        points_cam = cam_from_lidar.apply(coordinates.T).float()
        uv_px, depth_m = image.camera.project(points_cam)
        size_px = torch.tensor([image.camera.width_px, image.camera.height_px])
        torch.div(uv_px + 0.5, size_px, out=uv[cam])
        inside = image.camera.sees(uv_px, depth_m)
        visible[cam] = inside
        if occlusion_test:
            visible[cam, inside] = ~hidden_points(points_cam[inside])
    return PointPixelPairs(uv, visible)
