"""Poses from sweeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from lima.config import AtGap, OdometryConfig


@dataclass(frozen=True)
class Odometry:
    """Compute the poses of drives that have none from their sweeps, and say how good they look."""

    data: Positional[Path]
    """folder of the dataset"""
    config: OmitArgPrefixes[OdometryConfig] = field(default_factory=OdometryConfig)
    at_gap: AtGap = "raise"

    def run(self) -> None:
        from lima.odometry.odometry import compute_odometry

        compute_odometry(self.data, self.config, self.at_gap)
