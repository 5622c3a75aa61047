"""Linear probing."""

from dataclasses import dataclass

from lima.config.reading import AtGap, SkipBad


@dataclass(frozen=True)
class ProbeConfig:
    """Linear probing: a batch norm and a linear layer on frozen point features (ScaLR's protocol)."""

    labels: str = "all"
    """all, scene-1inN (every N-th scene: nuScenes's rule) or scan-1inN (every N-th scan: SemanticKITTI's)"""
    epochs: int = 20
    learning_rate: float = 0.001
    weight_decay: float = 0.003
    batch_points: int = 1024
    points_per_sweep: int = 4096
    """points of every training sweep that are learned from, drawn at random; all points of all sweeps are scored"""
    seeds: tuple[int, ...] = (0, 1, 2)
    train_split: str = "train"
    val_split: str = "val"
    at_gap: AtGap = "raise"
    skip_bad: SkipBad = False
    temporal_gap_frames: int = 4
    """a dataset of one drive is split into its two halves, with these keyframes between them left out"""
