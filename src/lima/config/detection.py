"""Detection."""

from dataclasses import dataclass, field
from typing import Literal

from lima.config.reading import AtGap


@dataclass(frozen=True)
class DetectorConfig:
    """What stands on a VoxelNet, and which of its boxes count."""

    head: Literal["centerpoint", "second"] = "centerpoint"
    """centres on a map (CenterPoint), or anchors (SECOND)"""
    bev_width: float = 1.0
    """factor on the channels of the network on the map from above"""
    bev_layers: int = 5
    """convolutions in each of its two blocks, beside the first"""
    head_upsampling: Literal[1, 2, 4] = 1
    """the head's cells are so much finer than the backbone's last voxels, which are eight voxels wide"""
    head_channels: int | None = None
    """of centerpoint's shared convolution and of the branches behind it; 64 when left out. second has none to choose"""
    box_weight: float | None = None
    """of the boxes' loss beside that of centres or scores; when left out the head's own: 0.25 or 2"""
    min_score: float = 0.05
    """boxes with less are left out"""
    nms_iou: float = 0.2
    """of two boxes of a class that overlap by more, seen from above, the better stays"""


@dataclass(frozen=True)
class DetectionConfig:
    """How a detector learns, and how it is scored (docs/detection.md: where the defaults are not OpenPCDet's)."""

    detector: DetectorConfig = field(default_factory=DetectorConfig)
    sweeps: int = 10
    """the keyframe's and those before it, moved to where the vehicle is now"""
    max_age_s: float = 0.55
    """none older: where a dataset has keyframes alone, two a second, one past keyframe is taken"""
    epochs: int = 20
    steps: int | None = None
    """so many steps in place of so many epochs"""
    batch: int = 4
    """keyframes of a step"""
    learning_rate: float = 0.003
    weight_decay: float = 0.01
    clip_norm: float = 35.0
    class_balanced: bool = True
    """draw as many keyframes for every class, rare ones more than once; an epoch becomes longer (CBGS)"""
    ground_truth_sampling: bool = True
    """add things of other labelled keyframes"""
    augmentation: bool = True
    """flip, turn and scale"""
    pictures: int = 4
    """keyframes of the validation split to draw"""
    train_split: str = "train"
    val_split: str = "val"
    at_gap: AtGap = "raise"
    temporal_gap_frames: int = 4
    """a dataset of one drive is split into its two halves, with these keyframes between them left out"""
    checkpoint_every_steps: int = 200
    log_every_steps: int = 10


@dataclass(frozen=True)
class DetectConfig:
    """One detector: which labels, from which weights, by which settings."""

    labels: str = "all"
    """all, or scene-1inN (every N-th scene: nuScenes's rule)"""
    start: Literal["pretrained", "random"] = "pretrained"
    """the weights of the run, or fresh ones of the same student"""
    seed: int = 0
    learning: DetectionConfig = field(default_factory=DetectionConfig)
