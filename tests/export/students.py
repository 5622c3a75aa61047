"""Students whose statistics and weights are nowhere at their beginnings, so that nothing is left out unnoticed."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from lima.config import StudentConfig
from lima.encoder import save_student
from lima.students.student import Student, build_student

MINKUNET = StudentConfig(backbone="minkunet18", width=0.25)
SPUNET = StudentConfig(backbone="spunet18", width=0.25)
VOXELNET = StudentConfig(backbone="voxelnet", voxel_size_m=0.5)


def unsettled(config: StudentConfig) -> Student:
    """Random statistics, scales and biases."""
    torch.manual_seed(0)
    student = build_student(config)
    for module in student.modules():
        if isinstance(module, nn.BatchNorm1d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
        bias = getattr(module, "bias", None)
        if isinstance(bias, nn.Parameter) and not isinstance(module, nn.BatchNorm1d):
            nn.init.uniform_(bias, -0.5, 0.5)
    return student.eval()


def saved(folder: Path, config: StudentConfig) -> Path:
    """A run's folder with such a student."""
    save_student(folder, unsettled(config), config)
    return folder
