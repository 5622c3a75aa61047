"""The student: what reads a batch of sweeps and answers with one feature per point."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor, nn

from lima.config import StudentConfig
from lima.scene import Batch
from lima.students.minkunet import BLOCKS, MinkUNet
from lima.students.spunet import SPUNET_BLOCKS, SpUNet
from lima.students.voxelise import Voxeliser


class Student(nn.Module):
    """Voxelises, runs the backbone, and hands every point the feature of its voxel. dim: width of the features."""

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
        voxelised = self.voxeliser(batch)
        dtype = next(self.backbone.parameters()).dtype
        voxels = self.backbone(voxelised.voxels.with_features(voxelised.voxels.features.to(dtype)))
        return voxelised.devoxelise(voxels.features)


def build_student(config: StudentConfig) -> Student:
    """The student that a configuration describes, freshly initialised from torch's random generator.

    Raises ValueError for settings that make no network.
    """
    voxeliser = Voxeliser(config.voxels, config.voxel_size_m, config.voxel_azimuth_deg, config.max_range_m)
    return Student(voxeliser, _build_backbone(config))


def _build_backbone(config: StudentConfig) -> MinkUNet | SpUNet:
    if config.backbone in BLOCKS:
        return MinkUNet(BLOCKS[config.backbone], config.width)
    if config.backbone in SPUNET_BLOCKS:
        return SpUNet(SPUNET_BLOCKS[config.backbone], config.width)
    raise ValueError(f"no backbone is called {config.backbone!r}, there are {', '.join([*BLOCKS, *SPUNET_BLOCKS])}")
