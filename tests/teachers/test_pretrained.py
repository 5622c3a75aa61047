"""Oracle: the hidden states that transformers itself gives, laid out by hand; and laws of frozen networks.

Each family is tried twice: as small networks with random weights, always; and as the published weights, where present.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lima.teachers import load_teacher
from lima.teachers.teacher import IMAGENET_MEAN, IMAGENET_STD, Teacher, check_pixels, resolved_layers
from tests.shared import shared_folder
from tests.teachers.conftest import Folder
from tests.teachers.drives import picture


def pictures(count: int, height_px: int, width_px: int) -> Tensor:
    return torch.stack([picture(seed, height_px, width_px) for seed in range(count)])


def images_by_hand(pixels: Tensor) -> Tensor:
    """ImageNet's mean and deviation, channel by channel."""
    images = pixels.float() / 255
    for channel in range(3):
        images[:, channel] = (images[:, channel] - IMAGENET_MEAN[channel]) / IMAGENET_STD[channel]
    return images


def vit_hidden_states(folder: Path, pixels: Tensor) -> list[Tensor]:
    """Tokens after every block, block by block, as transformers' own classes run them."""
    from transformers import AutoModel

    network = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    states: list[Tensor] = []
    for module in network.modules():
        if type(module).__name__.endswith("Layer") and hasattr(module, "attention"):
            module.register_forward_hook(lambda _m, _i, out: states.append(out[0] if isinstance(out, tuple) else out))
    options = {"interpolate_pos_encoding": True} if type(network).__name__ == "ViTModel" else {}
    with torch.no_grad():
        network(images_by_hand(pixels), **options)
    return states


def grid_by_hand(tokens: Tensor, extra: int, rows: int, cols: int) -> Tensor:
    grid = torch.empty(len(tokens), tokens.shape[2], rows, cols)
    for row in range(rows):
        for col in range(cols):
            grid[:, :, row, col] = tokens[:, extra + row * cols + col]
    return grid


@pytest.mark.parametrize(
    ("model_type", "extra"), [("dinov2", 1), ("dinov2_with_registers", 5), ("dinov3_vit", 5), ("vit", 1)]
)
def test_vision_transformers_give_their_patch_tokens(small_network: Folder, model_type: str, extra: int) -> None:
    folder = small_network(model_type)
    pixels = pictures(2, 42, 84)
    states = vit_hidden_states(folder, pixels)
    assert len(states) == 3
    for layers, chosen in (((-1,), [2]), ((-2,), [1]), ((0,), [0]), ((-1, 0), [2, 0])):
        teacher = load_teacher(str(folder), layers)
        expected = torch.cat([grid_by_hand(states[layer], extra, 3, 6) for layer in chosen], dim=1)
        found = teacher.features(pixels)
        assert teacher.patch_px == 14
        assert teacher.dim == 24 * len(chosen) == found.shape[1]
        assert found.shape[2:] == (3, 6)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_sam2_gives_its_stages(small_network: Folder) -> None:
    from transformers import Sam2VisionModel

    folder = small_network("sam2")
    pixels = pictures(2, 64, 96)
    network = Sam2VisionModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        maps = network.backbone(images_by_hand(pixels)).intermediate_hidden_states
    for stage, stride in enumerate((4, 8, 16, 32)):
        for layer in (stage, stage - 4):
            teacher = load_teacher(str(folder), (layer,))
            assert teacher.patch_px == stride
            found = teacher.features(pixels)
            assert found.shape == (2, teacher.dim, 64 // stride, 96 // stride)
            for row in range(found.shape[2]):
                for col in range(found.shape[3]):
                    torch.testing.assert_close(found[:, :, row, col], maps[stage][:, row, col], rtol=1e-4, atol=1e-5)
    both = load_teacher(str(folder), (-1, -2))
    assert (both.patch_px, both.dim) == (16, 96)
    found = both.features(pixels)
    assert found.shape == (2, 96, 4, 6)
    torch.testing.assert_close(found[:, 64:], load_teacher(str(folder), (-2,)).features(pixels))
    assert found[:, :64].mean().item() == pytest.approx(maps[3].mean().item(), abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("weights", "layers", "size_px", "dim", "patch_px"),
    [
        ("dinov2-small", (-1,), (56, 112), 384, 14),
        ("dinov2-small", (-2, 7), (56, 84), 768, 14),
        ("sam2-hiera-tiny", (-2,), (96, 160), 384, 16),
    ],
)
def test_published_weights(
    weights: str, layers: tuple[int, ...], size_px: tuple[int, int], dim: int, patch_px: int
) -> None:
    folder = shared_folder(f"weights/{weights}")
    teacher = load_teacher(str(folder), layers)
    pixels = pictures(2, *size_px)
    found = teacher.features(pixels)
    assert (teacher.dim, teacher.patch_px) == (dim, patch_px)
    assert found.shape == (2, dim, size_px[0] // patch_px, size_px[1] // patch_px)
    if weights.startswith("dinov2"):
        states = vit_hidden_states(folder, pixels)
        rows, cols = found.shape[2:]
        expected = torch.cat([grid_by_hand(states[layer], 1, rows, cols) for layer in layers], dim=1)
    else:
        from transformers import Sam2VisionModel

        network = Sam2VisionModel.from_pretrained(folder, dtype=torch.float32).eval()
        with torch.no_grad():
            expected = network.backbone(images_by_hand(pixels)).intermediate_hidden_states[2].permute(0, 3, 1, 2)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found[1:], teacher.features(pixels[1:]), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("model_type", ["dinov2", "sam2"])
def test_frozen(small_network: Folder, model_type: str) -> None:
    """No gradients, nothing that moves, and nobody's train() call reaches in."""
    teacher = load_teacher(str(small_network(model_type)), (-2,))
    key, pixels = teacher.key, pictures(1, 224, 448)
    first = teacher.features(pixels)
    owner = nn.Module()
    owner.teacher = teacher
    owner.train()
    assert not list(owner.parameters())
    with torch.enable_grad():
        second = teacher.features(pixels)
    assert not second.requires_grad
    assert torch.equal(first, second)
    del teacher.__dict__["key"]
    assert teacher.key == key


@pytest.mark.parametrize("model_type", ["dinov2", "sam2"])
def test_pictures_do_not_see_each_other(small_network: Folder, model_type: str) -> None:
    teacher = load_teacher(str(small_network(model_type)), (-1,))
    pixels = pictures(3, 224, 448)
    together = teacher.features(pixels)
    for cam in range(3):
        torch.testing.assert_close(
            together[cam : cam + 1], teacher.features(pixels[cam : cam + 1]), rtol=1e-4, atol=1e-4
        )
    torch.testing.assert_close(teacher.features(pixels.flip(0)).flip(0), together, rtol=1e-4, atol=1e-4)


def test_the_key_follows_what_changes_the_features(small_network: Folder) -> None:
    folder = small_network("dinov2")
    key = load_teacher(str(folder), (-1,)).key
    assert load_teacher(str(folder), (2,)).key == key
    assert load_teacher(str(folder), (-2,)).key != key
    assert load_teacher(str(folder), (-1, -2)).key != load_teacher(str(folder), (-2, -1)).key
    penultimate = load_teacher(str(folder), (-2,)).key

    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.5] * 3, "image_std": [0.5] * 3}))
    assert load_teacher(str(folder), (-1,)).key != key
    (folder / "preprocessor_config.json").unlink()

    weights = load_file(folder / "model.safetensors")
    weights["encoder.layer.2.mlp.fc1.bias"][0] += 1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert load_teacher(str(folder), (-1,)).key != key
    assert load_teacher(str(folder), (-2,)).key == penultimate  # the changed block is never run


def test_normalisation_is_read_where_the_network_states_it(small_network: Folder) -> None:
    folder = small_network("vit")
    pixels = pictures(1, 28, 28)
    plain = load_teacher(str(folder)).features(pixels)
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": IMAGENET_MEAN, "image_std": IMAGENET_STD})
    )
    assert torch.equal(load_teacher(str(folder)).features(pixels), plain)
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.5] * 3, "image_std": [0.5] * 3}))
    assert not torch.equal(load_teacher(str(folder)).features(pixels), plain)


def test_errors_name_what_is_wrong(small_network: Folder, tmp_path: Path) -> None:
    folder = small_network("dinov2")
    teacher = load_teacher(str(folder))
    with pytest.raises(ValueError, match=r"multiples of 14 px, got 224 x 440; the nearest is 224 x 434"):
        teacher.features(pictures(1, 224, 440))
    with pytest.raises(ValueError, match=r"layer 3 is not among the 3 blocks of .*: 0 … 2, or -1 \(last\) … -3"):
        load_teacher(str(folder), (0, 3))
    with pytest.raises(ValueError, match="choose at least one"):
        load_teacher(str(folder), ())
    with pytest.raises(ValueError, match=r"uint8 \(cams, 3, height, width\).*got float32 \(1, 3, 28, 28\)"):
        check_pixels(torch.zeros(1, 3, 28, 28), 14, "a teacher")
    with pytest.raises(ValueError, match=r"got uint8 \(3, 28, 28\)"):
        check_pixels(torch.zeros(3, 28, 28, dtype=torch.uint8), 14, "a teacher")
    with pytest.raises(FileNotFoundError, match=r"has no config\.json"):
        load_teacher(str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"neither `tiny`, nor a folder that exists, nor a hub name"):
        load_teacher(str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=r"multiples of 32 px, got 224 x 432; the nearest is 224 x 448"):
        load_teacher(str(small_network("sam2")), (-2,)).features(pictures(1, 224, 432))


def test_weights_that_do_not_fill_the_network_are_refused(small_network: Folder) -> None:
    """transformers fills the gaps with random numbers; a teacher must not."""
    folder = small_network("dinov2")
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.mlp.fc1.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"1 missing \(encoder.layer.1.mlp.fc1.weight"):
        load_teacher(str(folder))
    (folder / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="holds no weights"):
        load_teacher(str(folder))


def test_a_network_without_patches_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "resnet"}))
    with pytest.raises(ValueError, match="'resnet', which is no plain vision transformer"):
        load_teacher(str(tmp_path))


def test_no_hub_and_the_remedy(tmp_path: Path) -> None:
    code = "from lima.teachers import load_teacher\nload_teacher('nobody/no-network-here')"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert "FileNotFoundError: could not fetch 'nobody/no-network-here' from the hub" in result.stderr
    assert "name the folder" in result.stderr


def test_loading_is_silent_and_leaves_transformers_as_it_was(
    small_network: Folder, capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers.utils import logging

    folder = small_network("dinov2")
    before = (logging.is_progress_bar_enabled(), logging.get_verbosity())
    capfd.readouterr()
    load_teacher(str(folder))
    assert "".join(capfd.readouterr()) == ""
    assert (logging.is_progress_bar_enabled(), logging.get_verbosity()) == before


def test_layers_count_as_in_python() -> None:
    names = ["a", "b", "c", "d"]
    for layer in range(-4, 4):
        assert names[resolved_layers((layer,), 4, "letters")[0]] == names[layer]
    assert resolved_layers((-1, 0), 4, "letters") == (3, 0)


def test_both_families_are_teachers(small_network: Folder) -> None:
    for model_type in ("dinov2", "sam2"):
        assert isinstance(load_teacher(str(small_network(model_type))), Teacher)
