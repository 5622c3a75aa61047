"""The examination of a dataset."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from lima.config import DoctorConfig

DATA_WRONG = 1


@dataclass(frozen=True)
class Doctor:
    """Tell whether a dataset can be trusted: clocks, points, poses, how LiDAR and images fit. Exit code 1 if not."""

    data: Positional[Path]
    """folder of the dataset"""
    config: OmitArgPrefixes[DoctorConfig] = field(default_factory=DoctorConfig)

    def run(self) -> int:
        from lima.doctor.doctor import run_doctor

        return DATA_WRONG if run_doctor(self.data, self.config).wrong else 0
