"""Frozen image networks, behind one small interface, and the cache of what they see."""

from __future__ import annotations

from collections.abc import Sequence as Series

import torch

from lima.config import Runtime
from lima.teachers.teacher import Teacher, TorchTeacher


def load_teacher(
    name: str, layers: Series[int] = (-1,), device: torch.device | str = "cpu", runtime: Runtime = "torch"
) -> Teacher:
    """A frozen teacher.

    name: `tiny` (inside the package), a hub name such as facebook/dinov2-small, or a folder with config.json and
    model.safetensors. layers: blocks of a plain transformer, or stages of SAM 2's encoder, counted as in Python
    (-1 the last); several are concatenated. device: where the network runs; features come back to where the pixels are.
    runtime: what runs it; onnxruntime runs on the CPU alone.

    Raises FileNotFoundError where there is no such teacher, ValueError for a layer it does not have or a runtime that
    is not for the device, ImportError for a runtime that is not installed.
    """
    if runtime == "torch":
        return _torch_teacher(name, layers, device)
    if torch.device(device).type != "cpu":
        raise ValueError(
            f"--runtime {runtime} runs on the CPU, the teacher is to run on {device}: leave the runtime out"
        )
    from lima.teachers.onnx_runtime import OnnxTeacher

    return OnnxTeacher(_torch_teacher(name, layers, device), int8=runtime == "onnx-int8")


def _torch_teacher(name: str, layers: Series[int], device: torch.device | str) -> TorchTeacher:
    if name == "tiny":
        from lima.teachers.tiny import TinyTeacher

        return TinyTeacher(layers, device=device)

    from lima.teachers.pretrained import local_folder, network_config

    folder = local_folder(name)
    if str(network_config(folder).get("model_type", "")).startswith("sam2"):
        from lima.teachers.sam2 import Sam2Teacher

        return Sam2Teacher(name, folder, layers, device)

    from lima.teachers.dinov2 import VisionTransformerTeacher

    return VisionTransformerTeacher(name, folder, layers, device)
