"""What a drive is made of: sweeps, images, frames, sequences, and the batch that a student reads.

Everything is in metres and nanoseconds. Every sensor has its own timestamp and its own ego pose, because the
vehicle moves between the LiDAR's turn and a camera's shutter: from LiDAR to camera one always goes through `world`.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Series
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from lima.geometry.boxes import Boxes
from lima.geometry.camera import PinholeCamera
from lima.geometry.rigid import RigidTransform


@dataclass(frozen=True, eq=False)
class Sweep:
    """One turn of the LiDAR.

    points_lidar: metres, in the LiDAR's frame at `timestamp_ns`. intensity: 0 … 1. ring: the beam's number from
    the lowest up, or None where the sensor does not tell.
    """

    points_lidar: Float32[Tensor, "points 3"]
    intensity: Float32[Tensor, "points"]
    timestamp_ns: int
    ego_from_lidar: RigidTransform
    world_from_ego: RigidTransform
    ring: Int64[Tensor, "points"] | None = None

    def __post_init__(self) -> None:
        if len(self.points_lidar) == 0:
            raise ValueError("a sweep needs at least one point, got none")
        if not bool(torch.isfinite(self.points_lidar).all() and torch.isfinite(self.intensity).all()):
            bad = ~(torch.isfinite(self.points_lidar).all(dim=1) & torch.isfinite(self.intensity))
            raise ValueError(f"points must be finite, {int(bad.sum())} of {len(bad)} are NaN or infinite")

    @property
    def world_from_lidar(self) -> RigidTransform:
        """Where the LiDAR stood when the sweep was taken."""
        return self.world_from_ego @ self.ego_from_lidar


@dataclass(frozen=True, eq=False)
class CameraImage:
    """One picture, its camera, and where the camera stood; the pixels are read when they are asked for."""

    name: str
    camera: PinholeCamera
    timestamp_ns: int
    ego_from_cam: RigidTransform
    world_from_ego: RigidTransform
    read_pixels: Callable[[], UInt8[Tensor, "3 height width"]] = field(repr=False)

    @property
    def world_from_cam(self) -> RigidTransform:
        """Where the camera stood when the shutter opened."""
        return self.world_from_ego @ self.ego_from_cam


@dataclass(frozen=True, eq=False)
class Frame:
    """A sweep, the images around it, and the labels where the dataset has them.

    token: unique in the dataset and the same whenever it is opened. index: position in the sequence, in time order.
    read_labels: class of every point, 0 where ignored (the dataset's `class_names` tell the rest).
    read_boxes: boxes in `world`.
    """

    token: str
    sequence: str
    index: int
    sweep: Sweep
    images: tuple[CameraImage, ...]
    read_labels: Callable[[], Int64[Tensor, "points"]] | None = field(default=None, repr=False)
    read_boxes: Callable[[], Boxes] | None = field(default=None, repr=False)


@runtime_checkable
class Sequence(Protocol):
    """One drive: frames in time order, read from disk one by one.

    tokens: `frame(i).token` for every i, known without reading the frame.
    timestamps_ns: of the sweeps, strictly ascending.
    """

    @property
    def name(self) -> str: ...

    @property
    def tokens(self) -> Series[str]: ...

    @property
    def timestamps_ns(self) -> Series[int]: ...

    def __len__(self) -> int: ...

    def frame(self, index: int) -> Frame: ...


def check_index(sequence: Sequence, index: int) -> None:
    """Raises IndexError for a frame that the sequence does not have; positions from the end are not counted."""
    if not 0 <= index < len(sequence):
        raise IndexError(f"sequence {sequence.name} has frames 0 … {len(sequence) - 1}, not {index}")


@runtime_checkable
class Dataset(Protocol):
    """An opened folder of drives.

    class_names: position 0 is "ignored"; the labels of a frame index into it. split_names: what `sequences` knows.
    """

    @property
    def name(self) -> str: ...

    @property
    def class_names(self) -> tuple[str, ...]: ...

    @property
    def split_names(self) -> tuple[str, ...]: ...

    def sequences(self, split: str | None = None) -> list[Sequence]: ...


@dataclass(frozen=True, eq=False)
class Batch:
    """Several sweeps laid end to end: what a student reads.

    sweep_of_point: which sweep every point belongs to, ascending from 0 to `sweeps` - 1.
    """

    points_lidar: Float32[Tensor, "points 3"]
    intensity: Float32[Tensor, "points"]
    sweep_of_point: Int64[Tensor, "points"]
    sweeps: int

    @staticmethod
    def from_points(points_lidar: Series[Float32[Tensor, "_ 3"]], intensity: Series[Float32[Tensor, "_"]]) -> Batch:
        """One batch of the sweeps given as lists of their points and intensities; of none, an empty one."""
        if not points_lidar:
            return Batch(torch.zeros(0, 3), torch.zeros(0), torch.zeros(0, dtype=torch.int64), 0)
        counts = torch.tensor([len(points) for points in points_lidar])
        return Batch(
            points_lidar=torch.cat(list(points_lidar)),
            intensity=torch.cat(list(intensity)),
            sweep_of_point=torch.repeat_interleave(torch.arange(len(counts)), counts),
            sweeps=len(counts),
        )

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        return Batch(
            self.points_lidar.to(device), self.intensity.to(device), self.sweep_of_point.to(device), self.sweeps
        )
