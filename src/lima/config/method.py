"""The method between teacher and student."""

from dataclasses import dataclass
from typing import Literal

Aggregation = Literal["mean", "max", "attention"]
Association = Literal["voxel", "nearest"]
Mixing = Literal["none", "laser", "polar", "both"]
Loss = Literal["l2", "normalised_l2", "cosine", "contrastive"]


@dataclass(frozen=True)
class MethodConfig:
    """Section 4 of the paper. `frames=1, mixing="none"` is the one-frame method (ScaLR)."""

    frames: int = 6
    """k: the current keyframe and k - 1 frames before it"""
    sweeps: int = 0
    """at most so many of the sweeps between two keyframes (nuScenes has 9) enter the memory, each one of the k"""
    aggregation: Aggregation = "mean"
    occlusion_test: bool = False
    """leave out cameras from which the sweep itself says that a nearer surface hides the point"""
    association: Association = "voxel"
    association_size_m: float = 0.25
    mixing: Mixing = "both"
    augmentation: bool = True
    """flip, turn and scale the student's points; off to overfit single frames"""
    loss: Loss = "cosine"
    """the paper's is l2; cosine is ahead of it on our drives, for one frame and for more (docs/experiments.md)"""
    head_layers: int = 1
    """1: linear projection to the teacher's width; 2 or 3: an MLP; dropped after pretraining"""
