"""Facts, evidence and drives that are made by hand, so that every answer is known."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from lima.doctor.evidence import Evidence
from lima.doctor.facts import FrameFacts, ImageFacts, SweepFacts
from lima.geometry.camera import PinholeCamera
from lima.geometry.rigid import RigidTransform
from lima.scene import Frame, Sweep

STEP_NS = 500_000_000
CAMERA = PinholeCamera(fx_px=300.0, fy_px=300.0, cx_px=199.5, cy_px=99.5, width_px=400, height_px=200)
# a camera that looks along the vehicle's x axis: its z is ahead, its x is the right, its y is down
LOOKING_AHEAD = torch.tensor([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], dtype=torch.float64)


def at(x_m: float, y_m: float = 0.0, z_m: float = 0.0, yaw_deg: float = 0.0) -> RigidTransform:
    """A pose on the ground."""
    cosine, sine = math.cos(math.radians(yaw_deg)), math.sin(math.radians(yaw_deg))
    rotation = torch.tensor([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]], dtype=torch.float64)
    return RigidTransform(rotation, torch.tensor([x_m, y_m, z_m], dtype=torch.float64))


def sweep_facts(index: int, **changes: object) -> SweepFacts:
    """An ordinary sweep of a vehicle that drives 10 m/s, two a second."""
    facts = SweepFacts(
        timestamp_ns=(index + 1) * STEP_NS,
        world_from_ego=at(5.0 * index),
        ego_from_lidar=at(1.0, 0.0, 1.8),
        points=30_000,
        at_sensor=0.0,
        repeated=0.0,
        range_m=(2.6, 9.0, 80.0),
        intensity=(0.0, 0.1, 0.9),
        rings=32,
        rings_rise=True,
        digest=f"sweep {index}".encode(),
    )
    return replace(facts, **changes)  # type: ignore[arg-type]


def image_facts(index: int, camera: str = "front", lag_s: float = 0.02, **changes: object) -> ImageFacts:
    """An image taken a little later, with the pose of its own time."""
    facts = ImageFacts(
        camera=camera,
        timestamp_ns=(index + 1) * STEP_NS + round(lag_s * 1e9),
        world_from_ego=at(5.0 * index + 10.0 * lag_s),
        ego_from_cam=RigidTransform(LOOKING_AHEAD, torch.tensor([1.5, 0.0, 1.5], dtype=torch.float64)),
        size_px=(400, 200),
        seen=0.2,
        spread=40.0,
        digest=f"{camera} {index}".encode(),
    )
    return replace(facts, **changes)  # type: ignore[arg-type]


def drive_facts(count: int = 8) -> list[FrameFacts]:
    """A drive of which nothing is wrong."""
    return [
        FrameFacts(index, ("front",), sweep_facts(index), (image_facts(index),), (0.8, 0.2, 0.0))
        for index in range(count)
    ]


def changed(facts: list[FrameFacts], index: int, **changes: object) -> list[FrameFacts]:
    """The same drive with one frame's sweep changed."""
    frame = facts[index]
    return [*facts[:index], replace(frame, sweep=replace(frame.sweep, **changes)), *facts[index + 1 :]]  # type: ignore[arg-type]


def image_changed(facts: list[FrameFacts], index: int, **changes: object) -> list[FrameFacts]:
    """The same drive with one frame's image changed."""
    frame = facts[index]
    image = replace(frame.images[0], **changes)  # type: ignore[arg-type]
    return [*facts[:index], replace(frame, images=(image,)), *facts[index + 1 :]]


@dataclass
class MemoryDrive:
    """A sequence of frames that lie in memory."""

    frames: list[Frame]
    name: str = "drive"
    tokens: list[str] = field(init=False)
    timestamps_ns: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = [frame.token for frame in self.frames]
        self.timestamps_ns = [frame.sweep.timestamp_ns for frame in self.frames]

    def __len__(self) -> int:
        return len(self.frames)

    def frame(self, index: int) -> Frame:
        return self.frames[index]


def sweep_of(points_lidar: Tensor, ring: Tensor | None = None) -> Sweep:
    """A sweep of these points, at the origin of everything."""
    points = points_lidar.float()
    return Sweep(points, torch.zeros(len(points)), STEP_NS, RigidTransform.identity(), RigidTransform.identity(), ring)


def street(frames: int = 12, edges: int = 300, speed_mps: float = 10.0, seed: int = 0) -> Evidence:
    """A camera before which upright and lying edges stand, and a LiDAR that has met every one of them exactly.

    Outlines are 0.3 degrees long; the image's edges are bright lines through their middles, as long as 12 pixels.
    """
    generator = torch.Generator().manual_seed(seed)
    maps = torch.zeros(frames, 2, CAMERA.height_px, CAMERA.width_px)
    stretches = torch.zeros(frames, edges, 5, 3)
    for frame in range(frames):
        u = torch.randint(20, CAMERA.width_px - 20, (edges,), generator=generator)
        v = torch.randint(20, CAMERA.height_px - 20, (edges,), generator=generator)
        depth_m = 4 + 26 * torch.rand(edges, generator=generator)
        upright = torch.rand(edges, generator=generator) < 0.5
        share = torch.linspace(-0.8, 0.8, 5)
        for edge in range(edges):
            row, column = int(v[edge]), int(u[edge])
            if upright[edge]:
                maps[frame, 0, row - 6 : row + 7, column] = 8.0
            else:
                maps[frame, 1, row, column - 6 : column + 7] = 8.0
            along = torch.stack([share, 0 * share] if upright[edge] else [0 * share, share], dim=1)
            at_px = torch.tensor([column, row]) + along
            rays = torch.stack(
                [
                    (at_px[:, 0] - CAMERA.cx_px) / CAMERA.fx_px,
                    (at_px[:, 1] - CAMERA.cy_px) / CAMERA.fy_px,
                    torch.ones(5),
                ],
                dim=1,
            )
            stretches[frame, edge] = rays * depth_m[edge]
    velocity = torch.tensor([0.0, 0.0, speed_mps], dtype=torch.float64)
    return Evidence(
        name="front",
        camera=CAMERA,
        stretches_cam=stretches.reshape(-1, 5, 3),
        frame=torch.arange(frames).repeat_interleave(edges),
        maps=maps.half(),
        cam_from_ego=RigidTransform(LOOKING_AHEAD, torch.zeros(3, dtype=torch.float64))
        .inverse()
        .matrix()
        .repeat(frames, 1, 1),
        place=torch.arange(frames),
        velocity_mps=velocity.repeat(frames, 1),
        turn_radps=torch.zeros(frames, 3, dtype=torch.float64),
    )
