"""Fine-tuning for semantic segmentation."""

from dataclasses import dataclass, field
from typing import Literal

from lima.config.reading import AtGap

SegmentationHead = Literal["linear", "norm_linear", "mlp"]
RateSchedule = Literal["one_cycle", "cosine", "warm_up_cosine"]


@dataclass(frozen=True)
class SegmentationConfig:
    """A protocol of fine-tuning for semantic segmentation: how the whole student learns, and how it is scored."""

    head: SegmentationHead = "linear"
    epochs: int = 100
    steps: int | None = None
    """so many steps in place of so many epochs"""
    batch: int = 16
    """sweeps of a step; fewer where fewer are labelled"""
    optimiser: Literal["adamw", "sgd"] = "adamw"
    schedule: RateSchedule = "one_cycle"
    learning_rate: float = 0.001
    head_rate_factor: float = 10.0
    """the head learns so many times as fast as the backbone"""
    layer_decay: float = 1.0
    """a layer of the backbone learns so many times as fast as the next"""
    weight_decay: float = 0.01
    lovasz_weight: float = 2.0
    """of the Lovász loss beside the cross-entropy"""
    clip_norm: float | None = 10.0
    """gradients are clipped at this norm; None: never"""
    augmentation: bool = True
    """flip, turn and scale the sweeps that are learned from"""
    scale_range: tuple[float, float] = (0.95, 1.05)
    scorings: int = 10
    """how often the validation split is scored, evenly over the run, its end included"""
    views: int = 1
    """test-time augmentation: probabilities averaged over so many turned and flipped copies; 1: none"""
    train_split: str = "train"
    val_split: str = "val"
    at_gap: AtGap = "raise"
    temporal_gap_frames: int = 4
    """a dataset of one drive is split into its two halves, with these keyframes between them left out"""
    checkpoint_every_steps: int = 200
    log_every_steps: int = 10


@dataclass(frozen=True)
class FinetuneConfig:
    """One fine-tuning: which labels, from which weights, by which protocol."""

    labels: str = "all"
    """all, scene-1inN (every N-th scene: nuScenes's rule) or scan-1inN (every N-th scan: SemanticKITTI's)"""
    start: Literal["pretrained", "random"] = "pretrained"
    """the weights of the run, or fresh ones of the same student"""
    seed: int = 0
    learning: SegmentationConfig = field(default_factory=SegmentationConfig)
