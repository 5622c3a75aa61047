"""What is noted of every frame: small numbers, from which the checks are made once a drive has been read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from jaxtyping import Bool, UInt8
from torch import Tensor

from lima.geometry.rigid import RigidTransform
from lima.scene import CameraImage, Sweep

AT_SENSOR_M = 0.1
VEHICLE_M = 2.5  # nearer points lie on the vehicle, which some sensors tell as many equal ones
FEW_POINTS = 50  # of a beam: fewer say little about where it looks


@dataclass(frozen=True, eq=False)
class SweepFacts:
    """at_sensor, repeated: shares of points within `AT_SENSOR_M`, and of those beyond `VEHICLE_M` that another equals.

    range_m: nearest point beyond the vehicle, median, farthest. rings: how many beams have points; None where the
    sensor does not tell. rings_rise: whether higher numbers look higher up.
    """

    timestamp_ns: int
    world_from_ego: RigidTransform
    ego_from_lidar: RigidTransform
    points: int
    at_sensor: float
    repeated: float
    range_m: tuple[float, float, float]
    intensity: tuple[float, float, float]
    rings: int | None
    rings_rise: bool
    digest: bytes


@dataclass(frozen=True, eq=False)
class ImageFacts:
    """seen: share of the sweep's points that project into the image. spread: standard deviation of its grey values."""

    camera: str
    timestamp_ns: int
    world_from_ego: RigidTransform
    ego_from_cam: RigidTransform
    size_px: tuple[int, int]
    seen: float
    spread: float
    digest: bytes


@dataclass(frozen=True, eq=False)
class FrameFacts:
    """index: in the drive. cameras: that have an image, readable or not. seen_by: shares of points in no image, in one,
    in two or more."""

    index: int
    cameras: tuple[str, ...]
    sweep: SweepFacts
    images: tuple[ImageFacts, ...]
    seen_by: tuple[float, float, float]


def sweep_facts(sweep: Sweep) -> SweepFacts:
    """Everything that is noted of a sweep."""
    points = sweep.points_lidar
    distance_m = points.norm(dim=1)
    outside = distance_m > VEHICLE_M
    beyond = distance_m[outside] if bool(outside.any()) else distance_m
    return SweepFacts(
        timestamp_ns=sweep.timestamp_ns,
        world_from_ego=sweep.world_from_ego,
        ego_from_lidar=sweep.ego_from_lidar,
        points=len(points),
        at_sensor=float((distance_m < AT_SENSOR_M).float().mean()),
        repeated=_repeated(points[outside]),
        range_m=_low_middle_high(beyond),
        intensity=_low_middle_high(sweep.intensity),
        rings=None if sweep.ring is None else len(torch.unique(sweep.ring)),
        rings_rise=rings_rise(sweep),
        digest=hashlib.sha256(points.contiguous().numpy().tobytes()).digest(),
    )


def image_facts(
    image: CameraImage, pixels: UInt8[Tensor, "3 height width"], visible: Bool[Tensor, "points"]
) -> ImageFacts:
    """Everything that is noted of an image. visible: which of the sweep's points project into it."""
    return ImageFacts(
        camera=image.name,
        timestamp_ns=image.timestamp_ns,
        world_from_ego=image.world_from_ego,
        ego_from_cam=image.ego_from_cam,
        size_px=(image.camera.width_px, image.camera.height_px),
        seen=float(visible.float().mean()),
        spread=float(pixels[:, ::4, ::4].float().mean(dim=0).std(correction=0)),
        digest=hashlib.sha256(pixels.contiguous().numpy().tobytes()).digest(),
    )


def seen_by(visible: Bool[Tensor, "cams points"]) -> tuple[float, float, float]:
    """Shares of points that none, one and several of the cameras see."""
    cameras = visible.sum(dim=0)
    none, one = float((cameras == 0).float().mean()), float((cameras == 1).float().mean())
    return none, one, max(0.0, 1 - none - one)


def _repeated(points: Tensor) -> float:
    if len(points) == 0:
        return 0.0
    return 1 - len(torch.unique(points, dim=0)) / len(points)


def _low_middle_high(values: Tensor) -> tuple[float, float, float]:
    return float(values.min()), float(values.median()), float(values.max())


def rings_rise(sweep: Sweep) -> bool:
    """Whether beams look higher the higher their number, those with enough points beyond the vehicle."""
    if sweep.ring is None:
        return True
    points = sweep.points_lidar
    outside = points.norm(dim=1) > VEHICLE_M
    elevation = torch.atan2(points[outside, 2], points[outside, :2].norm(dim=1))
    _, ring, counts = torch.unique(sweep.ring[outside], return_inverse=True, return_counts=True)
    total = torch.zeros(len(counts)).index_add_(0, ring, elevation)
    means = (total / counts)[counts >= FEW_POINTS]
    return bool((means.diff() > -0.005).all())
