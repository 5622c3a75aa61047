"""A pretrained LiDAR network in a product: load it, give it points, get one feature per point.

Needs no dataset, no teacher and no training code.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from collections.abc import Sequence as Series
from dataclasses import asdict
from pathlib import Path
from typing import overload

import numpy as np
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

Points = Tensor | np.ndarray
Sweeps = Series[Tensor] | Series[np.ndarray]


class Encoder:
    """A student in evaluation mode, without gradients. dim: width of the features."""

    def __init__(self, student: Student) -> None:
        self.student = student.eval().requires_grad_(False)
        self.dim = student.dim

    def to(self, device: torch.device | str) -> Encoder:
        """The same encoder with its weights on another device."""
        self.student.to(device)
        return self

    @overload
    def encode(self, points: Points, intensity: Points | None = None) -> Float[Tensor, "points dim"]: ...
    @overload
    def encode(self, points: Sweeps, intensity: Sweeps | None = None) -> list[Float[Tensor, "points dim"]]: ...
    def encode(self, points: Points | Sweeps, intensity: Points | Sweeps | None = None) -> Tensor | list[Tensor]:
        """The features of one sweep's points, or of several sweeps', given as a list and answered by a list.

        points: (points, 3) in metres, in the LiDAR's own frame: x, y in the plane, z up, the sensor at the origin; of
        torch or numpy. intensity: (points,) from 0 to 1; left out, it is the fourth column of points. Points farther
        than the student's range get zeros. Raises ValueError for other shapes, NaN, or an intensity beyond 0 … 1.
        """
        if isinstance(points, (Tensor, np.ndarray)):
            if not (intensity is None or isinstance(intensity, (Tensor, np.ndarray))):
                raise ValueError(
                    f"intensity must be a tensor or an array, ({len(points)},), as the points beside it, got a "
                    f"{type(intensity).__name__}: lists are for several sweeps"
                )
            return self.encode_batch(Batch.from_points(*[[part] for part in _sweep(points, intensity)]))
        if intensity is not None and len(intensity) != len(points):
            raise ValueError(f"{len(points)} sweeps of points do not go with {len(intensity)} of intensities")
        beside: Series[Points | None] = [None] * len(points) if intensity is None else list(intensity)
        sweeps = [_sweep(points[row], beside[row]) for row in range(len(points))]
        if not sweeps:
            return []
        together = self.encode_batch(Batch.from_points(*[list(parts) for parts in zip(*sweeps, strict=True)]))
        return list(together.split([len(one) for one, _ in sweeps]))

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


def _sweep(points: Points, intensity: Points | None) -> tuple[Tensor, Tensor]:
    """Points and intensities of one sweep as tensors in single precision."""
    points = torch.as_tensor(points)
    if intensity is None:
        if points.ndim != 2 or points.shape[1] != 4:
            raise ValueError(
                f"points without an intensity beside them must be (points, 4), x, y, z, intensity, got "
                f"{tuple(points.shape)}"
            )
        points, intensity = points[:, :3], points[:, 3]
    intensity = torch.as_tensor(intensity)
    if points.ndim != 2 or points.shape[1] != 3:
        hint = ": transposed?" if points.ndim == 2 and points.shape[0] == 3 else ""
        raise ValueError(f"points must be (points, 3), got {tuple(points.shape)}{hint}")
    if intensity.shape != points.shape[:1]:
        raise ValueError(f"intensity must be ({len(points)},), one per point, got {tuple(intensity.shape)}")
    return points.float(), intensity.float()


def save_student(folder: Path, student: Student, config: StudentConfig) -> None:
    """Writes `student.safetensors` (weights) and `student.json` (all that is needed to use them) into the folder."""
    description = {
        "student": asdict(config),
        "inputs": inputs_of(config),
        "dim": student.dim,
        "lima_version": __version__,
    }
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in student.state_dict().items()}
    write_beside(folder / WEIGHTS_FILE, lambda path: save_file(weights, path))
    write_beside(folder / DESCRIPTION_FILE, lambda path: path.write_text(json.dumps(description, indent=2) + "\n"))


def load_encoder(path: Path | str) -> Encoder:
    """The encoder that a run has left: `path` is the run's folder, or its student.safetensors or student.json.

    Raises FileNotFoundError where a file is missing, and ValueError where the description is not one, was written
    for other inputs than this version computes, or does not fit the weights.
    """
    folder = encoder_folder(Path(path))
    for name in (DESCRIPTION_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder / name} is missing: an encoder is read from the folder of a pretraining run, which holds "
                f"{WEIGHTS_FILE} and {DESCRIPTION_FILE}"
            )
    student = build_student(read_student_config(folder))
    _load_weights(student, folder / WEIGHTS_FILE)
    return Encoder(student)


def encoder_folder(path: Path) -> Path:
    """The folder that `load_encoder` reads for a path: itself, or that of the student.safetensors or student.json."""
    return path.parent if path.name in (WEIGHTS_FILE, DESCRIPTION_FILE) else path


def write_beside(path: Path, write: Callable[[Path], object]) -> None:
    """Writes beside the file, then renames, so that no reader ever meets half of it. Makes the folder it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
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
