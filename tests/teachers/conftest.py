"""Small networks of the published families, with random weights, as transformers writes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

Folder = Callable[..., Path]


def vit_config(model_type: str) -> dict[str, object]:
    config: dict[str, object] = {
        "hidden_size": 24,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "patch_size": 14,
        "image_size": 56,
        "intermediate_size": 48,
        "mlp_ratio": 2,
    }
    if model_type in ("dinov2_with_registers", "dinov3_vit"):
        config["num_register_tokens"] = 4
    return config


SAM2_BACKBONE = {
    "model_type": "sam2_hiera_det_model",
    "hidden_size": 8,
    "embed_dim_per_stage": [8, 16, 32, 64],
    "blocks_per_stage": [1, 2, 2, 1],
    "num_attention_heads_per_stage": [1, 1, 2, 2],
    "global_attention_blocks": [4],
    "window_size_per_stage": [8, 4, 14, 7],
}


@pytest.fixture
def small_network(tmp_path: Path) -> Folder:
    """Writes a small random network of the family, as `save_pretrained` writes it; gives its folder."""
    from transformers import AutoConfig, AutoModel, Sam2VisionConfig, Sam2VisionModel
    from transformers.utils import logging

    def write(model_type: str) -> Path:
        torch.manual_seed(0)
        if model_type == "sam2":
            config = Sam2VisionConfig(
                backbone_config=dict(SAM2_BACKBONE), backbone_channel_list=[64, 32, 16, 8], fpn_hidden_size=16
            )
            network = Sam2VisionModel(config)
        else:
            network = AutoModel.from_config(AutoConfig.for_model(model_type, **vit_config(model_type)))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.copy_(torch.randn_like(parameter) * 0.2)
        bars = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        network.save_pretrained(tmp_path / model_type)
        if bars:
            logging.enable_progress_bar()
        return tmp_path / model_type

    return write
