"""A student with a head: a class for every point of a sweep; and the folder that fine-tuning leaves."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Float64, Int64
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lima import __version__
from lima.config import SegmentationHead, StudentConfig
from lima.encoder import load_encoder, save_student
from lima.evaluate.nearest import nearest_point
from lima.evaluate.segmentation.head import build_head
from lima.scene import Batch, Frame
from lima.students.student import Student
from lima.train.run_folder import write_atomically

HEAD_FILE = "head.safetensors"
DESCRIPTION_FILE = "segmenter.json"


class Segmenter(nn.Module):
    """class_names: position 0 is the ignored class, which is never predicted; the head scores those from 1 up."""

    def __init__(self, student: Student, class_names: tuple[str, ...], head: SegmentationHead = "linear") -> None:
        if len(class_names) < 2:
            raise ValueError(f"the ignored class and at least one more are needed, got {class_names}")
        super().__init__()
        self.student = student
        self.class_names = class_names
        self.head_kind = head
        self.head = build_head(head, student.dim, len(class_names) - 1)

    def forward(self, batch: Batch) -> Float[Tensor, "points scores"]:
        """Scores of the classes from 1 up. Those of points out of the student's range mean nothing."""
        features = self.student(batch)
        if self.head_kind == "linear":
            return self.head(features)
        # other heads hold batch norms, whose statistics the zeros of points out of range would spoil
        inside = self.student.in_range(batch)
        scores = self.head(features[inside])
        return scores.new_zeros(len(inside), scores.shape[1]).masked_scatter(inside[:, None], scores)

    @torch.no_grad()
    def predict(self, frame: Frame, views: int = 1) -> Int64[Tensor, "points"]:
        """The class, from 1 up, of every point of the frame's sweep, on the CPU. In evaluation mode.

        Points out of the student's range take the class of the nearest point in it, so that every original point has
        one. views: more than one averages the probabilities over so many turned and flipped copies of the sweep
        (`views_of_a_sweep`): test-time augmentation, which results have to name.
        """
        assert not self.training, "a segmenter predicts in evaluation mode"
        device = next(self.parameters()).device
        points, intensity = frame.sweep.points_lidar.to(device), frame.sweep.intensity.to(device)
        total = torch.zeros(len(points), len(self.class_names) - 1, device=device)
        known = torch.zeros(len(points), dtype=torch.bool, device=device)
        for matrix in views_of_a_sweep(views):
            batch = Batch.from_points([points @ matrix.to(points).T], [intensity]).to(device)
            inside = self.student.in_range(batch)
            total += self(batch).float().softmax(dim=1) * inside[:, None]
            known |= inside
        if not bool(known.any()):
            raise ValueError(f"no point of frame {frame.token} ({frame.sequence}) is within the student's range")
        classes = total.argmax(dim=1) + 1
        classes[~known] = classes[known][nearest_point(points[~known], points[known])]
        return classes.cpu()


def views_of_a_sweep(views: int) -> list[Float64[Tensor, "3 3"]]:
    """So many copies of a sweep: turned about the vertical by equal steps, every other one mirrored. The first is as
    it is. Raises ValueError for none."""
    if views < 1:
        raise ValueError(f"a sweep is looked at once or more often, got {views} views")
    matrices = []
    for view in range(views):
        angle = 2 * math.pi * view / views
        turn = torch.tensor([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])
        matrices.append(turn.double() @ torch.diag(torch.tensor([1.0, -1.0 if view % 2 else 1.0, 1.0]).double()))
    return matrices


def save_segmenter(folder: Path, segmenter: Segmenter, config: StudentConfig, about: dict[str, Any]) -> None:
    """Writes student.safetensors and student.json (as `load_encoder` reads them), head.safetensors and segmenter.json.

    about: what else segmenter.json is to say, such as the protocol and the hash of the labels.
    """
    save_student(folder, segmenter.student, config)
    beside = folder / (HEAD_FILE + ".part")
    save_file(
        {name: tensor.detach().cpu().contiguous() for name, tensor in segmenter.head.state_dict().items()}, beside
    )
    beside.replace(folder / HEAD_FILE)
    description = {
        "class_names": list(segmenter.class_names),
        "head": segmenter.head_kind,
        **about,
        "lima_version": __version__,
    }
    write_atomically(folder / DESCRIPTION_FILE, json.dumps(description, indent=1, allow_nan=False) + "\n")


def read_description(folder: Path) -> dict[str, Any]:
    """segmenter.json of a fine-tuned folder. Raises FileNotFoundError, ValueError."""
    file = folder / DESCRIPTION_FILE
    if not file.is_file():
        raise FileNotFoundError(
            f"{file} is missing: {folder} is not a folder of fine-tuning that has finished (lima finetune RUN DATA "
            f"--out {folder})"
        )
    try:
        description = json.loads(file.read_text())
        description["class_names"], description["head"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{file} does not describe a segmenter of this version of lima: {error!r}") from error
    return description


def load_segmenter(folder: Path) -> Segmenter:
    """What fine-tuning left in the folder, in evaluation mode and without gradients.

    Raises FileNotFoundError where it is none, ValueError where the files do not belong together.
    """
    description = read_description(folder)
    segmenter = Segmenter(load_encoder(folder).student, tuple(description["class_names"]), description["head"])
    file = folder / HEAD_FILE
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing: it is written by fine-tuning (lima finetune)")
    try:
        segmenter.head.load_state_dict(load_file(file))
    except RuntimeError as error:
        raise ValueError(f"{file} does not fit the head of {DESCRIPTION_FILE} beside it: {error}") from None
    return segmenter.eval().requires_grad_(False)
