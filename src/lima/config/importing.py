"""The import of recordings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class ImportConfig:
    """What of a recording is imported. What is left out is found out from its topics."""

    points: str | None = None
    """topic of the sweeps (PointCloud2)"""
    images: tuple[str, ...] = ()
    """topics of the cameras (Image, CompressedImage), each TOPIC or NAME=TOPIC"""
    cameras: bool = True
    """import the cameras at all"""
    camera_info: tuple[str, ...] = ()
    """topics of CameraInfo, each NAME=TOPIC, for cameras whose own is not beside their pictures"""
    odometry: str | None = None
    """topic of the poses (Odometry); tf when left out"""
    ego_frame: str | None = None
    """the vehicle's frame; the top of what is fixed to the LiDAR when left out"""
    world_frame: str | None = None
    """the frame poses are given in; the next one above the vehicle's when left out"""
    calibration: Path | None = None
    """a calibration.yaml that holds in place of CameraInfo and tf_static"""
    clock: Literal["header", "received"] = "header"
    """whose time counts: the sensor's, or that of the recording"""
    compensated: bool = False
    """points have times, but the vehicle's motion is already taken out of them"""
    intensity_max: float | None = None
    """the intensity that means 1; found out from the sweeps when left out"""
    keyframes_per_s: float | None = None
    """so many sweeps a second become frames; all are imported, and become frames when left out"""
    skip_bad: bool = False
    """leave damaged messages out, count and list them, instead of stopping at the first"""
