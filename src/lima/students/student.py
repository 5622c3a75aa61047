"""The student: what reads a batch of sweeps and answers with one feature per point."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from lima.config import StudentConfig
from lima.scene import Batch
from lima.sparse import SparseTensor, devoxelise_trilinear
from lima.students.minkunet import BLOCKS, MinkUNet
from lima.students.spunet import SPUNET_BLOCKS, SpUNet
from lima.students.voxel_grid import GRID_INPUT_SCALE, GRID_INPUTS, VoxelGrid
from lima.students.voxelise import INPUT_SCALE, INPUTS, Voxeliser
from lima.students.voxelnet import VoxelNet

VOXELNET = "voxelnet"
KNOWN = (*BLOCKS, *SPUNET_BLOCKS, VOXELNET)


class Student(nn.Module):
    """Voxelises, runs the backbone, and hands every point the feature of its voxel. dim: width of the features."""

    voxeliser: Voxeliser | VoxelGrid
    backbone: MinkUNet | SpUNet | VoxelNet
    dim: int

    def __init__(self, voxeliser: Voxeliser, backbone: MinkUNet | SpUNet) -> None:
        super().__init__()
        self.voxeliser = voxeliser
        self.backbone = backbone
        self.dim = backbone.dim

    def in_range(self, batch: Batch) -> Bool[Tensor, "points"]:
        """Which points the student sees; the others' features are zero and mean nothing."""
        return self.voxeliser.in_range(batch)

    def forward(self, batch: Batch) -> Float[Tensor, "points {self.dim}"]:
        """The features of the batch's points, in their order."""
        assert isinstance(self.voxeliser, Voxeliser)
        voxelised = self.voxeliser(batch)
        dtype = next(self.backbone.parameters()).dtype
        voxels = self.backbone(voxelised.voxels.with_features(voxelised.voxels.features.to(dtype)))
        return voxelised.devoxelise(voxels.features)


class VoxelNetStudent(Student):
    """A feature for every point from the four steps of a VoxelNet: trilinear from each, side by side.

    All four, because the finest alone tells a point from its neighbours and the coarsest alone knows what is around: at
    0.1 m the cells of the last step are 0.8 m wide, and a kerb and the road beside it would share their features. The
    last convolution, which only serves the map from above, is not reached by pretraining. dim: width of the features.
    """

    voxeliser: VoxelGrid
    backbone: VoxelNet

    def __init__(self, grid: VoxelGrid, backbone: VoxelNet) -> None:
        nn.Module.__init__(self)
        self.voxeliser = grid
        self.backbone = backbone
        self.dim = sum(backbone.level_dims)

    def forward(self, batch: Batch) -> Float[Tensor, "points {self.dim}"]:
        """The features of the batch's points, in their order. A point beyond the box gets zeros."""
        found = self.backbone(self.voxels(batch))
        inside = self.in_range(batch)
        positions = self.backbone.level_positions(self.voxeliser.positions(batch.points_lidar[inside]))
        sweep = batch.sweep_of_point[inside]
        features = [devoxelise_trilinear(*level, sweep) for level in zip(found.levels, positions, strict=True)]
        at_points = torch.cat(features, dim=1)
        everywhere = at_points.new_zeros(len(inside), self.dim)
        return everywhere.masked_scatter(inside[:, None], at_points)

    def voxels(self, batch: Batch, seconds_before: Float[Tensor, "points"] | None = None) -> SparseTensor:
        """The voxels that the backbone reads, in the type of its weights; as `VoxelGrid.voxels`."""
        voxels = self.voxeliser.voxels(batch, seconds_before)
        return voxels.with_features(voxels.features.to(next(self.backbone.parameters()).dtype))


def build_student(config: StudentConfig) -> Student:
    """The student that a configuration describes, freshly initialised from torch's random generator.

    Raises ValueError for settings that make no network.
    """
    if config.backbone == VOXELNET:
        grid = VoxelGrid.of(config)
        return VoxelNetStudent(grid, VoxelNet(grid, config.width))
    voxeliser = Voxeliser(config.voxels, config.voxel_size_m, config.voxel_azimuth_deg, config.max_range_m)
    return Student(voxeliser, _build_backbone(config))


def _build_backbone(config: StudentConfig) -> MinkUNet | SpUNet:
    if config.backbone in BLOCKS:
        return MinkUNet(BLOCKS[config.backbone], config.width)
    if config.backbone in SPUNET_BLOCKS:
        return SpUNet(SPUNET_BLOCKS[config.backbone], config.width)
    raise ValueError(f"no backbone is called {config.backbone!r}, there are {', '.join(KNOWN)}")


def inputs_of(config: StudentConfig) -> dict[str, float]:
    """What the student reads of every point, and what it multiplies it with."""
    if config.backbone == VOXELNET:
        return dict(zip(GRID_INPUTS, GRID_INPUT_SCALE, strict=True))
    return dict(zip(INPUTS, INPUT_SCALE, strict=True))
