"""Published networks through transformers, which is imported only here and only when such a network is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lima.teachers.teacher import IMAGENET_MEAN, IMAGENET_STD

NOT_NEEDED = ("pooler", "mask_token")
"""Parts of a network that do not change its features; files may lack them, and then they are random."""

NOT_A_SETTING = {
    "transformers_version",
    "_name_or_path",
    "architectures",
    "dtype",
    "torch_dtype",
    "id2label",
    "label2id",
}
"""What a config.json says about itself."""

WANTED_FILES = ["config.json", "preprocessor_config.json", "model*.safetensors", "model.safetensors.index.json"]


def local_folder(name: str) -> Path:
    """The folder with a network's files: the one named, or a hub repository fetched (once) into the hub's own cache."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise FileNotFoundError(
                f"{folder} has no config.json: a teacher's folder holds config.json and model.safetensors, "
                f"as `save_pretrained` of transformers writes them"
            )
        return folder
    if folder.exists() or name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise FileNotFoundError(
            f"no teacher {name!r}: it is neither `tiny`, nor a folder that exists, "
            f"nor a hub name such as facebook/dinov2-small"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=WANTED_FILES))
    except RepositoryNotFoundError as error:
        raise FileNotFoundError(f"the hub has no network {name!r}, or it needs a login (`hf auth login`)") from error
    except Exception as error:  # the hub raises a dozen unrelated types when there is no network
        raise FileNotFoundError(
            f"could not fetch {name!r} from the hub ({type(error).__name__}). Without a network, copy config.json and "
            f"model.safetensors of that network into a folder and name the folder as the teacher"
        ) from error


def network_config(folder: Path) -> dict[str, Any]:
    """The network's own config.json."""
    try:
        return dict(json.loads((folder / "config.json").read_text()))
    except ValueError as error:
        raise ValueError(f"{folder / 'config.json'} is not valid JSON: {error}") from error


def settings_of(config: dict[str, Any]) -> dict[str, Any]:
    """What of a config.json shapes the features: all of it but what it says about itself."""
    return {
        name: settings_of(value) if isinstance(value, dict) else value
        for name, value in config.items()
        if name not in NOT_A_SETTING
    }


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """The weights and buffers that shape the features."""
    return {name: values for name, values in network.state_dict().items() if needed(name)}


def needed(name: str) -> bool:
    """Whether the weight of this name shapes the features."""
    return not any(part in name for part in NOT_NEEDED)


def image_statistics(folder: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation the network was trained with: those in preprocessor_config.json, else ImageNet's.

    DINOv2, DINOv3 and SAM 2 use ImageNet's; some plain vision transformers use 0.5 and say so in that file.
    """
    path = folder / "preprocessor_config.json"
    settings = json.loads(path.read_text()) if path.is_file() else {}
    return tuple(settings.get("image_mean", IMAGENET_MEAN)), tuple(settings.get("image_std", IMAGENET_STD))


def load_network(model_class: Any, folder: Path) -> nn.Module:
    """`model_class.from_pretrained(folder)` in single precision, without its progress bars.

    Raises ValueError where weights the network needs are not in the file: transformers would draw them at random.
    """
    with _quiet():
        try:
            network, report = model_class.from_pretrained(
                folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
            )
        except OSError as error:
            raise FileNotFoundError(f"{folder} holds no weights that transformers can read: {error}") from error
    missing = sorted(name for name in report["missing_keys"] if needed(name))
    mismatched = sorted(str(key) for key in report["mismatched_keys"])
    if missing or mismatched:
        raise ValueError(
            f"the weights in {folder} do not fill {type(network).__name__}: {len(missing)} missing "
            f"({', '.join(missing[:3])} …), {len(mismatched)} of another shape ({', '.join(mismatched[:3])})"
        )
    return network


@contextmanager
def _quiet() -> Iterator[None]:
    """transformers without bars and remarks, and afterwards as it was."""
    from transformers.utils import logging

    bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
