"""The teacher inside the package: a small network that has learned to see like a large one.

It was distilled from SAM 2's Hiera (`distil_tiny.py` is the recipe, docs/teachers.md the measurements), so that a demo
and the tests need no download. For results, use a large teacher.
"""

from __future__ import annotations

import json
from collections.abc import Sequence as Series
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float32, UInt8
from safetensors import safe_open
from torch import Tensor, nn

from lima.teachers.teacher import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    check_pixels,
    frozen,
    key_of,
    normalised,
    resolved_layers,
)

WEIGHTS = Path(__file__).with_name("weights") / "tiny.safetensors"
PATCH_PX = 8


@dataclass(frozen=True)
class TinyShape:
    """Sizes of the network. fine: channels at stride 8; coarse: at stride 16, where context is gathered."""

    dim: int = 64
    fine: int = 96
    fine_blocks: int = 2
    coarse: int = 192
    coarse_blocks: int = 4
    heads: int = 4


class TinyNetwork(nn.Module):
    """Convolutions down to stride 16, attention over the whole picture there, and back up to stride 8.

    Positions come from the convolutions' zero padding alone, so any image size works whose sides are multiples of 8.
    """

    def __init__(self, shape: TinyShape) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv(3, 24), _conv(24, 48), _conv(48, shape.fine))
        self.fine = nn.Sequential(*(MixingBlock(shape.fine) for _ in range(shape.fine_blocks)))
        self.down = _conv(shape.fine, shape.coarse)
        first = shape.coarse_blocks // 2
        self.coarse = nn.Sequential(
            *(MixingBlock(shape.coarse) for _ in range(first)),
            AttentionBlock(shape.coarse, shape.heads),
            *(MixingBlock(shape.coarse) for _ in range(shape.coarse_blocks - first)),
        )
        self.up = nn.Conv2d(shape.coarse, shape.fine, 1)
        self.fuse = MixingBlock(shape.fine)
        self.head = nn.Conv2d(shape.fine, shape.dim, 1)

    def forward(self, images: Float32[Tensor, "batch 3 height width"]) -> Float32[Tensor, "batch dim rows cols"]:
        """Features at stride 8 of normalised images."""
        fine = self.fine(self.stem(images))
        context = self.up(self.coarse(self.down(fine)))
        context = F.interpolate(context, size=fine.shape[2:], mode="bilinear", align_corners=False)
        return self.head(self.fuse(fine + context))


class MixingBlock(nn.Module):
    """A ConvNeXt block with batch norm: neighbours are mixed per channel, then channels per position."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.neighbours = nn.Conv2d(channels, channels, 7, padding=3, groups=channels, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.widen = nn.Conv2d(channels, 3 * channels, 1)
        self.narrow = nn.Conv2d(3 * channels, channels, 1)

    def forward(self, values: Float32[Tensor, "batch dim rows cols"]) -> Float32[Tensor, "batch dim rows cols"]:
        return values + self.narrow(F.relu(self.widen(self.norm(self.neighbours(values))), inplace=True))


class AttentionBlock(nn.Module):
    """Every position looks at every other."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(1, channels)
        self.query_key_value = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, values: Float32[Tensor, "batch dim rows cols"]) -> Float32[Tensor, "batch dim rows cols"]:
        batch, channels, rows, cols = values.shape
        parts = self.query_key_value(self.norm(values)).reshape(batch, 3, self.heads, channels // self.heads, -1)
        query, key, value = parts.transpose(3, 4).unbind(1)
        looked = F.scaled_dot_product_attention(query, key, value)
        return values + self.out(looked.transpose(2, 3).reshape(batch, channels, rows, cols))


class TinyTeacher:
    """The embedded teacher: stride 8, a few ms per image. It has one layer, its output.

    weights: a file that `distil_tiny` wrote.
    """

    def __init__(
        self, layers: Series[int] = (-1,), weights: Path = WEIGHTS, device: torch.device | str = "cpu"
    ) -> None:
        resolved_layers(layers, 1, "the single output of the tiny teacher")
        if len(layers) > 1:
            raise ValueError(f"the tiny teacher has one layer, its output; got {tuple(layers)}: use (-1,)")
        network, shape = load_tiny(weights)
        self.name = "tiny"
        self.patch_px = PATCH_PX
        self.dim = shape.dim
        self.network = frozen(network).to(device)
        self._device = torch.device(device)

    @cached_property
    def key(self) -> str:
        """Digest of the weights and of the statistics the images are normalised with."""
        return key_of(self.network.state_dict(), {"mean": IMAGENET_MEAN, "std": IMAGENET_STD, "kind": "tiny"})

    def features(self, pixels: UInt8[Tensor, "cams 3 height width"]) -> Float32[Tensor, "cams dim rows cols"]:
        """One feature per 8 x 8 pixels."""
        check_pixels(pixels, self.patch_px, "the tiny teacher")
        images = normalised(pixels.to(self._device), IMAGENET_MEAN, IMAGENET_STD)
        with torch.no_grad():
            values = self.network(images.contiguous(memory_format=torch.channels_last))
        return values.contiguous().to(pixels.device)


def load_tiny(path: Path) -> tuple[TinyNetwork, TinyShape]:
    """A network of this kind from the file `distil_tiny` wrote: half-precision weights, the sizes in the metadata."""
    if not path.is_file():
        raise FileNotFoundError(f"the tiny teacher's weights {path} are not there: is the installation complete?")
    with safe_open(path, framework="pt") as file:
        shape = TinyShape(**json.loads(file.metadata()["shape"]))
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    network = TinyNetwork(shape)
    wanted = {name for name in network.state_dict() if not name.endswith("num_batches_tracked")}
    if wanted != set(state):
        raise ValueError(f"{path} does not fill the network, it differs in {sorted(wanted ^ set(state))[:3]} …")
    network.load_state_dict({name: values.float() for name, values in state.items()}, strict=False)
    return network, shape


def shape_as_text(shape: TinyShape) -> str:
    """The sizes as they stand in the file's metadata."""
    return json.dumps(asdict(shape), sort_keys=True)


def _conv(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )
