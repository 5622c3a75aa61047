"""Commands that take a pretrained network elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from lima.config import AtGap, SkipBad


@dataclass(frozen=True)
class Encode:
    """Write the features of every point of a dataset to disk."""

    run_folder: Positional[Path]
    """folder of a pretraining run"""
    data: Positional[Path]
    """folder of the dataset"""
    out: Path
    """folder to write; an interrupted run is completed in it, another split of the same data is added to it"""
    split: str | None = None
    """train, val, …; every sequence when left out"""
    at_gap: AtGap = "raise"
    skip_bad: SkipBad = False

    def run(self) -> None:
        from lima.datasets.readable import opened
        from lima.export.encoding import encode_dataset

        with opened(self.data, self.at_gap, self.skip_bad) as dataset:
            encode_dataset(self.run_folder, self.data, dataset, self.split, self.out)


@dataclass(frozen=True)
class Export:
    """Write a pretrained backbone as another library loads it, and show that it computes the same there."""

    run_folder: Positional[Path]
    """folder of a pretraining run"""
    to: Literal["openpcdet", "mmdet3d", "pointcept", "hub", "onnx"]
    """openpcdet takes a voxelnet of width 1, mmdet3d a minkunet, pointcept a spunet; hub and onnx take all"""
    out: Path
    """file to write, for the hub a folder"""
    intensity_max: float = 1.0
    """not for the hub: the intensity that means 1 in that library's data, 255 where it keeps bytes"""
    licence: str | None = None
    """for the hub alone, on its card: of the weights; cc-by-nc-sa-4.0, apache-2.0, …"""

    def run(self) -> None:
        from lima.export.exporting import export_run

        export_run(self.run_folder, self.to, self.out, self.intensity_max, self.licence)
