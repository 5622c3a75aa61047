"""What a teacher is: a frozen image network, and the few things that every family of them shares.

A teacher takes pictures as bytes and gives a map of features; how its family wants them normalised, which tokens are
not patches, and where its layers are, is its own business.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from collections.abc import Sequence as Series
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

FEATURES_VERSION = 1
"""Goes into every key: raise it when the same weights start to give other features."""


@runtime_checkable
class Teacher(Protocol):
    """A frozen image network. Nothing in it moves: no gradients, no statistics, no dropout.

    name: as it was asked for. key: hexadecimal digest of the weights, the layers and everything else that changes
    the features; equal keys, equal features. patch_px: edge of the square of pixels that one feature stands for.
    dim: length of a feature.
    """

    @property
    def name(self) -> str: ...

    @property
    def key(self) -> str: ...

    @property
    def patch_px(self) -> int: ...

    @property
    def dim(self) -> int: ...

    def features(self, pixels: UInt8[Tensor, "cams 3 height width"]) -> Float32[Tensor, "cams dim rows cols"]:
        """One feature per patch, rows from the top, columns from the left, on the device the pixels came from.

        Both sides of the images must be multiples of the patch; `lima.teachers.images.resized` makes them so.
        """
        ...


class TorchTeacher(Teacher, Protocol):
    """A teacher whose network is PyTorch's, from normalised images to whatever its family gives."""

    @property
    def network(self) -> nn.Module: ...


def check_pixels(pixels: Tensor, multiple_px: int, teacher: str) -> None:
    """Refuses what is not a batch of colour images in bytes whose sides are multiples of `multiple_px`."""
    if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[1] != 3:
        raise ValueError(
            f"pixels must be uint8 (cams, 3, height, width) with values 0 … 255, "
            f"got {str(pixels.dtype).removeprefix('torch.')} {tuple(pixels.shape)}"
        )
    height_px, width_px = pixels.shape[2:]
    if height_px % multiple_px or width_px % multiple_px or not height_px or not width_px:
        nearest = [max(1, round(side / multiple_px)) * multiple_px for side in (height_px, width_px)]
        raise ValueError(
            f"{teacher} needs images whose sides are multiples of {multiple_px} px, got {height_px} x {width_px}; "
            f"the nearest is {nearest[0]} x {nearest[1]} (image_height_px, image_width_px)"
        )


def normalised(
    pixels: UInt8[Tensor, "cams 3 height width"], mean: Series[float], std: Series[float]
) -> Float32[Tensor, "cams 3 height width"]:
    """Bytes as the network was trained to see them: scaled to 0 … 1, mean taken off, divided by the deviation."""
    mean_255 = torch.tensor(mean, dtype=torch.float32, device=pixels.device).view(3, 1, 1) * 255
    std_255 = torch.tensor(std, dtype=torch.float32, device=pixels.device).view(3, 1, 1) * 255
    return (pixels.float() - mean_255) / std_255


def resolved_layers(layers: Series[int], count: int, what: str) -> tuple[int, ...]:
    """Python-like indices as plain ones, in the order given: with 12 layers, (-1, 0) is (11, 0).

    what: what is counted, for the error ("the 12 blocks of …").
    """
    if not layers:
        raise ValueError(f"choose at least one of {what}: (-1,) is the last")
    if wrong := [layer for layer in layers if not -count <= layer < count]:
        raise ValueError(f"layer {wrong[0]} is not among {what}: 0 … {count - 1}, or -1 (last) … {-count}")
    return tuple(layer % count for layer in layers)


def frozen(network: nn.Module) -> nn.Module:
    """The network in single precision with nothing left that could move."""
    return network.float().eval().requires_grad_(False)


def key_of(weights: Mapping[str, Tensor], settings: Mapping[str, object]) -> str:
    """Digest of named weights and buffers, and of the settings that change what they give."""
    digest = hashlib.sha256(json.dumps([FEATURES_VERSION, dict(settings)], sort_keys=True).encode())
    for name, values in sorted(weights.items()):
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
