"""The pictures the tiny teacher learns from, and what its teacher sees in them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence as Series
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from lima.teachers.images import resized
from lima.teachers.teacher import Teacher

SUFFIXES = {".jpg", ".jpeg", ".png"}
TINY_SIZE_PX = (224, 448)
TEACHER_SIZE_PX = (320, 640)
"""The large teacher looks at more pixels than the small network will: its features are better for it."""


@dataclass(frozen=True)
class View:
    """A rectangle of a picture: left, top, right, bottom as fractions of its sides."""

    path: Path
    box: tuple[float, float, float, float]

    def pixels(self) -> UInt8[Tensor, "3 height width"]:
        """The rectangle as it is in the file, grey pictures made into colour ones."""
        with Image.open(self.path) as image:
            left, top, right, bottom = self.box
            horizontal = round(left * image.width), round(right * image.width)
            vertical = round(top * image.height), round(bottom * image.height)
            crop = image.convert("RGB").crop((horizontal[0], vertical[0], horizontal[1], vertical[1]))
        return torch.from_numpy(np.array(crop)).permute(2, 0, 1).contiguous()

    @property
    def digest(self) -> str:
        """Names the view by the picture's bytes and the rectangle."""
        return hashlib.sha256(self.path.read_bytes() + repr(self.box).encode()).hexdigest()


def choose_views(
    simulated: Series[Path], photographs: Series[Path], views_per_photograph: int, seed: int
) -> list[View]:
    """Which rectangles of which pictures to learn from; the same folders and seed give the same.

    A simulated picture gives one view, six in ten the whole picture; photographs, of which there are few, give many.
    """
    rng = np.random.default_rng(seed)
    views = []
    for path in pictures(simulated):
        whole = rng.random() < 0.6
        views.append(View(path, (0.0, 0.0, 1.0, 1.0) if whole else _random_box(rng, smallest=0.5)))
    for path in pictures(photographs):
        views += [View(path, _random_box(rng, smallest=0.35)) for _ in range(views_per_photograph)]
    return views


def pictures(folders: Series[Path]) -> list[Path]:
    """Every picture below the folders, in an order that does not depend on the file system."""
    found = []
    for folder in folders:
        below = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not below:
            raise FileNotFoundError(f"no pictures ({', '.join(sorted(SUFFIXES))}) below {folder}")
        found += below
    return found


def look(teacher: Teacher, views: Series[View], folder: Path) -> list[Path]:
    """What the teacher sees in every view: one file each with `pixels` and `features`. Files that exist are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    start_s, looked = time.monotonic(), 0
    for position, view in enumerate(views, start=1):
        path = folder / f"{view.digest[:24]}-{teacher.key[:12]}.safetensors"
        files.append(path)
        if path.exists():
            continue
        pixels = view.pixels()
        features = teacher.features(resized(pixels, *TEACHER_SIZE_PX)[None])[0]
        partial = path.with_suffix(".partial")
        save_file({"pixels": resized(pixels, *TINY_SIZE_PX), "features": features.half()}, partial)
        partial.replace(path)
        looked += 1
        if looked % 25 == 1:
            left_s = (time.monotonic() - start_s) / looked * (len(views) - position)
            print(f"teacher: view {position} of {len(views)}, at most {left_s / 60:.1f} min left", flush=True)
    return files


def _random_box(rng: np.random.Generator, smallest: float) -> tuple[float, float, float, float]:
    """A rectangle of a random size, its sides scaled alike, at a random place."""
    size = rng.uniform(smallest, 1.0)
    left, top = rng.uniform(0, 1 - size, 2)
    return (float(left), float(top), float(left + size), float(top + size))
