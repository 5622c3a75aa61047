"""The feature cache: a teacher looks at every keyframe once, and never again.

One file per frame, written beside and then renamed, so that a file is either whole or not there: filling can be
stopped at any moment, and several processes may fill one folder at once. At worst two of them look at the same frame
and write the same file.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator
from collections.abc import Sequence as Series
from itertools import islice
from pathlib import Path
from urllib.parse import quote

import torch
from jaxtyping import Float32, UInt8
from rich.console import Console
from torch import Tensor

from lima.scene import Frame, Sequence
from lima.teachers.filling import check_space, cost_in_words, counted, read_ahead, remove_leftovers
from lima.teachers.images import resized
from lima.teachers.stored import DamagedFileError, Stored, read_stored, write_stored
from lima.teachers.teacher import Teacher

FRAMES_TO_MEASURE = 3
"""Looked at before the cost is announced; the first of them is slow for reasons of its own."""


class FeatureCache:
    """Features of frames, read from a folder, or computed and stored there in half precision.

    Below `folder` there is one folder per teacher (its key) and image size, so that features of different settings
    never meet. A frame is known by its token; which cameras saw it, when and from where, is kept beside the features
    and compared on reading, because formats without tokens call frames by name and number, as another dataset may.
    """

    def __init__(self, folder: Path, teacher: Teacher, image_height_px: int, image_width_px: int) -> None:
        readable = quote(Path(teacher.name).name, safe="")
        self.folder = folder / f"{readable}-{teacher.key[:16]}-{image_height_px}x{image_width_px}"
        self._teacher = teacher
        self._height_px, self._width_px = image_height_px, image_width_px

    def features(self, frame: Frame) -> Float32[Tensor, "cams dim rows cols"]:
        """What the teacher sees in the frame's images, in their order, rounded to half precision.

        A file that is damaged is made again, with a warning that names it. Raises ValueError where the file belongs
        to other cameras than the frame's.
        """
        path = self.path(frame.token)
        if path.exists():
            try:
                stored = read_stored(path, self._shape(len(frame.images)), self._teacher.key)
            except DamagedFileError as damage:
                warnings.warn(f"{path} is damaged, its features are computed again: {damage}", stacklevel=2)
            else:
                stored.check_belongs_to(frame, path)
                return stored.features.float()
        return self._look(frame, self._pixels(frame))

    def path(self, token: str) -> Path:
        """Where the features of the frame with this token are, or will be."""
        return self.folder / f"{quote(token, safe='')}.safetensors"

    def missing(self, sequences: Series[Sequence]) -> list[tuple[Sequence, int]]:
        """The frames whose features are not stored yet: their sequence and their position in it."""
        stored = {entry.name for entry in os.scandir(self.folder)} if self.folder.is_dir() else set()
        return [
            (sequence, index)
            for sequence in sequences
            for index, token in enumerate(sequence.tokens)
            if self.path(token).name not in stored
        ]

    def fill(self, sequences: Series[Sequence], console: Console | None = None) -> None:
        """Looks at every frame that is not stored yet; says what it costs in space and time after the first few.

        Raises OSError before the work where the disk is too small for it.
        """
        console = console or Console()
        missing = self.missing(sequences)
        if not missing:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.folder)
        # Processes that fill the same folder start at different places, so that they share the work.
        start = os.getpid() % len(missing)
        frames = self._read_ahead(missing[start:] + missing[:start])

        times_s = [time.monotonic()]
        frame_bytes = 0
        for frame, pixels in islice(frames, FRAMES_TO_MEASURE):
            frame_bytes = self._look(frame, pixels).numel() * 2
            times_s.append(time.monotonic())
        steady = times_s[1:] if len(times_s) > 2 else times_s
        frame_s = (steady[-1] - steady[0]) / max(1, len(steady) - 1)
        left = len(missing) - len(times_s) + 1
        total = sum(len(sequence) for sequence in sequences)
        console.print(
            f"teacher {self._teacher.name} at {self._height_px} x {self._width_px}: {len(missing)} of {total} frames "
            f"to look at, {cost_in_words(frame_bytes * len(missing), frame_s * left)}, into {self.folder}",
            highlight=False,
            soft_wrap=True,
        )
        check_space(self.folder, frame_bytes * left)
        for frame, pixels in counted(frames, left, "images to features", console):
            self._look(frame, pixels)

    def _read_ahead(self, places: Series[tuple[Sequence, int]]) -> Iterator[tuple[Frame, Tensor]]:
        """Frames and their pixels, without those that another process has stored meanwhile."""

        def read(place: tuple[Sequence, int]) -> tuple[Frame, Tensor] | None:
            sequence, index = place
            if self.path(sequence.tokens[index]).exists():
                return None
            frame = sequence.frame(index)
            return frame, self._pixels(frame)

        return (found for found in read_ahead(places, read) if found is not None)

    def _pixels(self, frame: Frame) -> UInt8[Tensor, "cams 3 height width"]:
        images = [resized(image.read_pixels(), self._height_px, self._width_px) for image in frame.images]
        if not images:
            raise ValueError(f"frame {frame.token} has no images: a teacher has nothing to look at")
        return torch.stack(images)

    def _look(
        self, frame: Frame, pixels: UInt8[Tensor, "cams 3 height width"]
    ) -> Float32[Tensor, "cams dim rows cols"]:
        features = self._teacher.features(pixels).cpu()
        assert tuple(features.shape) == self._shape(len(pixels)), f"{self._teacher.name} gave {tuple(features.shape)}"
        stored = Stored.of_frame(frame, features, self._teacher.key)
        write_stored(self.path(frame.token), stored)
        return stored.features.float()

    def _shape(self, cams: int) -> tuple[int, int, int, int]:
        patch_px = self._teacher.patch_px
        return (cams, self._teacher.dim, self._height_px // patch_px, self._width_px // patch_px)
