"""SAM 2's image encoder Hiera: a transformer in four stages, each half as fine and twice as wide as the one before."""

from __future__ import annotations

from collections.abc import Sequence as Series
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float32, UInt8
from torch import Tensor

from lima.teachers.pretrained import image_statistics, load_network, network_config, settings_of, weights_of
from lima.teachers.teacher import check_pixels, frozen, key_of, normalised, resolved_layers


class Sam2Teacher:
    """What the stages of SAM 2's Hiera encoder give, before the feature pyramid.

    A layer is a stage: 0 (stride 4), 1 (stride 8), 2 or -2 (stride 16: the best for streets), 3 or -1 (stride 32).
    Several stages are concatenated on the grid of the finest of them, the coarser ones interpolated bilinearly.
    Stages after the last one taken are not run.

    The position code is a tile of 8 x 8 cells of the first stage, so image sides must be multiples of 32 px whatever
    the stage.
    """

    def __init__(self, name: str, folder: Path, layers: Series[int], device: torch.device | str = "cpu") -> None:
        from transformers import AutoModel, Sam2VisionModel

        written = network_config(folder)
        if written["model_type"] == "sam2_vision_model":
            encoder = load_network(Sam2VisionModel, folder)
        else:  # the whole of SAM 2, of which the image encoder is a part
            encoder = load_network(AutoModel, folder).get_submodule("vision_encoder")
        hiera: Any = encoder.get_submodule("backbone")
        config = hiera.config
        stages = len(config.blocks_per_stage)
        self.name = name
        self.layers = resolved_layers(layers, stages, f"the {stages} stages of {name}")
        self.dim = int(sum(config.embed_dim_per_stage[stage] for stage in self.layers))
        self.patch_px = int(config.patch_stride[0] * config.query_stride[0] ** min(self.layers))
        self.multiple_px = int(config.patch_stride[0] * config.window_size_per_stage[0])
        self._settings = settings_of(written)
        self._mean, self._std = image_statistics(folder)
        del hiera.blocks[sum(config.blocks_per_stage[: max(self.layers) + 1]) :]
        self.network = frozen(hiera).to(device)
        self._device = torch.device(device)

    @cached_property
    def key(self) -> str:
        """Digest of the stages that are run, and of the settings."""
        settings = {"layers": self.layers, "mean": self._mean, "std": self._std, "config": self._settings}
        return key_of(weights_of(self.network), settings)

    def features(self, pixels: UInt8[Tensor, "cams 3 height width"]) -> Float32[Tensor, "cams dim rows cols"]:
        """One feature per cell of the finest stage taken."""
        check_pixels(pixels, self.multiple_px, self.name)
        rows, cols = (int(side) // self.patch_px for side in pixels.shape[2:])
        with torch.no_grad():
            outputs = self.network(normalised(pixels.to(self._device), self._mean, self._std))
        maps = [outputs.intermediate_hidden_states[stage].permute(0, 3, 1, 2) for stage in self.layers]
        return torch.cat([_on_grid(values, rows, cols) for values in maps], dim=1).contiguous().to(pixels.device)


def _on_grid(values: Tensor, rows: int, cols: int) -> Tensor:
    if values.shape[2:] == (rows, cols):
        return values
    return F.interpolate(values, size=(rows, cols), mode="bilinear", align_corners=False)
