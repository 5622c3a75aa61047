"""The LiDAR network."""

from dataclasses import dataclass
from typing import Annotated, Literal

from tyro.conf import arg

Backbone = Literal["minkunet14", "minkunet18", "minkunet34", "spunet18", "spunet34", "voxelnet"]


@dataclass(frozen=True)
class StudentConfig:
    """The LiDAR network."""

    backbone: Annotated[Backbone, arg(name="student")] = "minkunet34"
    width: float = 1.0
    """factor on the number of channels of every layer"""
    voxels: Literal["cartesian", "cylindrical"] = "cartesian"
    voxel_size_m: float = 0.1
    """edge of a Cartesian voxel; step in range and in height of a cylindrical one"""
    voxel_azimuth_deg: float = 1.0
    """step in azimuth of a cylindrical voxel"""
    max_range_m: float = 60.0
    """points farther from the sensor's axis (of a voxelnet: along x or y) get the feature of nothing: they are left out
    of the voxels"""
    voxel_height_m: float = 0.2
    """of a voxelnet, whose voxels are Cartesian; the others' are as high as they are wide"""
    lowest_m: float = -5.0
    """of a voxelnet: points below get the feature of nothing"""
    highest_m: float = 3.0
    """of a voxelnet: points above get the feature of nothing"""
