"""What a run is made of: frozen settings without behaviour, readable without loading torch.

Everything here is written to `RUN/config.json` and rebuilt from it, and the command line is made from it: a field's
docstring is its help. The classes that these settings configure take plain arguments. One file holds the settings
of one noun; everybody imports them from here.
"""

from lima.config.detection import DetectConfig, DetectionConfig, DetectorConfig
from lima.config.doctor import DoctorConfig
from lima.config.importing import ImportConfig
from lima.config.method import Aggregation, Association, Loss, MethodConfig, Mixing
from lima.config.odometry import OdometryConfig
from lima.config.pretraining import OptimiserConfig, PretrainConfig
from lima.config.probing import ProbeConfig
from lima.config.reading import AtGap, SkipBad
from lima.config.segmentation import FinetuneConfig, RateSchedule, SegmentationConfig, SegmentationHead
from lima.config.student import Backbone, StudentConfig
from lima.config.teacher import Runtime, TeacherConfig, default_cache_folder

__all__ = [
    "Aggregation",
    "Association",
    "AtGap",
    "Backbone",
    "DetectConfig",
    "DetectionConfig",
    "DetectorConfig",
    "DoctorConfig",
    "FinetuneConfig",
    "ImportConfig",
    "Loss",
    "MethodConfig",
    "Mixing",
    "OdometryConfig",
    "OptimiserConfig",
    "PretrainConfig",
    "ProbeConfig",
    "RateSchedule",
    "Runtime",
    "SegmentationConfig",
    "SegmentationHead",
    "SkipBad",
    "StudentConfig",
    "TeacherConfig",
    "default_cache_folder",
]
