"""What is measured: a network on a sweep, in a precision."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import torch
from benchmarks.sweep import sweep_32_beams, sweep_64_beams
from torch import Tensor

from lima.scene import Batch
from lima.sparse import KernelMaps, SparseTensor
from lima.students.minkunet import BLOCKS, MinkUNet
from lima.students.voxelise import Voxeliser

INPUTS = {"32 beams, 0.1 m": (sweep_32_beams, 0.1), "64 beams, 0.05 m": (sweep_64_beams, 0.05)}
MODELS = {
    "half-width MinkUNet-34": ("minkunet34", 0.5),
    "MinkUNet-18": ("minkunet18", 1.0),
    "MinkUNet-34": ("minkunet34", 1.0),
}
DTYPES = {"float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Task:
    """One network on one sweep."""

    input: str
    model: str
    dtype: str
    features: Tensor
    coordinates: Tensor

    @property
    def device(self) -> torch.device:
        return self.features.device

    def network(self) -> MinkUNet:
        torch.manual_seed(0)
        backbone, width = MODELS[self.model]
        return MinkUNet(BLOCKS[backbone], width).to(self.device)

    def voxels(self, maps: KernelMaps) -> SparseTensor:
        return SparseTensor(self.features, self.coordinates, maps=maps)

    def precision(self) -> contextlib.AbstractContextManager[object]:
        """Autocast in half precision. TF32 is switched on for all."""
        half = DTYPES[self.dtype] != torch.float32
        return torch.autocast(self.device.type, DTYPES[self.dtype]) if half else contextlib.nullcontext()


def sweep_voxels(input_name: str, device: torch.device) -> tuple[Tensor, Tensor]:
    """Features and cells of one sweep."""
    sweep, size_m = INPUTS[input_name]
    points = sweep()
    batch = Batch.from_points([points[:, :3].contiguous()], [points[:, 3].contiguous()])
    voxels = Voxeliser("cartesian", size_m, 1.0, 100.0)(batch).voxels
    return voxels.features.to(device), voxels.coordinates.to(device)
