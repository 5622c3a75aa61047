"""A pretraining run."""

from dataclasses import dataclass, field

from lima.config.method import MethodConfig
from lima.config.reading import AtGap, SkipBad
from lima.config.student import StudentConfig
from lima.config.teacher import TeacherConfig


@dataclass(frozen=True)
class OptimiserConfig:
    """AdamW with a one-cycle schedule."""

    epochs: int = 50
    learning_rate: float = 0.001
    weight_decay: float = 0.01
    clip_norm: float = 10.0
    lanes: int = 4
    """sequences followed side by side: the batch size, over all processes"""


@dataclass(frozen=True)
class PretrainConfig:
    """One pretraining run."""

    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    student: StudentConfig = field(default_factory=StudentConfig)
    method: MethodConfig = field(default_factory=MethodConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    split: str = "train"
    at_gap: AtGap = "raise"
    skip_bad: SkipBad = False
    seed: int = 0
    checkpoint_every_steps: int = 200
    log_every_steps: int = 10
    tensorboard: bool = False
    """write the log for TensorBoard too, to RUN/tensorboard"""
