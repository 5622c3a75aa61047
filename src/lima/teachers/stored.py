"""One file of the feature cache: the features of one frame, and what tells that they are whole and whose they are."""

from __future__ import annotations

import json
import os
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float16, Float32
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lima.scene import Frame

LARGEST_HALF = 65504.0
SAME_PLACE_M = 0.01


class DamagedFileError(Exception):
    """A file that is not what was written."""


@dataclass(frozen=True, eq=False)
class Stored:
    """What a file holds: the features, the teacher's key, and the cameras: their names, times and places."""

    features: Float16[Tensor, "cams dim rows cols"]
    teacher_key: str
    token: str
    cameras: tuple[str, ...]
    timestamps_ns: tuple[int, ...]
    centres_world_m: tuple[tuple[float, ...], ...]

    @staticmethod
    def of_frame(frame: Frame, features: Float32[Tensor, "cams dim rows cols"], teacher_key: str) -> Stored:
        """Features of a frame's images, rounded. Raises ValueError for what half precision cannot hold."""
        largest = float(features.abs().max())
        if not largest <= LARGEST_HALF:
            raise ValueError(
                f"the teacher's features of frame {frame.token} reach {largest:g}; the cache keeps half precision, "
                f"which ends at {LARGEST_HALF:g}: are the weights damaged?"
            )
        return Stored(features.half(), teacher_key, frame.token, *_cameras_of(frame))

    def check_belongs_to(self, frame: Frame, path: Path) -> None:
        """Raises ValueError unless the frame's cameras are those the features were made from."""
        names, timestamps_ns, centres_world_m = _cameras_of(frame)
        if names != self.cameras:
            difference = f"it has cameras {', '.join(self.cameras)}, the frame has {', '.join(names)}"
        elif timestamps_ns != self.timestamps_ns:
            difference = "its images were taken at other times"
        elif not torch.allclose(
            torch.tensor(centres_world_m, dtype=torch.float64),
            torch.tensor(self.centres_world_m, dtype=torch.float64),
            rtol=0,
            atol=SAME_PLACE_M,
        ):
            difference = "its images were taken from other places"
        else:
            return
        raise ValueError(
            f"{path} does not belong to frame {frame.token}: {difference}. If the dataset was made anew, remove "
            f"{path.parent}; if two datasets share the cache, give each its own (--cache FOLDER)"
        )


def write_stored(path: Path, stored: Stored) -> None:
    """Writes the file so that nobody ever sees half of it. The folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{os.getpid()}-{uuid.uuid4().hex}.partial")
    about = {
        "teacher": stored.teacher_key,
        "token": stored.token,
        "cameras": stored.cameras,
        "timestamps_ns": stored.timestamps_ns,
        "centres_world_m": stored.centres_world_m,
        "crc32": _checksum(stored.features),
    }
    try:
        save_file({"features": stored.features.contiguous()}, partial, metadata={"about": json.dumps(about)})
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OSError(error.errno, f"could not store features ({error.strerror or error})", str(path)) from error


def read_stored(path: Path, shape: tuple[int, int, int, int], teacher_key: str) -> Stored:
    """Reads and verifies a file. The number of cameras is judged by `check_belongs_to`, which can name them.

    Raises DamagedFileError with the reason where the file is not what a teacher with this key and features of this
    shape has written.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads(file.metadata()["about"])
            features = file.get_tensor("features")
        stored = Stored(
            features,
            about["teacher"],
            about["token"],
            tuple(about["cameras"]),
            tuple(about["timestamps_ns"]),
            tuple(tuple(centre) for centre in about["centres_world_m"]),
        )
        checksum = about["crc32"]
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DamagedFileError(f"{type(error).__name__} {error}") from error
    if stored.teacher_key != teacher_key:
        raise DamagedFileError("it was made by another teacher")
    if (
        features.dtype != torch.float16
        or tuple(features.shape[1:]) != shape[1:]
        or len(features) != len(stored.cameras)
    ):
        raise DamagedFileError(f"features {tuple(features.shape)} {features.dtype}, expected {shape} torch.float16")
    if _checksum(features) != checksum:
        raise DamagedFileError("its checksum does not match")
    return stored


def _checksum(features: Float16[Tensor, "cams dim rows cols"]) -> int:
    return zlib.crc32(features.contiguous().numpy().data)


def _cameras_of(frame: Frame) -> tuple[tuple[str, ...], tuple[int, ...], tuple[tuple[float, ...], ...]]:
    # The product of the two poses would be checked for being rigid, which costs as much as reading the file.
    centres = [image.world_from_ego.apply(image.ego_from_cam.translation_m[None])[0] for image in frame.images]
    return (
        tuple(image.name for image in frame.images),
        tuple(image.timestamp_ns for image in frame.images),
        tuple(tuple(centre.tolist()) for centre in centres),
    )
