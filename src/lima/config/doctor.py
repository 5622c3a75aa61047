"""The examination of a dataset."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DoctorConfig:
    """What of a dataset is looked at, what counts as wrong, and where the answers go."""

    split: str | None = None
    """train, val, …; every drive when left out"""
    drives: int = 4
    """so many drives, evenly spread over the dataset; 0 for all"""
    frames: int = 48
    """about so many frames of every drive, in stretches of neighbours; 0 for all"""
    tolerance_deg: float = 0.7
    """an offset between LiDAR and images that turns or shifts points by more is wrong; smaller ones are said"""
    tolerance_m: float = 0.05
    """a LiDAR or camera that seems mounted farther from where it is said to be is wrong"""
    reference: Path | None = None
    """what --json wrote about drives of the same vehicle that are known to be good: offsets count from theirs"""
    json: Path | None = None
    """file to write everything that was found to"""
    html: Path | None = None
    """file to write a page with pictures to"""
