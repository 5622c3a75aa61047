"""A pretrained LiDAR network in a product: load it, give it points, get one feature per point.

Needs no dataset, no teacher and no training code.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lima import __version__
from lima.config import StudentConfig
from lima.scene import Batch
from lima.students.student import Student, build_student, inputs_of

WEIGHTS_FILE = "student.safetensors"
DESCRIPTION_FILE = "student.json"
LISTED_PROBLEMS = 8


class Encoder:
    """A student in evaluation mode, without gradients. dim: width of the features."""

    def __init__(self, student: Student) -> None:
        self.student = student.eval().requires_grad_(False)
        self.dim = student.dim

    def to(self, device: torch.device | str) -> Encoder:
        """The same encoder with its weights on another device."""
        self.student.to(device)
        return self

    def encode(self, points: Tensor, intensity: Tensor) -> Float[Tensor, "points dim"]:
        """The features of one sweep's points.

        points: (points, 3) in metres, in the LiDAR's own frame: x, y in the plane, z up, the sensor at the origin.
        intensity: (points,) from 0 to 1. Points farther than the student's range get zeros.
        Raises ValueError for other shapes, NaN, or an intensity beyond 0 … 1.
        """
        if points.ndim != 2 or points.shape[1] != 3:
            hint = ": transposed?" if points.ndim == 2 and points.shape[0] == 3 else ""
            raise ValueError(f"points must be (points, 3), got {tuple(points.shape)}{hint}")
        if intensity.shape != points.shape[:1]:
            raise ValueError(f"intensity must be ({len(points)},), one per point, got {tuple(intensity.shape)}")
        return self.encode_batch(Batch.from_points([points.float()], [intensity.float()]))

    @torch.no_grad()
    def encode_batch(self, batch: Batch) -> Float[Tensor, "points dim"]:
        """The features of several sweeps' points, laid end to end as in the batch. Raises as `encode` does."""
        finite = torch.isfinite(batch.points_lidar).all(dim=1) & torch.isfinite(batch.intensity)
        if not bool(finite.all()):
            raise ValueError(f"points must be finite, {int((~finite).sum())} of {len(finite)} are NaN or infinite")
        if len(finite) and not (float(batch.intensity.min()) >= 0 and float(batch.intensity.max()) <= 1):
            lowest, highest = float(batch.intensity.min()), float(batch.intensity.max())
            hint = ": divide 0 … 255 by 255" if 1 < highest <= 255 and lowest >= 0 else ""
            raise ValueError(f"intensity must lie in 0 … 1, got {lowest:g} … {highest:g}{hint}")
        device = next(self.student.parameters()).device
        return self.student(batch.to(device))


def save_student(folder: Path, student: Student, config: StudentConfig) -> None:
    """Writes `student.safetensors` (weights) and `student.json` (all that is needed to use them) into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    description = {
        "student": asdict(config),
        "inputs": inputs_of(config),
        "dim": student.dim,
        "lima_version": __version__,
    }
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in student.state_dict().items()}
    _replace(folder / WEIGHTS_FILE, lambda path: save_file(weights, path))
    _replace(folder / DESCRIPTION_FILE, lambda path: path.write_text(json.dumps(description, indent=2) + "\n"))


def load_encoder(path: Path | str) -> Encoder:
    """The encoder that a run has left: `path` is the run's folder, or its student.safetensors or student.json.

    Raises FileNotFoundError where a file is missing, and ValueError where the description is not one, was written
    for other inputs than this version computes, or does not fit the weights.
    """
    path = Path(path)
    folder = path.parent if path.name in (WEIGHTS_FILE, DESCRIPTION_FILE) else path
    for name in (DESCRIPTION_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder / name} is missing: an encoder is read from the folder of a pretraining run, which holds "
                f"{WEIGHTS_FILE} and {DESCRIPTION_FILE}"
            )
    student = build_student(read_student_config(folder))
    _load_weights(student, folder / WEIGHTS_FILE)
    return Encoder(student)


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Writes beside the file, then renames, so that no reader ever meets half of it."""
    beside = path.with_name(path.name + ".part")
    write(beside)
    os.replace(beside, path)


def read_student_config(folder: Path) -> StudentConfig:
    """The settings of the student in a folder, from its student.json. Raises as `load_encoder` does."""
    file = folder / DESCRIPTION_FILE
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing: it is in the folder of a run that has finished")
    try:
        description = json.loads(file.read_text())
        config = StudentConfig(**description["student"])
        inputs = description["inputs"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{file} does not describe a student of this version of lima ({__version__}): {error!r}"
        ) from error
    computed = inputs_of(config)
    if inputs != computed:
        raise ValueError(
            f"{file}: the student was trained on the inputs {inputs}, this version of lima ({__version__}) computes "
            f"{computed}: use the version that wrote it, {description.get('lima_version')}"
        )
    return config


def _load_weights(student: Student, file: Path) -> None:
    try:
        weights = load_file(file)
    except SafetensorError as error:
        raise ValueError(f"{file} is not a whole safetensors file: {error}") from error
    expected = student.state_dict()
    problems = [f"{name} is missing" for name in expected if name not in weights]
    problems += [f"{name} is not part of the network" for name in weights if name not in expected]
    problems += [
        f"{name} is {tuple(weights[name].shape)}, the network needs {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    if problems:
        listed = "; ".join(problems[:LISTED_PROBLEMS])
        more = f"; and {len(problems) - LISTED_PROBLEMS} more" if len(problems) > LISTED_PROBLEMS else ""
        raise ValueError(f"{file} does not fit the network of {DESCRIPTION_FILE} beside it: {listed}{more}")
    student.load_state_dict(weights)
