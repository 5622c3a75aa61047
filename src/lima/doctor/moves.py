"""Small errors of calibration and clocks, as what they do to points before a camera."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float64
from torch import Tensor

from lima.doctor.evidence import Evidence


def camera_moves(evidence: Evidence, offset: Float64[Tensor, "6"]) -> Float64[Tensor, "frames 4 4"]:
    """The camera is mounted otherwise. offset: degrees about its axes (right, down, forward), metres along them."""
    return rigid(offset[:3], offset[3:]).expand(evidence.frames, 4, 4)


def lidar_moves(evidence: Evidence, offset: Float64[Tensor, "6"], lidar_m: Float64[Tensor, "3"]) -> Tensor:
    """The LiDAR is mounted otherwise, which all cameras see. offset: degrees about the vehicle's axes (forward, left,
    up) through the LiDAR, which is at `lidar_m`, and metres along them."""
    move = rigid(offset[:3], offset[3:])
    move[:3, 3] += lidar_m - move[:3, :3] @ lidar_m
    return evidence.cam_from_ego @ move @ torch.linalg.inv(evidence.cam_from_ego)


def time_moves(evidence: Evidence, late_s: Float64[Tensor, "1"]) -> Float64[Tensor, "frames 4 4"]:
    """The images were taken so much later than they say: the camera has moved on since then."""
    turns = turned(evidence.turn_radps * late_s)
    moves = torch.eye(4, dtype=torch.float64).repeat(evidence.frames, 1, 1)
    moves[:, :3, :3] = turns.mT
    moves[:, :3, 3] = -(turns.mT @ (evidence.velocity_mps * late_s)[:, :, None])[:, :, 0]
    return moves


def rigid(turn_deg: Float64[Tensor, "3"], move_m: Float64[Tensor, "3"]) -> Float64[Tensor, "4 4"]:
    """A turn about an axis by its length, then a move."""
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, :3] = turned(turn_deg * math.radians(1))
    matrix[:3, 3] = move_m
    return matrix


def turned(axes_rad: Float64[Tensor, "*n 3"]) -> Float64[Tensor, "*n 3 3"]:
    """Rotations about axes by their lengths."""
    x, y, z = axes_rad.unbind(dim=-1)
    zero = torch.zeros_like(x)
    rows = [torch.stack(row, dim=-1) for row in ((zero, -z, y), (z, zero, -x), (-y, x, zero))]
    return torch.matrix_exp(torch.stack(rows, dim=-2))


def turn_rad(rotation: Float64[Tensor, "3 3"]) -> Float64[Tensor, "3"]:
    """The axis of a rotation, as long as its angle: what `turned` undoes, up to half a turn."""
    axis = torch.stack([
        rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]
    ])  # fmt: skip
    sine = float(axis.norm()) / 2
    angle = math.atan2(sine, (float(rotation.trace()) - 1) / 2)
    return axis / 2 if sine < 1e-9 else axis * (angle / (2 * sine))
