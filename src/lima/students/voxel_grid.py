"""From points to the voxels of a box of space, as detectors cut it: all three axes bounded, a height of their own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lima.config import StudentConfig
from lima.scene import Batch
from lima.sparse import SparseTensor, scatter_mean
from lima.sparse.coordinates import unique_coordinates
from lima.students.voxelise import INPUT_SCALE, INPUTS

TIME_SCALE = 2.5
"""What seconds before the keyframe are multiplied with, beside `INPUT_SCALE`: our choice."""
GRID_INPUTS = (*INPUTS, "seconds_before")
GRID_INPUT_SCALE = (*INPUT_SCALE, TIME_SCALE)


@dataclass(frozen=True)
class VoxelGrid:
    """A box around the sensor cut into cells.

    low_m: its corner. size_m: edges of a cell. cells: their number along x, y, z.
    """

    low_m: tuple[float, float, float]
    size_m: tuple[float, float, float]
    cells: tuple[int, int, int]

    @staticmethod
    def of(config: StudentConfig) -> VoxelGrid:
        """±`max_range_m` along x and y, `lowest_m` to `highest_m` in height, cut into whole cells.

        Raises ValueError for a box without cells.
        """
        side = round(2 * config.max_range_m / config.voxel_size_m) if config.voxel_size_m > 0 else 0
        height = round((config.highest_m - config.lowest_m) / config.voxel_height_m) if config.voxel_height_m > 0 else 0
        if min(side, height) < 1:
            raise ValueError(
                f"voxels of {config.voxel_size_m} x {config.voxel_size_m} x {config.voxel_height_m} m do not fill "
                f"±{config.max_range_m} m, {config.lowest_m} … {config.highest_m} m"
            )
        half_m = side * config.voxel_size_m / 2
        size_m = (config.voxel_size_m, config.voxel_size_m, config.voxel_height_m)
        return VoxelGrid((-half_m, -half_m, config.lowest_m), size_m, (side, side, height))

    def positions(self, points_lidar: Float[Tensor, "points 3"]) -> Float[Tensor, "points 3"]:
        """In cells from the corner: cell c spans c to c + 1."""
        low, size = (
            torch.tensor(side, dtype=torch.float64, device=points_lidar.device) for side in (self.low_m, self.size_m)
        )
        return (points_lidar.double() - low) / size

    def holds(self, points_lidar: Float[Tensor, "points 3"]) -> Bool[Tensor, "points"]:
        """Which points lie in a cell."""
        positions = self.positions(points_lidar)
        return ((positions >= 0) & (positions < positions.new_tensor(self.cells))).all(dim=1)

    def in_range(self, batch: Batch) -> Bool[Tensor, "points"]:
        """Which points of a batch lie in a cell."""
        return self.holds(batch.points_lidar)

    def voxels(self, batch: Batch, seconds_before: Float[Tensor, "points"] | None = None) -> SparseTensor:
        """Occupied cells in ascending order; the features of one are the means of its points' scaled inputs.

        seconds_before: how long before the keyframe every point was measured, as None zero. All points of a cell count,
        where OpenPCDet takes the first ten.
        """
        inside = self.in_range(batch)
        points = batch.points_lidar[inside]
        cells = torch.floor(self.positions(points)).long()
        members = torch.cat([batch.sweep_of_point[inside, None], cells], dim=1)
        coordinates, voxel_of_member = unique_coordinates(members)
        seconds = batch.intensity.new_zeros(len(points)) if seconds_before is None else seconds_before[inside]
        inputs = torch.cat([points, batch.intensity[inside, None], seconds[:, None]], dim=1)
        inputs = inputs * points.new_tensor(GRID_INPUT_SCALE)
        return SparseTensor(scatter_mean(inputs, voxel_of_member, len(coordinates)), coordinates)
