"""The image network that is distilled."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

Runtime = Literal["torch", "onnx", "onnx-int8"]


@dataclass(frozen=True)
class TeacherConfig:
    """The frozen image network. The image size is what the network sees; both sides must be multiples of its patch."""

    name: Annotated[str, arg(name="teacher")] = "tiny"
    """`tiny` (inside the package), a hub name such as facebook/dinov2-small, or a local folder"""
    layers: tuple[int, ...] = (-1,)
    """blocks whose tokens are taken, counted as in Python (-1 last, -2 penultimate), concatenated"""
    image_height_px: int = 224
    image_width_px: int = 448
    runtime: Runtime = "torch"
    """onnx: onnxruntime, faster on a CPU, equal but for rounding; onnx-int8: faster still, slightly other features"""


def default_cache_folder(data: Path) -> Path:
    """Where the teacher's features of a dataset are kept when nothing else is said: beside the dataset."""
    return data.with_name(data.name + ".features")
