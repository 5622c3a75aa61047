"""DINOv2 and its kin: plain vision transformers whose tokens are a grid of patches."""

from __future__ import annotations

import inspect
from collections.abc import Sequence as Series
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn

from lima.teachers.pretrained import image_statistics, load_network, network_config, settings_of, weights_of
from lima.teachers.teacher import check_pixels, frozen, key_of, normalised, resolved_layers


class VisionTransformerTeacher:
    """Patch tokens of a plain vision transformer: DINOv2 (with or without registers), DINOv3, ViT and the like.

    A layer's feature is the token as the block leaves it, before the network's last norm (also for the last block):
    what LiMA's base code takes. The class token and the registers stand before the patches and are left out. Several
    layers are concatenated in the order given. Blocks after the last one taken are not run.

    folder: as `save_pretrained` writes it. layers: blocks counted as in Python. device: where the network runs.
    """

    def __init__(self, name: str, folder: Path, layers: Series[int], device: torch.device | str = "cpu") -> None:
        from transformers import AutoModel

        config = network_config(folder)
        if not isinstance(config.get("patch_size"), int) or "num_hidden_layers" not in config:
            raise ValueError(
                f"{folder} holds a {config.get('model_type', 'network of unknown type')!r}, which is no plain vision "
                f"transformer: its config.json lacks patch_size or num_hidden_layers"
            )
        network = load_network(AutoModel, folder)
        blocks = _blocks(network, int(config["num_hidden_layers"]))
        self.name = name
        self.patch_px = int(config["patch_size"])
        self.layers = resolved_layers(layers, len(blocks), f"the {len(blocks)} blocks of {name}")
        self.dim = int(config["hidden_size"]) * len(self.layers)
        self._mean, self._std = image_statistics(folder)
        self._settings = settings_of(config)
        self._extra_tokens = 1 + int(config.get("num_register_tokens", 0))
        del blocks[max(self.layers) + 1 :]
        self._blocks = blocks
        self.network = frozen(network).to(device)
        self._device = torch.device(device)
        # Some members of the family refuse other sizes than they were trained with unless told to interpolate.
        interpolates = "interpolate_pos_encoding" in inspect.signature(network.forward).parameters
        self._options: dict[str, Any] = {"interpolate_pos_encoding": True} if interpolates else {}

    @cached_property
    def key(self) -> str:
        """Digest of the blocks that are run, and of the settings."""
        settings = {"layers": self.layers, "mean": self._mean, "std": self._std, "config": self._settings}
        return key_of(weights_of(self.network), settings)

    def features(self, pixels: UInt8[Tensor, "cams 3 height width"]) -> Float32[Tensor, "cams dim rows cols"]:
        """One feature per patch."""
        check_pixels(pixels, self.patch_px, self.name)
        rows, cols = (int(side) // self.patch_px for side in pixels.shape[2:])
        tokens: dict[int, Tensor] = {}

        def keep(layer: int, output: Tensor | tuple[Tensor, ...]) -> None:
            tokens[layer] = output[0] if isinstance(output, tuple) else output

        hooks = [
            self._blocks[layer].register_forward_hook(lambda _block, _inputs, output, layer=layer: keep(layer, output))
            for layer in set(self.layers)
        ]
        try:
            with torch.no_grad():
                self.network(normalised(pixels.to(self._device), self._mean, self._std), **self._options)
        finally:
            for hook in hooks:
                hook.remove()
        chosen = torch.cat([tokens[layer] for layer in self.layers], dim=2)
        if chosen.shape[1] != self._extra_tokens + rows * cols:
            raise ValueError(
                f"{self.name} gave {chosen.shape[1]} tokens instead of {self._extra_tokens} + {rows} x {cols}: "
                f"it does not keep one token per patch"
            )
        patches = chosen[:, self._extra_tokens :].transpose(1, 2)
        return patches.reshape(len(pixels), self.dim, rows, cols).to(pixels.device)


def _blocks(network: nn.Module, count: int) -> nn.ModuleList:
    """The list of transformer blocks, wherever this member of the family keeps it."""
    for module in network.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    raise ValueError(f"{type(network).__name__} has no list of {count} blocks: not a plain vision transformer")
