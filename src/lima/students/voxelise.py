"""From points to voxels and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from lima.geometry.voxels import cylindrical_from_cartesian, voxels_from_points
from lima.scene import Batch
from lima.sparse import SparseTensor, devoxelise_nearest, scatter_mean
from lima.sparse.coordinates import unique_coordinates

INPUTS = ("x_m", "y_m", "z_m", "intensity")
INPUT_SCALE = (0.1, 0.1, 0.7, 8.0)
"""What the inputs are multiplied with: over sweeps of nuScenes and of the simulator their standard deviations become
0.7 … 1.4. Our choice, nothing is published."""


@dataclass(frozen=True, eq=False)
class VoxelisedBatch:
    """The voxels of a batch, and in which of them every point lies: -1 where it is beyond the range."""

    voxels: SparseTensor
    voxel_of_point: Int64[Tensor, "points"]

    def devoxelise(self, features: Float[Tensor, "voxels dim"]) -> Float[Tensor, "points dim"]:
        """Every point takes its voxel's feature; a point without a voxel takes zeros."""
        return devoxelise_nearest(features, self.voxel_of_point)


@dataclass(frozen=True)
class Voxeliser:
    """Cuts space into cells, Cartesian or cylindrical around the sensor's axis.

    size_m: edge of a Cartesian voxel, or step in range and height of a cylindrical one; azimuth_deg: the latter's
    step in azimuth. The cells at -180 and +180 degrees are not neighbours. max_range_m: points farther from the
    sensor's axis are in no voxel.
    """

    kind: Literal["cartesian", "cylindrical"]
    size_m: float
    azimuth_deg: float
    max_range_m: float

    def __post_init__(self) -> None:
        if self.kind not in ("cartesian", "cylindrical"):
            raise ValueError(f"voxels are cartesian or cylindrical, got {self.kind!r}")
        if not min(self.size_m, self.azimuth_deg, self.max_range_m) > 0:
            raise ValueError(
                f"voxel size, azimuth step and range must be positive, got {self.size_m} m, {self.azimuth_deg} deg, "
                f"{self.max_range_m} m"
            )

    def in_range(self, batch: Batch) -> Bool[Tensor, "points"]:
        """Which points lie in a voxel."""
        return torch.hypot(batch.points_lidar[:, 0], batch.points_lidar[:, 1]) <= self.max_range_m

    def __call__(self, batch: Batch) -> VoxelisedBatch:
        """Voxels in ascending order; the feature of one is the mean of its points' scaled inputs.

        The inputs are x, y, z and intensity for both kinds of voxels.
        """
        inside = self.in_range(batch)
        points = batch.points_lidar[inside]
        if self.kind == "cylindrical":
            size = torch.tensor([self.size_m, self.azimuth_deg, self.size_m])
            cells = voxels_from_points(cylindrical_from_cartesian(points), size)
        else:
            cells = voxels_from_points(points, torch.full((3,), self.size_m))
        members = torch.cat([batch.sweep_of_point[inside, None], cells], dim=1)
        coordinates, voxel_of_member = unique_coordinates(members)
        inputs = torch.cat([points, batch.intensity[inside, None]], dim=1) * points.new_tensor(INPUT_SCALE)
        voxel_of_point = torch.full_like(batch.sweep_of_point, -1)
        voxel_of_point[inside] = voxel_of_member
        features = scatter_mean(inputs, voxel_of_member, len(coordinates))
        return VoxelisedBatch(SparseTensor(features, coordinates), voxel_of_point)
