"""Small made-up drives, held in memory: a box of a street with coloured walls, driven through by one camera and LiDAR.

The "teacher" is the position in the world of what a pixel sees, so that what a student should learn is known.
"""

from __future__ import annotations

from collections.abc import Sequence as Series
from dataclasses import dataclass

import torch
from torch import Tensor

from lima.config import MethodConfig, OptimiserConfig, PretrainConfig, StudentConfig
from lima.geometry.camera import PinholeCamera
from lima.geometry.rigid import RigidTransform
from lima.scene import CameraImage, Frame, Sweep

DIM, ROWS, COLS = 6, 4, 8
CAMERA = PinholeCamera(fx_px=32.0, fy_px=32.0, cx_px=31.5, cy_px=15.5, width_px=64, height_px=32)
FORWARD = torch.tensor([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]], dtype=torch.float64)  # cam_from_ego: looks along +x


@dataclass(frozen=True)
class Drive:
    """A sequence of frames made when asked for, the same every time."""

    name: str
    frames: int
    points: int = 300

    @property
    def tokens(self) -> Series[str]:
        return [f"{self.name}-{index}" for index in range(self.frames)]

    @property
    def timestamps_ns(self) -> Series[int]:
        return [index * 500_000_000 for index in range(self.frames)]

    def __len__(self) -> int:
        return self.frames

    def frame(self, index: int) -> Frame:
        generator = torch.Generator().manual_seed(sum(self.name.encode()) * 1000 + index)
        ahead = RigidTransform(
            torch.eye(3, dtype=torch.float64), torch.tensor([2.0 * index, 0, 0], dtype=torch.float64)
        )
        spread = torch.tensor([12.0, 6.0, 2.0])
        points = (torch.rand(self.points, 3, generator=generator) * 2 - 1) * spread
        points[:, 1] = torch.where(points[:, 1] > 0, 5.0, -5.0) + 0.1 * points[:, 1]
        time_ns = self.timestamps_ns[index]
        ego_from_cam = RigidTransform(FORWARD, torch.zeros(3, dtype=torch.float64)).inverse()
        image = CameraImage("front", CAMERA, time_ns, ego_from_cam, ahead, lambda: torch.zeros(3, 32, 64).byte())
        sweep = Sweep(points, torch.rand(self.points, generator=generator), time_ns, RigidTransform.identity(), ahead)
        return Frame(self.tokens[index], self.name, index, sweep, (image,))


def image_features(frame: Frame) -> Tensor:
    """Smooth features of the image plane with a little of the place, in place of a teacher's."""
    cols = torch.linspace(-1, 1, COLS).expand(ROWS, COLS)
    rows = torch.linspace(-1, 1, ROWS)[:, None].expand(ROWS, COLS)
    channels = [cols, rows, cols.square(), rows.square(), cols * rows, torch.full_like(cols, 0.1 * frame.index)]
    return torch.stack(channels)[None]


def small_config(**optimiser: float) -> PretrainConfig:
    """A run of seconds: a narrow student on coarse voxels."""
    return PretrainConfig(
        student=StudentConfig(backbone="minkunet14", width=0.125, voxel_size_m=1.0, max_range_m=30.0),
        method=MethodConfig(frames=3, association_size_m=1.0, mixing="both"),
        optimiser=OptimiserConfig(**{"epochs": 2, "learning_rate": 0.01, "lanes": 2, **optimiser}),
        checkpoint_every_steps=4,
        log_every_steps=1,
    )
