"""Invented drives and teachers for the tests: pictures from a seed, and a teacher whose features are known by hand."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from lima.geometry.camera import PinholeCamera
from lima.geometry.rigid import RigidTransform
from lima.scene import CameraImage, Frame, Sweep

CAMERAS = ("front", "left", "back")


def picture(seed: int, height_px: int = 48, width_px: int = 96) -> UInt8[Tensor, "3 height width"]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height_px, width_px), dtype=torch.uint8, generator=generator)


def frame_of(token: str, seed: int = 0, cameras: tuple[str, ...] = CAMERAS, moved_m: float = 0.0) -> Frame:
    """A frame whose pictures follow from the seed and whose vehicle stands `moved_m` along x."""
    pose = RigidTransform(torch.eye(3, dtype=torch.float64), torch.tensor([moved_m, 0, 0], dtype=torch.float64))
    here = RigidTransform.identity()
    images = tuple(
        CameraImage(
            name=name,
            camera=PinholeCamera(50.0, 50.0, 47.5, 23.5, 96, 48),
            timestamp_ns=seed * 1000 + place,
            ego_from_cam=here,
            world_from_ego=pose,
            read_pixels=lambda place=place: picture(seed * 100 + place),
        )
        for place, name in enumerate(cameras)
    )
    sweep = Sweep(torch.ones(1, 3), torch.ones(1), 0, here, pose)
    return Frame(token, "drive", seed, sweep, images)


@dataclass(frozen=True)
class Drive:
    """A sequence of invented frames."""

    name: str
    count: int

    @property
    def tokens(self) -> list[str]:
        return [f"{self.name}/{index}" for index in range(self.count)]

    @property
    def timestamps_ns(self) -> list[int]:
        return [index * 500_000_000 for index in range(self.count)]

    def __len__(self) -> int:
        return self.count

    def frame(self, index: int) -> Frame:
        return frame_of(self.tokens[index], seed=index)


class MeanColour:
    """A teacher that gives the mean colour of every patch, counts how often it is asked, and can be slowed down."""

    name = "some/mean-colour"
    key = "0123456789abcdef" * 4
    patch_px = 8
    dim = 3

    def __init__(self, dim: int = 3, factor: float = 1.0) -> None:
        self.dim = dim
        self.factor = factor
        self.looks = 0

    def features(self, pixels: UInt8[Tensor, "cams 3 height width"]) -> Float32[Tensor, "cams dim rows cols"]:
        self.looks += 1
        return torch.nn.functional.avg_pool2d(pixels.float(), self.patch_px)[:, : self.dim] * self.factor
