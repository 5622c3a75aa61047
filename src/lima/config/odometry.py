"""Poses from sweeps."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class OdometryConfig:
    """Poses from the sweeps alone (KISS-ICP)."""

    split: str | None = None
    """train, val, …; every drive when left out"""
    drives: tuple[str, ...] = ()
    """names of drives; all of the split when left out"""
    replace: bool = False
    """write poses where there are some already, too; the old ones are kept as poses.txt.before"""
    max_range_m: float = 100.0
    """farther points are not matched"""
    min_range_m: float = 3.0
    """nearer points are the vehicle itself"""
    voxel_size_m: float | None = None
    """of the map that sweeps are matched to; a hundredth of max_range_m when left out"""
    json: Path | None = None
    """file to write everything that was found to"""
